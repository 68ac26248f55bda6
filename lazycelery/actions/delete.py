"""Delete: remove the waiting messages of a queue that match a filter, after they are safe in a backup."""

from __future__ import annotations

from functools import partial
from typing import Any

from lazycelery.actions import resume, saving, shifting
from lazycelery.actions.context import Context
from lazycelery.actions.move import described, held, none_matches
from lazycelery.actions.plan import Draft
from lazycelery.actions.purge import filled_queue
from lazycelery.actions.shifting import Work
from lazycelery.errors import UsageError
from lazycelery.model.action import Order
from lazycelery.sources.protocols.sifting import GONE


async def draft(context: Context, order: Order) -> Draft:
    """Look through the queue, count what matches, and choose the backup's file."""
    if "resume" in order.params:
        return await resume.draft(context, order)
    if len(order.targets) != 1 or not order.filter:
        raise UsageError(
            "Delete takes one queue and a filter.",
            "Say `lazycelery delete QUEUE name:shop.charge`; `lazycelery purge` empties a queue.",
        )
    (queue,) = order.targets
    route = shifting.matching(order, queue, GONE)
    report, _ = await filled_queue(context, queue, "delete")
    cost = await shifting.refuse_costly(context, order, queue)
    chosen = await shifting.choose(context, order, queue, route)
    none_matches(chosen, queue, order.filter)
    number = len(chosen.targets or ())
    path = saving.backup_path(context, order, queue)
    facts: dict[str, Any] = {"queue": queue, "messages": number}
    what = described(context, queue, number, chosen, report, order)
    title = f"Delete {what}"
    work = Work(
        action="delete",
        header=saving.header(context, queue, "delete"),
        path=path,
        most=shifting.most(order),
        targets=chosen.targets,
        planned=number,
        facts=facts,
    )
    pace = shifting.paced(context, order, work, chosen, title)
    return Draft(
        title=title,
        question=f"delete {what}, backup {path}?",
        run=partial(shifting.carry_out, context, work, "deleted"),
        course=work.course,
        count=number,
        items=chosen.items,
        word=queue,
        typed=True,
        warnings=[*chosen.warnings(queue), *cost, *pace, *held(report)],
        backup=str(path),
        details=facts,
    )
