"""The pool of a worker: larger, smaller, another range to scale in, new processes."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from lazycelery.actions import crew
from lazycelery.actions.context import Context
from lazycelery.actions.crew import Change
from lazycelery.actions.plan import Draft
from lazycelery.actions.wording import count, listed
from lazycelery.errors import UsageError
from lazycelery.model.action import Order, Outcome, PlanItem
from lazycelery.model.counting import agreed
from lazycelery.model.reports import WorkerReport
from lazycelery.model.worker import Worker

MOST = 1000
"""Processes a pool is made larger to; a typing error must not start ten thousand."""
PATIENCE = crew.MAINTENANCE + 3.0
"""Seconds for a change of size to show: a prefork worker makes it at its next look after its pool."""
RENEWAL = 4.0
"""Seconds to see whether processes are replaced."""
EXAMPLE = "lazycelery worker pool grow 2 celery@web-1"
FIXED = {
    "threads": "its pool of threads keeps the size it was started with (-c)",
    "solo": "a solo pool has one place, and that is the worker itself",
}
LATE = (
    "A prefork worker makes it within 5 s; what it prefetches changes at once, by its multiplier a process."
)
LOST = "Lost when the worker restarts: then its own -c or --autoscale counts again."
BUSY = "Only processes that are idle at that moment are taken away; what runs is not touched."
RENEWED = (
    "A process is replaced after its next task; what runs ends first. One empty job is sent, so of several "
    "idle processes the others stay old until they have worked."
)


async def draft(context: Context, order: Order) -> Draft:
    """Look at each pool as it is now, and refuse what it cannot do, in words."""
    what = order.params.get("do")
    if what not in DOES:
        raise UsageError("What is to be done with the pool?", f"One of {', '.join(DOES)}.")
    workers = crew.named(context, order.targets, EXAMPLE)
    return await DOES[what](context, order, workers)


# ---- size


async def _resize(context: Context, order: Order, workers: Sequence[Worker]) -> Draft:
    how, own = str(order.params["do"]), crew.each_own(order, workers)
    numbers = {
        worker.name: _whole(own[worker.name] if own else order.params.get("n"), "how many processes")
        for worker in workers
    }
    reports = await crew.look(context, _reachable(workers), "stats", "active")
    items, changes, before = [], [], {}
    for worker in workers:
        report, number = reports.get(worker.name), numbers[worker.name]
        refused = crew.away(worker) or _cannot_resize(report)
        old = _size(report)
        if refused is None and report is not None and old is not None:
            new = {"grow": old + number, "shrink": old - number, "size": number}[how]
            refused = _no_such_size(report, old, new)
            text = f"{count(old, 'process', 'processes')} → {new:,}"
            if refused is None:
                before[worker.name] = old
                changes.append(_resized(worker.name, old, new))
        else:
            text = f"{how} {number:,}"
        items.append(PlanItem(target=worker.name, text=text, refused=refused))
    names = [change.worker for change in changes] or [worker.name for worker in workers]
    verb = {"grow": "Grow", "shrink": "Shrink", "size": "Set"}[how]
    several = listed([f"{numbers[name]:,}" for name in names], 3)
    together = several if len({numbers[name] for name in names}) > 1 else f"{numbers[names[0]]:,}"
    by = f"to {together}" if how == "size" else f"by {together}"
    shrinks = any(change.command == "pool_shrink" for change in changes)
    return Draft(
        title=f"{verb} the pool of {crew.at(names)} {by}",
        run=partial(_run_resize, context, changes, before),
        count=len(changes),
        items=items,
        name=crew.one_name(names),
        warnings=[LATE, *([BUSY] if shrinks else []), LOST],
        whole=len(context.online()),
        details={"do": how, "n": own or order.params.get("n"), "before": before},
    )


def _reachable(workers: Sequence[Worker]) -> list[str]:
    return [worker.name for worker in workers if crew.away(worker) is None]


def _whole(given: Any, what: str, least: int = 1) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not least <= given <= MOST:
        raise UsageError(f"{what.capitalize()}?", f"A whole number from {least:,} to {MOST:,}.")
    return given


def _size(report: WorkerReport | None) -> int | None:
    return report.stats.concurrency if report is not None and report.stats is not None else None


def _cannot_resize(report: WorkerReport | None) -> str | None:
    if report is None:
        return crew.MUTE
    if report.stats is None:
        return "it does not tell its size"
    if report.stats.pool in FIXED:
        return FIXED[report.stats.pool]
    if report.stats.autoscaler is not None:
        return f"it scales by itself ({_range(report)}): change that range instead"
    return None if report.stats.concurrency is not None else "it does not tell its size"


def _no_such_size(report: WorkerReport, old: int, new: int) -> str | None:
    if new == old:
        return f"it has {count(old, 'process', 'processes')} already"
    if new < 1:
        return (
            f"of its {count(old, 'process', 'processes')} at least one must stay: without one it runs nothing"
        )
    if new > MOST:
        return f"more than {MOST:,} processes are not started"
    idle = old - len(report.active or ())
    if new < old and report.stats is not None and report.stats.pool == "prefork" and old - new > idle:
        busy = f"{old - idle:,} of its {count(old, 'process', 'processes')} {agreed(old - idle, 'are')} busy"
        return f"{busy}: {'none' if idle <= 0 else f'at most {idle:,}'} can be taken away now"
    return None


def _resized(worker: str, old: int, new: int) -> Change:
    def reached(report: WorkerReport) -> str | None:
        size = _size(report)
        return f"{old:,} → {count(new, 'process', 'processes')}{_pids(report)}" if size == new else None

    def present(report: WorkerReport) -> str | None:
        size = _size(report)
        return None if size is None else f"it has {count(size, 'process', 'processes')}"

    return Change(
        worker, "pool_grow" if new > old else "pool_shrink", {"n": abs(new - old)}, reached, present
    )


def _pids(report: WorkerReport) -> str:
    pids = report.stats.processes if report.stats is not None else []
    return f" (pids {' '.join(map(str, pids[:8]))}{' …' if len(pids) > 8 else ''})" if pids else ""


async def _run_resize(context: Context, changes: Sequence[Change], before: Mapping[str, int]) -> Outcome:
    items, doubtful = await crew.carry_out(context, changes, ("stats",), context.patience / 3 * PATIENCE)
    # Its old size, to each: a step back is wrong where none was made, where a worker restarted meanwhile, and
    # when it is made twice.
    old = {name: before[name] for name in crew.to_take_back(items, doubtful)}
    undo = Order(action="pool", targets=list(old), params={"do": "size", "each": old}) if old else None
    command = " && ".join(_command(f"size {size}", names) for size, names in crew.by_value(old)) or None
    return crew.outcome("pool", "pool changed", items, len(doubtful), undo, command)


def _command(how: str, names: Sequence[str]) -> str:
    return f"lazycelery worker pool {how} {shlex.join(names)} --allow pool"


# ---- autoscale


async def _autoscale(context: Context, order: Order, workers: Sequence[Worker]) -> Draft:
    own = crew.each_own(order, workers)
    same = (order.params.get("max"), order.params.get("min", 0))
    ranges = {worker.name: _range_of(own[worker.name] if own else same) for worker in workers}
    reports = await crew.look(context, _reachable(workers), "stats")
    items, changes, before = [], [], {}
    for worker in workers:
        report, (highest, lowest) = reports.get(worker.name), ranges[worker.name]
        refused = crew.away(worker) or _cannot_scale(report, highest, lowest)
        text = f"{_range(report)} → {lowest:,} to {highest:,}"
        items.append(PlanItem(target=worker.name, text=text, refused=refused))
        if refused is None:
            before[worker.name] = _bounds(report)
            changes.append(_scaled(worker.name, highest, lowest))
    names = [change.worker for change in changes] or [worker.name for worker in workers]
    return Draft(
        title=f"Let {crew.at(names)} scale {_between([ranges[name] for name in names])}",
        run=partial(_run_autoscale, context, changes, before),
        count=len(changes),
        items=items,
        name=crew.one_name(names),
        warnings=["It keeps more processes than it needs for 30 s before it takes them away.", LOST],
        whole=len(context.online()),
        details={"do": "autoscale", "ranges": ranges, "before": before},
    )


def _range_of(given: Any) -> tuple[int, int]:
    """(max, min). Raises `UsageError`."""
    if not isinstance(given, (list, tuple)) or len(given) != 2:
        raise UsageError("Which range?", "At most, and at least.")
    highest, lowest = _whole(given[0], "how many at most"), _whole(given[1], "how many at least", 0)
    if lowest > highest:
        raise UsageError(f"At least {lowest:,} and at most {highest:,} processes cannot be.", "Swap the two.")
    return highest, lowest


def _between(ranges: Sequence[tuple[int, int]]) -> str:
    if len(set(ranges)) > 1:
        return "each in its own range: " + listed([f"{low:,} to {high:,}" for high, low in ranges], 3)
    return f"from {ranges[0][1]:,} to {ranges[0][0]:,} processes"


def _bounds(report: WorkerReport | None) -> tuple[int, int] | None:
    """(max, min), or `None` without --autoscale."""
    told = report.stats.autoscaler if report is not None and report.stats is not None else None
    highest, lowest = (told.get("max"), told.get("min")) if told else (None, None)
    return (highest, lowest) if isinstance(highest, int) and isinstance(lowest, int) else None


def _range(report: WorkerReport | None) -> str:
    bounds = _bounds(report)
    return f"{bounds[1]:,} to {bounds[0]:,}" if bounds else "no range"


def _cannot_scale(report: WorkerReport | None, highest: int, lowest: int) -> str | None:
    if report is None:
        return crew.MUTE
    if report.stats is not None and report.stats.pool in FIXED:
        return FIXED[report.stats.pool]
    bounds = _bounds(report)
    if bounds is None:
        return "it was not started with --autoscale"
    return f"it scales from {lowest:,} to {highest:,} already" if bounds == (highest, lowest) else None


def _scaled(worker: str, highest: int, lowest: int) -> Change:
    def reached(report: WorkerReport) -> str | None:
        size = count(_size(report) or 0, "process", "processes")
        return (
            f"scales from {lowest:,} to {highest:,}, {size} now"
            if _bounds(report) == (highest, lowest)
            else None
        )

    def present(report: WorkerReport) -> str | None:
        return None if report.stats is None else f"it scales from {_range(report)}"

    return Change(worker, "autoscale", {"max": highest, "min": lowest}, reached, present)


async def _run_autoscale(
    context: Context, changes: Sequence[Change], before: Mapping[str, tuple[int, int] | None]
) -> Outcome:
    items, doubtful = await crew.carry_out(context, changes, ("stats",), context.patience)
    done = crew.to_take_back(items, doubtful)
    old = {name: bounds for name in done if (bounds := before[name]) is not None}
    undo, command = None, None
    if old:
        together = crew.by_value(old)
        one = {"max": together[0][0][0], "min": together[0][0][1]}
        each = {"each": {name: list(bounds) for name, bounds in old.items()}}
        undo = Order(
            action="pool",
            targets=list(old),
            params={"do": "autoscale", **(one if len(together) == 1 else each)},
        )
        command = " && ".join(
            f"lazycelery worker autoscale {high} {low} {shlex.join(names)} --allow pool"
            for (high, low), names in together
        )
    return crew.outcome("pool", "range changed", items, len(doubtful), undo, command)


# ---- restart


async def _restart(context: Context, order: Order, workers: Sequence[Worker]) -> Draft:
    reports = await crew.look(context, _reachable(workers), "stats", "conf", "active")
    items, changes = [], []
    for worker in workers:
        report = reports.get(worker.name)
        refused = crew.away(worker) or _cannot_restart(report)
        running = len(report.active or ()) if report is not None else 0
        text = f"new processes for {count(_size(report) or 0, 'old one')}, {running:,} of them busy"
        items.append(PlanItem(target=worker.name, text=text, refused=refused))
        if refused is None and report is not None and report.stats is not None:
            changes.append(_renewed(worker.name, report.stats.processes))
    names = [change.worker for change in changes] or [worker.name for worker in workers]
    return Draft(
        title=f"Restart the pool of {crew.at(names)}",
        run=partial(_run_restart, context, changes),
        count=len(changes),
        items=items,
        name=crew.one_name(names),
        typed=True,
        warnings=[RENEWED, "The worker itself and the code it has loaded stay: only its processes are new."],
        whole=len(context.online()),
        details={"do": "restart"},
    )


def _cannot_restart(report: WorkerReport | None) -> str | None:
    if report is None:
        return crew.MUTE
    pool = report.stats.pool if report.stats is not None else None
    if pool != "prefork":
        return f"its pool is {pool or 'of an unknown kind'}: only a prefork pool has processes to replace"
    if report.conf is None:
        return "it does not tell its configuration, and so not whether it may"
    if not report.conf.get("worker_pool_restarts"):
        return "it was started without worker_pool_restarts = True: Celery refuses without"
    return None


def _renewed(worker: str, old: Sequence[int]) -> Change:
    def new(report: WorkerReport) -> int:
        return len(set(report.stats.processes if report.stats is not None else []) - set(old))

    def reached(report: WorkerReport) -> str | None:
        return f"{count(len(old), 'new process', 'new processes')}" if new(report) >= len(old) else None

    def present(report: WorkerReport) -> str | None:
        fresh = new(report)
        return None if report.stats is None else f"{fresh:,} of {len(old):,} {agreed(fresh, 'are')} new"

    return Change(worker, "pool_restart", {}, reached, present)


async def _run_restart(context: Context, changes: Sequence[Change]) -> Outcome:
    items, doubtful = await crew.carry_out(context, changes, ("stats",), context.patience / 3 * RENEWAL)
    for item in items:
        if not item.ok and item.target not in doubtful and item.text.startswith("it answered"):
            # That idle ones stay is how Celery does it, and was said before.
            item.ok = True
            item.text = f"begun: {item.text.rpartition('but ')[2]} so far, each other one after its next task"
    return crew.outcome("pool", "pool restarted", items, len(doubtful), None, None)


DOES: dict[str, Callable[[Context, Order, Sequence[Worker]], Awaitable[Draft]]] = {
    "grow": _resize,
    "shrink": _resize,
    "size": _resize,
    "autoscale": _autoscale,
    "restart": _restart,
}
