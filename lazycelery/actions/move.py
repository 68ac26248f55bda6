"""Move: waiting messages of one queue to the end of another, after they are safe in a backup."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from lazycelery.actions import resume, saving, shifting
from lazycelery.actions.context import Context
from lazycelery.actions.plan import MANY, Draft
from lazycelery.actions.purge import by_priority, known_queue, unreadable
from lazycelery.actions.shifting import Chosen, Work
from lazycelery.actions.wording import count, nearest
from lazycelery.errors import NothingFound, UsageError
from lazycelery.model.action import Order, PlanItem
from lazycelery.model.faces import by_face
from lazycelery.model.reports import QueueReport

UNSEEN = "only the management API tells"


async def draft(context: Context, order: Order) -> Draft:
    """Count what would move, look at the target, and choose the backup's file."""
    if "resume" in order.params:
        return await resume.draft(context, order)
    if len(order.targets) != 2 or order.targets[0] == order.targets[1]:
        raise UsageError("Move takes two different queues.", "Say `lazycelery move FROM TO [FILTER]`.")
    queue, to = order.targets
    report = await known_queue(context, queue)
    if report.messages == 0:
        raise NothingFound(f"{queue} is empty.", "There is nothing to move.")
    refused, warnings = await target(context, to)
    refused = unreadable(report) or refused
    cost = [] if refused else await shifting.sifting(context).cost(queue)
    chosen = Chosen()
    if order.filter is not None and not refused:
        route = shifting.matching(order, queue, to)
        await shifting.refuse_costly(context, order, queue)
        chosen = await shifting.choose(context, order, queue, route)
        none_matches(chosen, queue, order.filter)
    number = report.messages or 0 if chosen.targets is None else len(chosen.targets)
    full, room = await too_many(context, to, number, report.size if chosen.targets is None else None)
    refused = refused or full
    path = saving.backup_path(context, order, queue)
    facts: dict[str, Any] = {"queue": queue, "to": to, "messages": number}
    what = described(context, queue, number, chosen, report, order)
    title = f"Move {what} to {to}"
    work = Work(
        action="move",
        header=saving.header(context, queue, "move", to, whole=chosen.targets is None),
        path=path,
        most=shifting.most(order),
        targets=chosen.targets,
        target=to,
        planned=number,
        facts=facts,
    )
    pace = shifting.paced(context, order, work, chosen, title)
    return Draft(
        title=title,
        question=f"move {what} to {to}, backup {path}?",
        run=partial(shifting.carry_out, context, work, "moved"),
        course=work.course,
        count=number,
        items=chosen.items or [PlanItem(target=queue, text=what, refused=refused)],
        word=queue if chosen.targets is None else str(number),
        typed=number > MANY,
        warnings=[
            *chosen.warnings(queue),
            *(cost if chosen.targets is not None else cost[-1:]),
            *warnings,
            *room,
            *pace,
            *held(report),
        ],
        refused=refused,
        backup=str(path),
        details=facts,
    )


def described(
    context: Context, queue: str, number: int, chosen: Chosen, report: QueueReport, order: Order
) -> str:
    """`12 messages of default that match name:x`, or all of them by priority."""
    if chosen.targets is None:
        return f"all {count(number, 'message')} of {queue}{by_priority(report.priorities)}"
    return f"{count(number, 'message')} of {queue} that match {context.redactor.text(order.filter or '')}"


def none_matches(chosen: Chosen, queue: str, filter: str) -> None:
    """Raise `NothingFound` when the look found nothing."""
    if not chosen.targets:
        far = " ".join(chosen.warnings(queue))
        looked = chosen.looked.looked if chosen.looked else 0
        raise NothingFound(
            f"No waiting message of {queue} matches {filter}.",
            far
            or f"All {looked:,} were looked at; "
            + by_face(f"`lazycelery peek {queue}`", ":peek")
            + " shows them.",
        )


def held(report: QueueReport) -> list[str]:
    """What is said of messages that workers hold."""
    if not report.unacked:
        return []
    return [f"{count(report.unacked, 'unacknowledged message', does='are')} not touched: workers hold them."]


async def too_many(
    context: Context, to: str, number: int, size: int | None = None
) -> tuple[str | None, list[str]]:
    """Why so many more (of `size` bytes altogether, where that is known) would push other messages out of a
    queue, or `None`; and what is to be known of its limits."""
    (report,) = await context.queues.probe([to])
    limit = report.limit
    if limit is None:
        unknown = f"Whether {to} drops its oldest messages beyond some number is not known: {UNSEEN}."
        return None, [unknown] * report.limit_unknown
    said = f"{to} holds at most {limit.text}, and the broker {limit.beyond}"
    if limit.messages is not None and (report.messages or 0) + number > limit.messages:
        return said, []
    if limit.bytes is None:
        return None, []
    if (size or 0) + (report.size or 0) > limit.bytes:
        return said, []
    return None, [f"{said}: those that do not fit are not sent, and stay where they are."]


async def targets(context: Context, places: Mapping[str, int]) -> tuple[str | None, list[str]]:
    """Why none of so many messages by queue can go there, and what is to be known of where they go."""
    warnings, problems = [], []
    for place, number in sorted(places.items()):
        problem, told = await target(context, place)
        full, room = await too_many(context, place, number)
        problem = problem or full
        warnings += told + room
        if problem:
            problems.append(problem)
            warnings.append(f"{count(number, 'message', does='stay')}: {problem}")
    every = bool(places) and len(problems) == len(places)
    return (problems[0] if every else None), warnings


async def target(context: Context, to: str) -> tuple[str | None, list[str]]:
    """Why the target cannot take messages, or `None`; and what should be known of it."""
    (report,) = await context.queues.probe([to])
    if report.error:
        return f"{to} cannot take them: {report.error}", []
    if report.folded:
        return f"{to} stands for queues of the broker's own: nothing is put there", []
    if report.type == "stream":
        return f"{to} is a stream: tasks are never taken out of it", []
    known = {*await context.queues.names(), *(each.name for each in context.store.queues(context.clock()))}
    if to not in known and not report.messages:
        near = nearest(to, known)
        return None, [
            f"No queue {to} is known: the messages wait there until somebody consumes it. {near}".strip()
        ]
    if not context.consumers(to) and not report.consumers:
        return None, [f"No worker that told its queues consumes {to}: the messages wait there."]
    return None, []
