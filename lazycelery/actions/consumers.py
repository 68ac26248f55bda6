"""Who consumes a queue: add, cancel. Holding and resuming it: hold.py."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lazycelery.actions import crew, hold
from lazycelery.actions.context import Context
from lazycelery.actions.crew import Change
from lazycelery.actions.holds import declaration
from lazycelery.actions.plan import Draft
from lazycelery.actions.wording import listed, nearest
from lazycelery.errors import Refused, UsageError
from lazycelery.model.action import Order, Outcome, PlanItem
from lazycelery.model.reports import ActiveQueue, QueueReport, WorkerReport
from lazycelery.model.worker import Worker

LOST = "Lost when the worker restarts: then it consumes what its own -Q names."
NEW = "The broker has no such queue: the workers create it."
RESERVED = "What the workers have reserved already is run; the rest waits."
FOR_GOOD = (
    "Of {names} it is the only quorum queue: once let go, only a restart lets such a worker consume one "
    "again. Hold the queue instead: that can be taken back."
)
QUORUM, TYPE = "quorum", "x-queue-type"
EXAMPLES = {
    "add": "lazycelery worker consume {queue} w1@host",
    "cancel": "lazycelery worker cancel {queue} w1@host",
}
DOES = ("add", "cancel")
LISTS = "list"
"""The type of queues whose declaration cannot differ from what is there."""


async def draft(context: Context, order: Order) -> Draft:
    """One queue, and the workers that begin or end consuming it."""
    what = order.params.get("do")
    if len(order.targets) != 1 or not order.targets[0]:
        raise UsageError("Which queue?", "Name one queue at a time.")
    queue, names = order.targets[0], crew.strings(order, "workers")
    if what in hold.DOES:
        return await hold.draft(context, str(what), queue, names, bool(order.params.get("forget")))
    if what not in DOES:
        raise UsageError("What is to be done with the consumers?", "One of add, cancel, hold, resume.")
    workers = crew.named(context, names, EXAMPLES[what].format(queue=queue))
    return await (_add if what == "add" else _cancel)(context, queue, workers)


# ---- add


async def _add(context: Context, queue: str, workers: Sequence[Worker]) -> Draft:
    everybody = [worker.name for worker in context.online()]
    reports = await crew.look(context, everybody, "active_queues")
    known, report = declared(queue, reports.values()), await _probe(context, queue)
    if report is not None and report.folded:
        raise Refused(f"{queue} is no queue.", report.folded)
    arguments = how_declared(queue, known, report)
    items, changes = [], []
    kind = kind_of(known, report)
    for worker in workers:
        said = reports.get(worker.name)
        refused = crew.away(worker) or _consumes(said, queue, False) or breaks(context, said, queue, kind)
        items.append(PlanItem(target=worker.name, text=f"begin to consume {queue}", refused=refused))
        if refused is None:
            changes.append(adding(worker.name, queue, arguments))
    names = [change.worker for change in changes] or [worker.name for worker in workers]
    new = report is not None and not exists(report) and known is None
    like = [name.name for name in context.store.queues(context.clock())]
    return Draft(
        title=f"Let {crew.at(names)} consume {queue}",
        run=partial(_run, context, queue, changes, "add"),
        count=len(changes),
        items=items,
        name=crew.one_name(names),
        warnings=[*([f"{NEW} {nearest(queue, like)}".strip()] if new else []), LOST],
        whole=len(context.online()),
        details={"do": "add", "queue": queue},
    )


def declared(queue: str, reports: Any) -> ActiveQueue | None:
    """How a worker that consumes the queue declares it."""
    every = (each for report in reports for each in report.queues or ())
    return next((each for each in every if each.name == queue), None)


def exists(report: QueueReport) -> bool:
    """Whether the broker has the queue."""
    return report.error is None and report.messages is not None and (report.type != LISTS or report.bound)


async def _probe(context: Context, queue: str) -> QueueReport | None:
    found = await context.queues.probe([queue])
    return found[0] if found else None


def how_declared(queue: str, known: ActiveQueue | None, report: QueueReport | None) -> dict[str, Any]:
    """What `add_consumer` is told.

    RabbitMQ ends a worker's connection when it declares a queue otherwise than it is, and the worker with
    it. So a queue that is there is not declared again, wherever a declaration could differ.
    """
    arguments: dict[str, Any] = declaration(known) if known is not None else {"queue": queue}
    if report is not None and report.type == QUORUM:
        arguments.setdefault("queue_arguments", {TYPE: QUORUM})
    if report is not None and report.type != LISTS and exists(report):
        return {**arguments, "no_declare": True}
    return arguments


def kind_of(known: ActiveQueue | None, report: QueueReport | None) -> str | None:
    """The type of a queue: as a worker declares it, else as the broker tells; `new` where there is none."""
    if known is not None:
        return str((known.arguments or {}).get(TYPE) or "classic")
    if report is None or not exists(report):
        return "new"
    return report.type


def breaks(context: Context, said: WorkerReport | None, queue: str, kind: str | None) -> str | None:
    """Why a worker would not survive it.

    A worker that began without a quorum queue counts what it takes over all its queues. RabbitMQ refuses
    that for a quorum queue, and closes the connection; the worker connects and tries again, for ever.
    """
    if said is not None and _quorum(said):
        return None
    if kind == QUORUM:
        return (
            f"{queue} is a quorum queue and it consumes none: RabbitMQ would end its connection again and "
            f"again. Start it with -Q {queue}"
        )
    if kind is None and not context.queues.free_looks:
        return (
            f"the broker does not tell what kind of queue {queue} is (no management API): were it a quorum "
            "queue, it would end the worker's connection again and again"
        )
    return None


def _quorum(said: WorkerReport) -> set[str]:
    """The quorum queues that a worker consumes."""
    return {each.name for each in said.queues or () if (each.arguments or {}).get(TYPE) == QUORUM}


def adding(worker: str, queue: str, arguments: Mapping[str, Any], note: str = "") -> Change:
    """Let a worker consume a queue."""

    def reached(report: WorkerReport) -> str | None:
        return f"consumes {queue}{note}" if consumes(report, queue) else None

    def present(report: WorkerReport) -> str | None:
        return None if report.queues is None else f"it does not consume {queue}"

    return Change(worker, "add_consumer", arguments, reached, present)


def cancelling(worker: str, queue: str) -> Change:
    """Let a worker consume a queue no more."""

    def reached(report: WorkerReport) -> str | None:
        return f"consumes {queue} no more" if consumes(report, queue) is False else None

    def present(report: WorkerReport) -> str | None:
        return None if report.queues is None else f"it still consumes {queue}"

    return Change(worker, "cancel_consumer", {"queue": queue}, reached, present)


def consumes(report: WorkerReport, queue: str) -> bool | None:
    """Whether a worker says that it consumes a queue; `None` when it does not tell."""
    return None if report.queues is None else any(each.name == queue for each in report.queues)


def _consumes(report: WorkerReport | None, queue: str, wanted: bool) -> str | None:
    """Why nothing is to be done at a worker that should consume the queue (`wanted`), or should not."""
    if report is None:
        return crew.MUTE
    if consumes(report, queue) is None:
        return "it does not tell its queues"
    if consumes(report, queue) != wanted:
        return f"it does not consume {queue}" if wanted else f"it consumes {queue} already"
    return None


# ---- cancel


async def _cancel(context: Context, queue: str, workers: Sequence[Worker]) -> Draft:
    reports = await crew.look(context, [worker.name for worker in context.online()], "active_queues")
    items, changes = [], []
    for worker in workers:
        refused = crew.away(worker) or _consumes(reports.get(worker.name), queue, True)
        items.append(PlanItem(target=worker.name, text=f"end consuming {queue}", refused=refused))
        if refused is None:
            changes.append(cancelling(worker.name, queue))
    names = [change.worker for change in changes] or [worker.name for worker in workers]
    last = [change.worker for change in changes if _quorum(reports[change.worker]) == {queue}]
    for_good = [FOR_GOOD.format(names=listed(last))] if last else []
    return Draft(
        title=f"Let {crew.at(names)} consume {queue} no more",
        run=partial(_run, context, queue, changes, "cancel", last),
        count=len(changes),
        items=items,
        name=crew.one_name(names),
        warnings=[*for_good, *left_alone(reports, queue, names), RESERVED, LOST],
        whole=len(context.online()),
        details={"do": "cancel", "queue": queue},
    )


def left_alone(reports: Mapping[str, WorkerReport], queue: str, leaving: Sequence[str]) -> list[str]:
    """What is left without a consumer, or without work."""
    warnings = []
    others = [name for name, report in reports.items() if name not in leaving and consumes(report, queue)]
    if not others:
        warnings.append(f"Nobody else consumes {queue}: its messages will wait.")
    idle = [
        name
        for name in leaving
        if name in reports and reports[name].queues and len(reports[name].queues or ()) == 1
    ]
    if idle:
        does = "does" if len(idle) == 1 else "do"
        warnings.append(f"{listed(idle)} {does} nothing else: {queue} is the only queue there.")
    return warnings


async def _run(
    context: Context, queue: str, changes: Sequence[Change], what: str, for_good: Sequence[str] = ()
) -> Outcome:
    """`for_good`: workers that cannot be told to take it back."""
    items, doubtful = await crew.carry_out(context, changes, ("active_queues",), context.patience)
    done = [name for name in crew.to_take_back(items, doubtful) if name not in for_good]
    back = "cancel" if what == "add" else "add"
    undo = Order(action="consumers", targets=[queue], params={"do": back, "workers": done}) if done else None
    names = shlex.join([queue, *done])
    command = (
        f"lazycelery worker cancel {names} --allow consumers"
        if what == "add"
        else f"lazycelery worker consume {names} --allow consumers"
    )
    did = f"{queue} consumed" if what == "add" else f"{queue} consumed no more"
    return crew.outcome("consumers", did, items, len(doubtful), undo, command if done else None)
