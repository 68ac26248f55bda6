"""Going on with a purge, move or requeue of all of a queue that was cut off, by what its backup tells.

There is no plan file, as nobody knew the messages before they were taken. What lies behind the backup's last
note is looked for, as in a plan; then all that waits is taken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lazycelery.actions import cut_off, doubt, leftovers, move, purge, requeue, saving, shifting
from lazycelery.actions.backup import BackupFile, BackupWriter
from lazycelery.actions.booking import Book
from lazycelery.actions.context import Context
from lazycelery.actions.cut_off import CutOff
from lazycelery.actions.plan import Draft
from lazycelery.actions.shifting import Work
from lazycelery.actions.wording import count
from lazycelery.errors import Refused, UsageError
from lazycelery.model.action import Order, Outcome, PlanItem
from lazycelery.model.faces import by_face
from lazycelery.sources.protocols.sifting import GONE

VERBS = {"move": "moved", "requeue": "requeued"}
SAVED = "{some} of it are saved in {part}; what came of the last {doubt} of them is looked for first."
NEW = "Messages that came meanwhile are taken too."


async def draft(context: Context, order: Order, found: CutOff, doubtful: str) -> Draft:
    """What waits now, and how far it had come. Touches nothing."""
    if found.action != order.action:
        raise UsageError(f"{found.id} is a {found.action}, not a {order.action}.")
    part, queue = Path(found.path), found.queue
    file = await asyncio.to_thread(BackupFile, part)
    report = await purge.known_queue(context, queue)
    if file.doubtful and not (found.action == "purge" and await leftovers.left_aside(context, queue)):
        await shifting.refuse_costly(context, order, queue)
    refused, warnings = None, [_told(file, part), NEW]
    if found.action == "move":
        refused, more = await move.target(context, str(file.header.to))
        warnings += more
    number = report.messages or 0
    facts: dict[str, Any] = {"queue": queue, "doubtful": doubtful, "plan_file": found.id}
    what = f"the rest of {queue}: {count(number, 'message', does='wait')} there now"
    run = partial(_purge, context, order, part) if found.action == "purge" else partial(_shift, context, part)
    return Draft(
        title=f"{found.action.capitalize()} {what}",
        run=partial(run, doubtful, facts),
        count=max(1, number),
        items=[PlanItem(target=queue, text=what, refused=refused)],
        name=found.id,
        word=queue,
        typed=True,
        warnings=warnings,
        refused=refused or purge.unreadable(report),
        backup=str(part),
        details=facts,
    )


def _told(file: BackupFile, part: Path) -> str:
    return SAVED.format(some=count(len(file), "message"), part=part, doubt=f"{file.doubtful:,}")


async def _taken_up(part: Path) -> tuple[BackupFile, BackupWriter]:
    def both() -> tuple[BackupFile, BackupWriter]:
        file = BackupFile(part)
        return file, BackupWriter.take_up(file)

    return await asyncio.to_thread(both)


# ---- move, requeue


@dataclass(kw_only=True)
class _Doubt:
    """What was found of those behind the last note."""

    done: int = 0
    twice: set[bytes] = field(default_factory=set)
    """In both queues: only taken out."""
    unsure: set[bytes] = field(default_factory=set)
    """In their queue, and not seen at their target."""

    def told(self, queue: str, doubtful: str) -> str:
        """The end of the proof."""
        said = f"; {self.done:,} of those in doubt had left {queue}" if self.done else ""
        if self.twice:
            said += f"; {len(self.twice):,} were in both queues, and left {queue} only"
        if self.unsure and doubtful != "send":
            said += (
                f"; {len(self.unsure):,} stay in {queue}: not seen at their target, they may have run there"
            )
            said += by_face(" (`lazycelery move` moves them all the same)", "")
        return said


async def _shift(context: Context, part: Path, doubtful: str, facts: dict[str, Any]) -> Outcome:
    file, writer = await _taken_up(part)
    header = file.header
    action = cut_off.kind(header)
    try:
        found = await _settled(context, file, writer)
    except BaseException:
        writer.keep()
        raise
    stay = set() if doubtful == "send" else found.unsure
    apart: Mapping[bytes, str | None] = {
        **dict.fromkeys(stay, None),
        **dict.fromkeys(found.twice, GONE),
    }
    work = Work(
        action=action,
        header=header,
        path=writer.path,
        most=shifting.MOST,
        targets=None,
        target=header.to or GONE,
        route=None if header.to else requeue.route(Order(action="requeue"), header.queue),
        apart=apart,
        planned=0,
        facts=facts,
        book=Book(context, writer, None, None),
    )
    outcome = await shifting.carry_out(context, work, VERBS[action])
    outcome.done += found.done
    outcome.unknown += len(stay)
    outcome.proof += found.told(header.queue, doubtful)
    return outcome


async def _settled(context: Context, file: BackupFile, writer: BackupWriter) -> _Doubt:
    """Find out what became of those in doubt, and note it in the backup."""
    unsure = await asyncio.to_thread(doubt.doubtful, context, file)
    there = await doubt.seen(context, file.header.queue, unsure)
    found = _Doubt(done=len(unsure) - len(there))
    if shifting.sifting(context).may_double and there:
        for place, ids in (await asyncio.to_thread(_places, context, file, there)).items():
            found.twice |= await doubt.seen(context, place, ids)
        found.unsure = there - found.twice
    if unsure:
        await asyncio.to_thread(writer.leave_out, {unsure[each] for each in there})
    return found


def _places(context: Context, file: BackupFile, wanted: set[bytes]) -> dict[str, set[bytes]]:
    """Where each of these was to go."""
    places: dict[str, set[bytes]] = {}
    for page in file.pages():
        for message in page:
            mark = context.codec.identity(message.raw)
            death = context.codec.describe(message.raw).death if not file.header.to else None
            place = file.header.to or (death.queue if death is not None else None)
            if mark in wanted and place:
                places.setdefault(place, set()).add(mark)
    return places


# ---- purge


async def _purge(context: Context, order: Order, part: Path, doubtful: str, facts: dict[str, Any]) -> Outcome:
    """What it left aside goes back first, so that one backup has all; else the old backup keeps what is gone
    from the queue, and a new one takes the rest."""
    file = await asyncio.to_thread(BackupFile, part)
    queue = file.header.queue
    if aside := await leftovers.left_aside(context, queue):
        back = await leftovers.give_back(context, aside, file)
        if back.failed:
            raise Refused(
                f"What it left aside could not be put back: {back.items[0].text}", nothing_done=True
            )
        kept, note = None, f"; {back.done:,} that it had left aside went with them"
    else:
        kept, note = await _closed(context, part)
    outcome = await purge.carry_out(context, queue, saving.backup_path(context, order, queue), facts)
    outcome.proof += note
    if kept is not None and outcome.backup is None:
        outcome.backup = str(kept)
    return outcome


async def _closed(context: Context, part: Path) -> tuple[Path | None, str]:
    """End the old backup: it keeps what waits no more."""
    file, writer = await _taken_up(part)
    try:
        wanted = await asyncio.to_thread(doubt.doubtful, context, file)
        there = await doubt.seen(context, file.header.queue, wanted)
        await asyncio.to_thread(writer.leave_out, {wanted[each] for each in there})
    except BaseException:
        writer.keep()
        raise
    gone = writer.count - writer.void
    if not gone:
        writer.discard()
        return None, ""
    path = await asyncio.to_thread(writer.finish)
    return path, f"; {gone:,} had been removed before: their backup is {path}"
