"""Requeue: dead letters back to the queue in which they died, as `x-death` tells of each."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

from lazycelery.actions import resume, saving, shifting
from lazycelery.actions.context import Context
from lazycelery.actions.move import held, none_matches, targets
from lazycelery.actions.plan import MANY, Draft
from lazycelery.actions.purge import filled_queue
from lazycelery.actions.shifting import Chosen, Route, Work
from lazycelery.actions.wording import count, listed
from lazycelery.errors import NothingFound, UsageError
from lazycelery.model.action import Order, PlanItem
from lazycelery.model.faces import by_face
from lazycelery.model.message import Message
from lazycelery.store.filter.messages import MessageFilter

LOOPS = "What made them die may still be there: they can die again, and come back."
LATER = "Where each goes is seen only when it is taken; those that tell no queue stay."


async def draft(context: Context, order: Order) -> Draft:
    """Look where each would go, where looks are free or asked for."""
    if "resume" in order.params:
        return await resume.draft(context, order)
    if len(order.targets) != 1:
        raise UsageError(
            "Requeue takes one queue of dead letters.", "Say `lazycelery requeue QUEUE [FILTER]`."
        )
    (queue,) = order.targets
    how = route(order, queue)
    report, messages = await filled_queue(context, queue, "requeue")
    looks = context.queues.free_looks or bool(order.params.get("look"))
    if order.filter is not None:
        await shifting.refuse_costly(context, order, queue)
    cost = await shifting.sifting(context).cost(queue)
    chosen, warnings, refused = (
        Chosen(),
        [LATER + by_face(" --force looks first, and counts them.", "")],
        None,
    )
    if looks:
        chosen = await shifting.choose(context, order, queue, how)
        _nothing_died(chosen, queue, order)
        refused, warnings = await targets(context, Counter((chosen.targets or {}).values()))
    number = messages if chosen.targets is None else len(chosen.targets)
    path = saving.backup_path(context, order, queue)
    facts: dict[str, Any] = {"queue": queue, "messages": number}
    what = _described(context, queue, number, chosen, order)
    title = f"Requeue {what}"
    work = Work(
        action="requeue",
        header=saving.header(context, queue, "requeue", whole=chosen.targets is None),
        path=path,
        most=shifting.most(order),
        targets=chosen.targets,
        route=how,
        planned=number,
        facts=facts,
    )
    pace = shifting.paced(context, order, work, chosen, title)
    return Draft(
        title=title,
        question=f"requeue {what}, backup {path}?",
        run=partial(shifting.carry_out, context, work, "requeued"),
        course=work.course,
        count=number,
        items=chosen.items or [PlanItem(target=queue, text=what, refused=refused)],
        word=str(number),
        typed=number > MANY,
        warnings=[*chosen.warnings(queue), *warnings, *cost, LOOPS, *pace, *held(report)],
        refused=refused,
        backup=str(path),
        details=facts,
    )


def route(order: Order, queue: str) -> Route:
    """To the queue of the last death, of those that match the order's filter."""
    wanted = MessageFilter(order.filter, queue) if order.filter is not None else None

    def home(message: Message) -> str | None:
        death = message.death
        if death is None or death.queue == queue or (wanted is not None and not wanted.matches(message)):
            return None
        return death.queue

    return home


def _nothing_died(chosen: Chosen, queue: str, order: Order) -> None:
    if order.filter is not None:
        none_matches(chosen, queue, order.filter)
    elif not chosen.targets:
        raise NothingFound(
            f"No message of {queue} tells in which queue it died.",
            "Only RabbitMQ's dead letters do (header x-death); "
            + by_face("`lazycelery move`", ":move")
            + " moves any message.",
        )


def _described(context: Context, queue: str, number: int, chosen: Chosen, order: Order) -> str:
    if chosen.targets is None:
        return f"all {count(number, 'message')} of {queue}, each to the queue in which it died"
    places = Counter(chosen.targets.values())
    where = listed(f"{many:,} to {place}" for place, many in sorted(places.items()))
    matching = f" that match {context.redactor.text(order.filter)}" if order.filter else ""
    return f"{count(number, 'message')} of {queue}{matching}: {where}"
