"""Rate and time limits of one task, at workers; the present values are read back."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from lazycelery.actions import crew
from lazycelery.actions.context import Context
from lazycelery.actions.plan import Draft
from lazycelery.actions.replies import agreed, plainly, untold
from lazycelery.actions.wording import listed, nearest
from lazycelery.errors import LazyCeleryError, NothingFound, UsageError
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem
from lazycelery.model.faces import by_face
from lazycelery.model.reports import TaskLimits
from lazycelery.model.worker import Worker
from lazycelery.sources.protocols.remote import WorkerCommand

RATE = re.compile(r"^\d+(\.\d+)?(/[smh])?$")
NONE = ("none", "off", "no", "0", "0/s", "0/m", "0/h")
LONGEST = 30 * 86_400.0
LOST = "Lost when a worker restarts: then the task's own setting counts again."
WITHIN = "Tasks beyond the rate wait inside the worker; they fill its prefetch, which can hold up others."
NEXT = "It counts for tasks that start from now on; one that runs keeps its limit."
LIMITLESS = {"threads": "threads", "solo": "solo"}
"""Kinds of pool that know no time limits."""
UNCHANGED = "unchanged"
DOES = ("rate", "time")


async def draft(context: Context, order: Order) -> Draft:
    """What limits the task now at each worker, and what would."""
    what, task = order.params.get("do"), order.params.get("task")
    if what not in DOES:
        raise UsageError("Which limit?", f"One of {', '.join(DOES)}.")
    if not isinstance(task, str) or not task:
        raise UsageError("Which task?", "Give the full name, such as shop.charge.")
    workers = crew.meant(context, order.targets)
    wants = _wants(order, what, workers)
    names = [worker.name for worker in workers if crew.away(worker) is None]
    present = await crew.limits(context, names)
    mute = {name: crew.mute(context, name) for name in names if name not in present}
    _known(task, present, mute, explicit=bool(order.targets))
    items: list[PlanItem] = []
    before: dict[str, TaskLimits] = {}
    for worker in workers:
        tasks = present.get(worker.name)
        item, old = _item(worker, task, tasks, mute.get(worker.name, crew.MUTE), wants[worker.name])
        if item is None:
            continue
        items.append(item)
        if item.refused is None and old is not None:
            before[worker.name] = old
    change = _common(wants[name] for name in before or wants)
    return Draft(
        title=f"{_title(what, task, change)} at {crew.at(list(before) or [item.target for item in items])}",
        run=partial(_run, context, what, task, wants, before),
        count=len(before),
        items=items,
        name=crew.one_name(list(before)),
        warnings=_warnings(context, what, change, workers, before),
        refused=None if items else "no worker is online",
        whole=len(context.online()),
        details={
            "do": what,
            "task": task,
            "before": {name: words(what, old) for name, old in before.items()},
        },
    )


@dataclass(frozen=True)
class _Wanted:
    """What is asked for; `UNCHANGED` keeps what a worker has."""

    rate: Any = UNCHANGED
    soft: Any = UNCHANGED
    hard: Any = UNCHANGED

    def over(self, old: TaskLimits) -> TaskLimits:
        """A worker's limits, changed."""
        kept = {name: getattr(self, name) for name in ("rate", "soft", "hard")}
        return TaskLimits(
            **{name: getattr(old, name) if value is UNCHANGED else value for name, value in kept.items()}
        )


def _wants(order: Order, what: str, workers: Sequence[Worker]) -> dict[str, _Wanted]:
    """What each worker is to have: the same, or its own."""
    own = crew.each_own(order, workers)
    make = _rate if what == "rate" else _time
    if not own:
        return dict.fromkeys((worker.name for worker in workers), make(order.params))
    if not all(isinstance(own[worker.name], dict) for worker in workers):
        raise UsageError("Not every worker has limits of its own.")
    return {worker.name: make(own[worker.name]) for worker in workers}


def _common(wants: Iterable[_Wanted]) -> _Wanted | None:
    """What all are to have; `None` where they differ, or where nobody is asked."""
    every = list(wants)
    return every[0] if every and all(each == every[0] for each in every) else None


def _rate(params: Mapping[str, Any]) -> _Wanted:
    given = str(params.get("rate") or "").strip().lower().replace(" ", "")
    if given in NONE:
        return _Wanted(rate="0")
    if not RATE.match(given):
        raise UsageError(f"{params.get('rate')!r} is no rate.", "For example 10/s, 5/m, 100/h, or none.")
    return _Wanted(rate=given)


def _time(params: Mapping[str, Any]) -> _Wanted:
    wanted = _Wanted(soft=_seconds(params, "soft"), hard=_seconds(params, "hard"))
    if wanted.soft is UNCHANGED and wanted.hard is UNCHANGED:
        raise UsageError(
            "Which time limit?",
            by_face("Give --soft SECONDS, --hard SECONDS, or both", "time SECONDS, or time SOFT HARD")
            + "; none takes one away.",
        )
    return wanted


def _seconds(params: Mapping[str, Any], name: str) -> Any:
    given = params.get(name)
    if given is None:
        return UNCHANGED
    if str(given).lower() in NONE:
        return None
    try:
        seconds = float(given)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 < seconds <= LONGEST:
        raise UsageError(f"{given!r} are no seconds.", "A number above 0, or none.")
    return seconds


def _known(
    task: str,
    present: Mapping[str, Mapping[str, TaskLimits]],
    mute: Mapping[str, str],
    explicit: bool,
) -> None:
    """Raises `NothingFound` where all workers are meant and none of those that answered has the task."""
    every = {name for tasks in present.values() for name in tasks}
    if not present or task in every or explicit:
        return
    near = nearest(task, every)
    if not mute:
        raise NothingFound(f"No worker knows a task {task}.", near)
    untold = "; ".join(
        f"{listed([name for name in mute if mute[name] == why], 3)}: {why}"
        for why in dict.fromkeys(mute.values())
    )
    raise NothingFound(
        f"No worker that answered knows a task {task}.", f"{near} Not known of {untold}.".strip()
    )


def _item(
    worker: Worker, task: str, tasks: Mapping[str, TaskLimits] | None, mute: str, wanted: _Wanted
) -> tuple[PlanItem | None, TaskLimits | None]:
    item = PlanItem(target=worker.name, text=task)
    if (reason := crew.away(worker)) or tasks is None:
        item.refused = reason or mute
        return item, None
    if task not in tasks:
        item.refused = f"it does not know {task}. {nearest(task, tasks)}".strip()
        return item, None
    old = tasks[task]
    new = wanted.over(old)
    what = "rate" if wanted.rate is not UNCHANGED else "time"
    item.text = f"{task}: {words(what, old)} → {words(what, new)}"
    if _same(old, new):
        item.refused = f"it is {words(what, old)} already"
    elif what == "time" and new.soft and new.hard and new.soft >= new.hard:
        item.refused = f"the soft limit ({new.soft:g} s) must be under the hard one ({new.hard:g} s)"
    return item, old


def _same(one: TaskLimits, other: TaskLimits) -> bool:
    return (_plain(one.rate), one.soft, one.hard) == (_plain(other.rate), other.soft, other.hard)


def _plain(rate: str | None) -> tuple[float, str]:
    """A rate as number and unit: `5` is `5.0/s`, and `0` is none."""
    number, _, unit = (rate or "0").partition("/")
    try:
        value = float(number)
    except ValueError:
        return -1.0, rate or ""
    return value, (unit or "s") if value else ""


def words(what: str, limits: TaskLimits) -> str:
    """`10/m`, `no rate limit`, `soft 30 s, hard 60 s`."""
    if what == "rate":
        return limits.rate if limits.rate and _plain(limits.rate)[0] else "no rate limit"
    parts = [f"{name} {value:g} s" for name, value in (("soft", limits.soft), ("hard", limits.hard)) if value]
    return ", ".join(parts) or "no time limit"


def _title(what: str, task: str, wanted: _Wanted | None) -> str:
    if wanted is None:
        return f"Set the {what} limits of {task}, to each its own,"
    if what == "rate":
        return (
            f"Limit {task} to {wanted.rate}" if wanted.rate != "0" else f"Take the rate limit of {task} away"
        )
    parts = [
        f"{name} {f'{value:g} s' if value else 'none'}"
        for name, value in (("soft", wanted.soft), ("hard", wanted.hard))
        if value is not UNCHANGED
    ]
    return f"Set the time limits of {task} to {', '.join(parts)}"


def _warnings(
    context: Context,
    what: str,
    wanted: _Wanted | None,
    workers: Sequence[Worker],
    before: Mapping[str, TaskLimits],
) -> list[str]:
    if what == "rate":
        each = []
        if wanted is None:
            return [WITHIN, LOST]
        if wanted.rate != "0" and len(before) > 1:
            number, _, unit = wanted.rate.partition("/")
            together = f"{float(number) * len(before):g}/{unit or 's'}"
            each = [f"The rate is each worker's own: {len(before):,} of them do {together} together."]
        return [*each, *([WITHIN] if wanted.rate != "0" else []), LOST]
    blind = [worker.name for worker in workers if worker.name in before and worker.pool in LIMITLESS]
    return [
        *(
            [f"{listed(blind)}: pools of threads and solo pools end no task at its time limit."]
            if blind
            else []
        ),
        NEXT,
        LOST,
    ]


async def _run(
    context: Context, what: str, task: str, wants: Mapping[str, _Wanted], before: Mapping[str, TaskLimits]
) -> Outcome:
    goals = {name: wants[name].over(old) for name, old in before.items()}
    told = [await _at(context, what, task, name, goal) for name, goal in goals.items()]
    items = [item for item, _ in told]
    may = {item.target for item, perhaps in told if perhaps}
    present = await _read_back(context, list(before))
    unknown = 0
    for item in items:
        now = present.get(item.target, {}).get(task)
        goal = goals[item.target]
        if now is not None and _same(now, goal):
            item.ok, item.text = (
                True,
                f"{task}: {words(what, now)}, it was {words(what, before[item.target])}",
            )
        elif now is not None:
            item.ok, item.text = False, f"{item.text}; it has {words(what, now)}"
        else:
            item.ok, item.text = False, f"{item.text}; it cannot be read back now"
            unknown += item.target in may
    undo, command = _undo(
        what, task, {item.target: before[item.target] for item in items if item.ok or item.target in may}
    )
    return crew.outcome("limits", f"{task} limited", items, unknown, undo, command)


async def _at(
    context: Context, what: str, task: str, worker: str, goal: TaskLimits
) -> tuple[OutcomeItem, bool]:
    """What a worker answered, and whether it may have done it."""
    command: WorkerCommand = "rate_limit" if what == "rate" else "time_limit"
    arguments: dict[str, Any] = {"task_name": task}
    arguments |= (
        {"rate_limit": goal.rate or "0"} if what == "rate" else {"soft": goal.soft, "hard": goal.hard}
    )
    try:
        replies = await context.remote.tell(command, arguments, [worker], timeout=context.profile.timeout)
    except LazyCeleryError as error:
        why, perhaps = untold(error)
        return OutcomeItem(target=worker, ok=False, text=why), perhaps
    answer = replies.by_worker().get(worker)
    if answer is None:
        return OutcomeItem(target=worker, ok=False, text="it did not answer"), True
    text, good = plainly(context, answer), agreed(answer)
    said = {worker: {"ok" if good else "error": text}}
    return OutcomeItem(target=worker, ok=good, text=text, replies=said), good


async def _read_back(context: Context, workers: Sequence[str]) -> dict[str, dict[str, TaskLimits]]:
    try:
        return await context.remote.limits(workers, timeout=context.profile.timeout)
    except LazyCeleryError:
        return {}


def _undo(what: str, task: str, before: Mapping[str, TaskLimits]) -> tuple[Order | None, str | None]:
    """How to put the old values back, to each worker its own."""
    if not before:
        return None, None
    own = {name: _old(what, old) for name, old in before.items()}
    together = crew.by_value(own)
    params: dict[str, Any] = together[0][0] if len(together) == 1 else {"each": own}
    order = Order(action="limits", targets=sorted(own), params={"do": what, "task": task, **params})
    return order, " && ".join(_command(what, task, old, names) for old, names in together)


def _old(what: str, limits: TaskLimits) -> dict[str, str]:
    """A worker's limits as an order gives them."""
    if what == "rate":
        return {"rate": limits.rate if limits.rate and _plain(limits.rate)[0] else "none"}
    times = (("soft", limits.soft), ("hard", limits.hard))
    return {name: "none" if value is None else f"{value:g}" for name, value in times}


def _command(what: str, task: str, old: Mapping[str, str], names: Sequence[str]) -> str:
    if what == "rate":
        return f"lazycelery worker rate-limit {shlex.join([task, old['rate'], *names])} --allow limits"
    on, soft, hard = shlex.join([task, *names]), old["soft"], old["hard"]
    return f"lazycelery worker time-limit {on} --soft {soft} --hard {hard} --allow limits"
