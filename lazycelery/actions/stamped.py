"""Revoke by stamp: workers discard every task whose stamped header has one of these values."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lazycelery.actions import crew
from lazycelery.actions.context import Context
from lazycelery.actions.plan import Draft
from lazycelery.actions.replies import agreed, plainly, untold
from lazycelery.actions.revoking import THREADS
from lazycelery.actions.wording import listed
from lazycelery.errors import LazyCeleryError, UsageError
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem

UNCOUNTED = "How many tasks that are is not known: neither events nor workers tell stamps."
LATER = "It also hits tasks that are sent later with this stamp, for as long as workers remember it."
FORGETFUL = "Workers remember it in memory only: one that starts later does not know it."
EAGER = "What the pool of threads of {whose} has taken already can still run: it prefetches some."
KEPT = "Celery has no way to take it back, but a restart of the workers."


async def draft(context: Context, order: Order) -> Draft:
    """Every worker that is online is told, by name."""
    stamps = _stamps(order.params.get("stamps"))
    if order.targets or order.filter:
        raise UsageError("Stamps take no ids and no filter.", "Give one of them.")
    workers = [worker.name for worker in context.online()]
    word = ", ".join(f"{name}={value}" for name, values in stamps.items() for value in values)
    shown = context.redactor.text(word)
    handed = [worker.name for worker in context.online() if worker.pool == THREADS]
    threads = [EAGER.format(whose=listed(handed, 3))] if handed else []
    return Draft(
        title=f"Revoke all tasks stamped {shown}",
        run=partial(_run, context, stamps, workers, shown),
        count=len(workers),
        items=[PlanItem(target=name, text="discard them when their turn comes") for name in workers],
        word=word,
        typed=True,
        warnings=[UNCOUNTED, LATER, *threads, FORGETFUL, KEPT],
        refused=None if workers else "no worker is online",
        details={"stamps": context.redactor.value(stamps)},
    )


def _stamps(given: Any) -> dict[str, list[str]]:
    if not isinstance(given, dict) or not given:
        raise UsageError("Which stamp?", "For example --stamp tenant=acme.")
    stamps = {str(name): [str(value) for value in values] for name, values in given.items()}
    if not all(name and all(values) and values for name, values in stamps.items()):
        raise UsageError("A stamp has a name and a value.", "For example --stamp tenant=acme.")
    return stamps


async def _run(
    context: Context, stamps: Mapping[str, Sequence[str]], workers: Sequence[str], shown: str
) -> Outcome:
    told = await asyncio.gather(*(_tell(context, stamps, name) for name in workers))
    items, unknown = [item for item, _ in told], sum(perhaps for _, perhaps in told)
    return crew.outcome("revoke", f"{shown} revoked", items, unknown, None, None)


async def _tell(
    context: Context, stamps: Mapping[str, Sequence[str]], worker: str
) -> tuple[OutcomeItem, bool]:
    """What became of it, and whether nobody knows."""
    arguments = {"headers": {name: list(values) for name, values in stamps.items()}, "terminate": False}
    try:
        replies = await context.remote.tell(
            "revoke_by_stamped_headers", arguments, [worker], timeout=context.profile.timeout
        )
    except LazyCeleryError as error:
        why, perhaps = untold(error)
        return OutcomeItem(target=worker, ok=False, text=why), perhaps
    answer = replies.by_worker().get(worker)
    if answer is None:
        return OutcomeItem(target=worker, ok=False, text="it did not answer; it may still do it later"), True
    text = "will discard them" if agreed(answer) else plainly(context, answer)
    return OutcomeItem(target=worker, ok=agreed(answer), text=text), False
