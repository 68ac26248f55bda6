"""Shut workers down, by name: warm, so what runs is finished first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from lazycelery.actions import consumers, crew
from lazycelery.actions.arrival import until
from lazycelery.actions.context import Context
from lazycelery.actions.plan import Draft
from lazycelery.actions.wording import count, listed
from lazycelery.errors import LazyCeleryError, Refused, UsageError
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem
from lazycelery.model.reports import WorkerReport
from lazycelery.model.worker import Worker

PATIENCE = 10.0
"""Seconds to see that a worker has gone, and whether another comes in its place."""
AGAIN = 3.0
"""Seconds to wait for a successor."""
EXAMPLE = "lazycelery worker shutdown celery@web-1"
SUPERVISOR = "A supervisor (systemd, Kubernetes, supervisord) may start it again at once."
WARM = "It takes nothing new, finishes what it runs, and gives back what it has reserved."
UNSURE = "it does not answer, and said no goodbye: a blocked worker stops when its task ends"
SILENT = "Nobody answers to this: that it is done is seen by its goodbye, and by its silence."
COLD = (
    "Celery has no remote command for a cold stop. At the worker's machine, as its user: kill -QUIT {pid}. "
    "It ends what runs; only tasks with acks_late come back."
)


async def draft(context: Context, order: Order) -> Draft:
    """What each of them runs, and what is left without a consumer. Only by name, never all at once."""
    if any(set(name) & set("*?[") for name in order.targets):
        raise UsageError("A shutdown takes whole names, no patterns.", f"For example {EXAMPLE}")
    workers = crew.named(context, order.targets, EXAMPLE)
    if order.params.get("cold"):
        raise Refused("A cold stop cannot be sent.", COLD.format(pid=_pid(workers)))
    online = [worker.name for worker in context.online()]
    reports = await crew.look(context, online, "ping", "stats", "active", "reserved", "active_queues")
    items = [_item(worker, reports.get(worker.name)) for worker in workers]
    going = {item.target: reports.get(item.target) for item in items if item.refused is None}
    return Draft(
        title=f"Shut down {crew.at(list(going) or [worker.name for worker in workers])}",
        run=partial(_run, context, going),
        count=len(going),
        items=items,
        name=crew.one_name(list(going)),
        typed=True,
        warnings=[WARM, *_abandoned(reports, list(going)), SUPERVISOR, SILENT],
        whole=len(online),
        details={
            "pids": {name: report.stats.pid for name, report in going.items() if report and report.stats}
        },
    )


def _pid(workers: Sequence[Worker]) -> str:
    return str(workers[0].pid) if len(workers) == 1 and workers[0].pid else "PID"


def _item(worker: Worker, report: WorkerReport | None) -> PlanItem:
    item = PlanItem(target=worker.name, text="it did not say what it runs", refused=crew.away(worker))
    if report is not None and report.active is not None:
        names = [task.name or "a task" for task in report.active]
        runs = (
            f"runs {count(len(names), 'task')} ({listed(sorted(set(names)), 3)})" if names else "runs nothing"
        )
        kept = f", holds {len(report.reserved):,} more" if report.reserved else ""
        item.text = f"{runs}{kept}"
    return item


def _abandoned(reports: Mapping[str, WorkerReport], leaving: Sequence[str]) -> list[str]:
    """Queues that nobody else consumes."""
    mine = {queue.name for name in leaving if name in reports for queue in reports[name].queues or ()}
    alone = sorted(
        queue
        for queue in mine
        if not any(
            consumers.consumes(report, queue) for name, report in reports.items() if name not in leaving
        )
    )
    return [f"Nobody else consumes {listed(alone)}."] if alone else []


async def _run(context: Context, going: Mapping[str, WorkerReport | None]) -> Outcome:
    began = context.clock()
    names = list(going)
    await context.remote.shut_down(names)
    factor = context.patience / 3
    gone: dict[str, str] = {}
    await until(lambda: _said_goodbye(context, names, began, gone), PATIENCE / 2 * factor, 0.1)
    reports = await _ask(context, names)
    successors = {name for name in names if _another(going[name], reports.get(name))}
    if len(gone) == len(names) and not successors:
        await until(lambda: False, AGAIN * factor, AGAIN * factor)
        reports = await _ask(context, names)
        successors = {name for name in names if _another(going[name], reports.get(name))}
    items = [_ended(name, going[name], reports.get(name), name in gone, name in successors) for name in names]
    unknown = sum(item.text.startswith(UNSURE) for item in items)
    return crew.outcome("shutdown", "shut down", items, unknown, None, None)


def _said_goodbye(context: Context, names: Sequence[str], began: float, gone: dict[str, str]) -> bool:
    for worker in context.store.workers(context.clock()):
        if worker.name in names and worker.stopped is not None and worker.stopped >= began - 1:
            gone.setdefault(worker.name, "goodbye")
    return len(gone) == len(names)


async def _ask(context: Context, names: Sequence[str]) -> dict[str, WorkerReport]:
    try:
        return await crew.look(context, names, "ping", "stats")
    except LazyCeleryError:
        return {}


def _another(before: WorkerReport | None, now: WorkerReport | None) -> bool:
    """Whether another process answers under the same name."""
    if before is None or now is None or before.stats is None or now.stats is None:
        return False
    younger = None not in (now.stats.uptime, before.stats.uptime) and (
        (now.stats.uptime or 0) < (before.stats.uptime or 0)
    )
    return now.stats.pid != before.stats.pid or younger


def _ended(
    name: str, before: WorkerReport | None, now: WorkerReport | None, goodbye: bool, successor: bool
) -> OutcomeItem:
    running = len(before.active or ()) if before is not None else 0
    rest = f"; the {count(running, 'task')} it ran end first" if running else ""
    if successor and now is not None and now.stats is not None:
        return OutcomeItem(
            target=name, ok=True, text=f"stopped; another one (pid {now.stats.pid}) has come in its place"
        )
    if now is not None and now.ping:
        return OutcomeItem(target=name, ok=False, text="it still answers")
    if goodbye:
        return OutcomeItem(target=name, ok=True, text=f"said goodbye, and answers no more{rest}")
    return OutcomeItem(target=name, ok=False, text=f"{UNSURE}{rest}")
