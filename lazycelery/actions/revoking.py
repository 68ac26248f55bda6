"""Tasks revoked page by page."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence

import msgspec

from lazycelery.actions import bulk
from lazycelery.actions.bulk import Told
from lazycelery.actions.context import Context
from lazycelery.actions.course import Course
from lazycelery.actions.journal import Item, Journal, kept
from lazycelery.actions.replies import account, agreed, shown
from lazycelery.actions.wording import count, short
from lazycelery.errors import LazyCeleryError
from lazycelery.model.action import Order, Outcome, OutcomeItem
from lazycelery.model.states import LABELS, OF_RESULT
from lazycelery.sources.protocols.mailbox import Replies

PAGE = 100
"""Ids in one command."""
NOBODY = "no worker answered"
NOBODY_ONLINE = "No worker is online: nobody would hear and remember it."
UNSENT = "not sent yet"
FATE = {
    "waiting": "workers will discard it when its turn comes",
    "reserved": "its worker will discard it when its turn comes",
    "scheduled": "its worker will discard it at its ETA",
    "running": "it keeps running: terminate ends it",
    "lost": "should its message return, workers will discard it",
    UNSENT: "should it be sent, workers will discard it",
    "unknown": "should it come, workers will discard it",
}


THREADS = "threads"
HANDED = "its pool of threads may have it already: then it still runs"


def handed_over(context: Context, reserved: Sequence[str]) -> list[str]:
    """What to say of reserved tasks, given the worker of each: one with a pool of threads hands over at once
    all that it prefetches, and looks for a revoke only before."""
    return [
        f"{count(number, 'task', does='are')} at {worker}, whose pool of threads takes at once all that it "
        f"prefetches: {'it' if number == 1 else 'they'} can still run."
        for worker, number in sorted(Counter(reserved).items())
        if context.pool(worker) == THREADS
    ]


def ended(label: str) -> bool:
    """Whether a whereabouts says that it has come to its end."""
    return label in LABELS and LABELS[label].finished


async def ended_meanwhile(context: Context, ids: Sequence[str]) -> dict[str, str]:
    """Tasks that came to their end since they were looked at, with their state's label."""
    ends = {each: task.state for each in ids if (task := context.task(each)) and ended(task.state)}
    try:
        results = await context.results.get(ids) if context.results else {}
    except LazyCeleryError:
        results = {}
    for each, result in results.items():
        state = OF_RESULT.get(result.status)
        if state is not None and state.finished:
            ends.setdefault(each, state.label)
    return ends


class Telling:
    """Tells the workers, page by page, and keeps what they said. Those that ended are left alone."""

    page = PAGE

    def __init__(self, context: Context, together: int, kept: bool = False) -> None:
        self._context, self._together = context, together
        self._kept = kept
        """There is a plan file in which they can wait."""
        self.items: list[OutcomeItem] = []
        self.left: list[OutcomeItem] = []
        self.told = ""

    async def surprise(self, page: Sequence[Item]) -> str:
        """Nothing: what has ended meanwhile is left out, and told."""
        return ""

    async def send(self, page: Sequence[Item]) -> Told:
        """One command for all of them."""
        context = self._context
        late = await ended_meanwhile(context, [item.target for item in page])
        ids = [item.target for item in page if item.target not in late]
        replies = await context.remote.revoke(ids, timeout=context.profile.timeout) if ids else None
        self.left += [
            OutcomeItem(target=each, ok=False, text=f"left alone: it ended meanwhile ({label})")
            for each, label in late.items()
        ]
        ended = [item for item in page if item.target in late]
        if replies is None:
            return Told(done=ended)
        self.told = account(context, replies, "flagged it" if self._together == 1 else "flagged them")
        if self._kept and not replies.replies:  # Nobody will discard them: they wait for a worker that hears.
            return Told(done=ended, waiting=[item for item in page if item.target not in late], why=NOBODY)
        self.items += [
            _outcome(context, item, replies, self.told) for item in page if item.target not in late
        ]
        return Told(done=list(page))


async def carry_out(
    context: Context, items: Sequence[Item], course: Course, journal: Journal | None
) -> Outcome:
    """Tell the workers of all of them. Telling twice does no harm, so whatever is in doubt is told again."""
    telling = Telling(context, len(items), journal is not None)
    passed = await bulk.go(items, telling, course, journal)
    rest = [
        OutcomeItem(target=item.target, ok=False, text=f"not told: {passed.why}") for item in passed.waiting
    ]
    unsure = [
        OutcomeItem(target=item.target, ok=False, text=f"workers may have been told: {passed.why}")
        for item in passed.doubtful
    ]
    every = [*telling.items, *unsure, *rest, *telling.left]
    done = sum(item.ok for item in every)
    proof = _proof(every, done, telling.told)
    plan = journal.header.plan if journal is not None else None
    if plan is not None and (rest or unsure):
        proof += (
            f"; stopped: {passed.why}; the rest stays in plan {plan}: `{bulk.resume_command(plan, 'revoke')}`"
        )
    return Outcome(
        action="revoke",
        done=done,
        failed=len(every) - done - len(unsure),
        unknown=len(unsure),
        proof=proof,
        items=every,
        bulk=plan,
    )


def _outcome(context: Context, item: Item, replies: Replies, told: str) -> OutcomeItem:
    task = context.task(item.target)
    holder = task.worker if task and item.was in ("reserved", "scheduled") else None
    willing = {worker for worker, value in replies.by_worker().items() if agreed(value)}
    ok = holder in willing if holder else bool(willing)
    fate = FATE.get(item.was, FATE["unknown"])
    if item.was == "reserved" and holder and context.pool(holder) == THREADS:
        fate = HANDED
    text = f"{told}; {fate}" if ok else told
    return OutcomeItem(target=item.target, ok=ok, text=text, replies=shown(context, replies))


def _proof(items: Sequence[OutcomeItem], done: int, told: str) -> str:
    if len(items) == 1:
        return f"{'revoked' if done else 'not revoked'} {short(items[0].target)}: {items[0].text}"
    left = len(items) - done
    proof = f"revoked {done:,} of {count(len(items), 'task')}: {told or 'nothing to tell the workers'}"
    return proof + (f"; {left:,} not: {next(i.text for i in items if not i.ok)}" if left else "")


async def tell_all(
    context: Context, order: Order, work: Sequence[Item], course: Course, title: str
) -> Outcome:
    """Tell the workers; many are written into a plan file first, so that the rest can wait. The file is a
    revoke's, whatever else the order does: that is what is gone on with."""
    journal = None
    if len(work) > PAGE or (course.rate is not None and len(work) > 1):
        plan = uuid.uuid4().hex[:8]
        order = msgspec.structs.replace(order, action="revoke")
        header = bulk.header(context, order, plan, title, len(work), course, "")
        journal = await asyncio.to_thread(Journal.create, header, list(work))
    async with kept(journal):
        return await carry_out(context, work, course, journal)
