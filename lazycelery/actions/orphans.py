"""Orphans: unacknowledged messages that no living worker holds, back into their queues.

A worker that was killed leaves its messages in `unacked`, until a visibility timeout (an hour by default)
has passed. They may be put back at once only when it is proven that nobody works on them.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from lazycelery.actions.context import Context
from lazycelery.actions.plan import Draft
from lazycelery.actions.wording import call, count, listed
from lazycelery.errors import NothingFound, Refused, UsageError
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem
from lazycelery.model.counting import agreed
from lazycelery.model.reports import InFlight
from lazycelery.sources.protocols.queues import Returning
from lazycelery.sources.protocols.remote import Census

MOST = 10_000
"""Entries of one look."""
SETTLE = 1.0
"""Seconds between two looks: what was delivered a moment ago is not told by its worker yet."""
STRANGERS = (
    "Consumers that are no Celery workers are not asked and not seen: should one share this database, it "
    "may hold some of these."
)


@dataclass(kw_only=True)
class Findings:
    """What a look found, and the proof."""

    entries: list[InFlight]
    """Unacknowledged at both looks."""
    orphans: list[InFlight]
    census: Census
    cut: bool

    @property
    def proof(self) -> str:
        """Who exists, who answered, who holds what."""
        answered = self.census.answered
        who = (
            f"{count(len(answered), 'worker', does='exist')} and all answered: {listed(answered)}"
            if answered
            else ("No worker is connected to the broker")
        )
        held = Counter(report.worker for report in self.census.reports)
        hold = ", ".join(f"{worker} holds {number:,}" for worker, number in sorted(held.items()))
        return f"{who}. {hold or 'None of them holds any of these'}."


async def draft(context: Context, order: Order) -> Draft:
    """Look who holds what; refused unless all workers that exist answered."""
    if order.targets or order.filter is not None or not isinstance(context.queues, Returning):
        if isinstance(context.queues, Returning):
            raise UsageError("Orphans are restored all together.", "Name no queue and no filter.")
        raise Refused(
            "This broker puts back by itself what a lost worker held.",
            "Only on Redis messages stay behind unacknowledged.",
        )
    found = await _look(context)
    if not found.entries:
        raise NothingFound("No message is unacknowledged.", "There is nothing to restore.")
    refused = _why_not(context, found.census)
    if not refused and not found.orphans:
        kept = any(_kept_back(entry, found.census) for entry in found.entries)
        raise NothingFound(
            f"{count(len(found.entries), 'unacknowledged message', does='are')} held by workers"
            f"{', or kept back by a rate limit' if kept else ''}.",
            found.proof,
        )
    orphans = found.orphans
    places = Counter(entry.queue for entry in orphans)
    where = listed(f"{number:,} to {queue or 'an unknown queue'}" for queue, number in sorted(places.items()))
    what = f"{count(len(orphans), 'message')} that no worker holds" + (f": {where}" if orphans else "")
    return Draft(
        title=f"Restore {what}",
        question=f"restore {what}?",
        run=partial(_run, context, {entry.tag for entry in orphans}),
        count=len(orphans),
        items=[_item(context, entry) for entry in orphans[:1000]]
        or [PlanItem(target="unacked", text=count(len(found.entries), "entry", "entries"), refused=refused)],
        word=str(len(orphans)),
        typed=True,
        warnings=_warnings(found) if not refused else [],
        refused=refused,
        details={"unacknowledged": len(found.entries), "answered": found.census.answered},
    )


async def _look(context: Context) -> Findings:
    """Entries that stay unacknowledged over two looks, and what every worker says of them in between."""
    queues = context.queues
    before = {entry.tag: entry for entry in await queues.in_flight(MOST)}
    if not before:
        return Findings(entries=[], orphans=[], census=Census(), cut=False)
    await asyncio.sleep(SETTLE)
    ids = [entry.id for entry in before.values() if entry.id]
    census = await context.remote.census(ids, timeout=max(context.profile.timeout, 2.0))
    after = [entry for entry in await queues.in_flight(MOST) if entry.tag in before]
    held = {report.id for report in census.reports}
    orphans = [
        entry for entry in after if entry.id and entry.id not in held and not _kept_back(entry, census)
    ]
    return Findings(entries=after, orphans=orphans, census=census, cut=len(before) >= MOST)


def _kept_back(entry: InFlight, census: Census) -> bool:
    """Whether a living worker may keep it back by a rate limit: then it is in none of its lists."""
    return bool(census.answered and census.limited) and entry.task in (None, *census.limited)


def _why_not(context: Context, census: Census) -> str | None:
    """Why nothing is proven."""
    if census.silent is None:
        return "the broker does not tell how many workers there are: one that is silent may hold them"
    if census.silent > 0:
        names = [name for name in census.named if name not in census.answered]
        who = f", perhaps {listed(names)}" if names else ""
        return f"{count(census.silent, 'worker')} did not answer{who}: it may hold them"
    missing = sorted({worker.name for worker in context.online()} - {*census.answered})
    if missing:
        return f"{listed(missing)} was heard of a moment ago and did not answer: it may hold them"
    if census.errors:
        return f"{listed(sorted(census.errors))} could not tell what it holds"
    return None


def _warnings(found: Findings) -> list[str]:
    told = [found.proof]
    gone = [name for name in found.census.named if name not in found.census.answered]
    if gone:
        told.append(f"Not connected any more: {listed(gone)}.")
    if nameless := sum(entry.id is None for entry in found.entries):
        told.append(
            f"{count(nameless, 'entry', 'entries')} could not be read, and {agreed(nameless, 'stay')}."
        )
    kept = [entry for entry in found.entries if _kept_back(entry, found.census)]
    if kept:
        names = listed(sorted({entry.task or "not named" for entry in kept}))
        told.append(f"{count(len(kept), 'message')} of {names} stay: a rate limit may keep them at a worker.")
    if found.cut:
        told.append(f"Only the oldest {MOST:,} entries were looked at.")
    return [*told, STRANGERS]


def _item(context: Context, entry: InFlight) -> PlanItem:
    seen = context.codec.describe(entry.raw)
    since = f", delivered {_ago(time.time() - entry.delivered)} ago" if entry.delivered else ""
    text = f"{call(seen.task, seen.args, seen.kwargs, context.redactor)} to {entry.queue}{since}"
    refused = None if entry.queue and entry.raw else "it cannot be read whole"
    return PlanItem(target=entry.id or entry.tag, text=text, refused=refused)


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


async def _run(context: Context, planned: set[str]) -> Outcome:
    """Look again, and put back what was planned and still is nobody's."""
    found = await _look(context)
    refused = _why_not(context, found.census) if found.entries else None
    if refused:
        raise Refused(f"Nothing was done: {refused}.", "Plan it again.", nothing_done=True)
    orphans = [entry for entry in found.orphans if entry.tag in planned and entry.queue and entry.raw]
    done = await _give_back(context, orphans)
    places = Counter(entry.queue for entry, good in zip(orphans, done, strict=True) if good)
    items = [
        OutcomeItem(target=queue, ok=True, text=f"{count(number, 'message')} put back in front")
        for queue, number in sorted(places.items())
    ]
    total = sum(done)
    if missed := len(planned) - total:
        text = f"{count(missed, 'message')} no longer orphaned: acknowledged, held, or put back by a worker"
        items.append(OutcomeItem(target="unacked", ok=False, text=text))
    left = {entry.tag for entry in await context.queues.in_flight(MOST)} & {entry.tag for entry in orphans}
    proof = f"restored {total:,} of {count(len(planned), 'orphaned message')}; "
    proof += f"{len(left):,} of them {agreed(len(left), 'are')} still unacknowledged. {found.proof}"
    return Outcome(action="restore", done=total, failed=len(planned) - total, proof=proof, items=items)


async def _give_back(context: Context, orphans: Sequence[InFlight]) -> list[bool]:
    assert isinstance(context.queues, Returning)
    return await context.queues.give_back(orphans) if orphans else []
