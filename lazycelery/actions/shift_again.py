"""Going on with a move, deletion or requeue that stopped: what is in doubt is looked for, the rest is taken.

On Redis, and in a folder, each message goes in one step: whatever is still in its queue was not done.
RabbitMQ may have one in both queues. It is looked for at its target then: found there, it is only taken
out of its queue; not found, a worker may have run it, and it is not moved again unasked.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lazycelery.actions import bulk, doubt, move, saving, shifting
from lazycelery.actions.backup import BackupFile, BackupWriter, free_path
from lazycelery.actions.booking import SHOWN, Book
from lazycelery.actions.context import Context
from lazycelery.actions.course import Course
from lazycelery.actions.cut_off import MENDED
from lazycelery.actions.journal import Header, Item, Journal
from lazycelery.actions.plan import Draft
from lazycelery.actions.shifting import Work
from lazycelery.actions.wording import count
from lazycelery.errors import Refused
from lazycelery.model.action import Order, Outcome, PlanItem
from lazycelery.model.counting import agreed
from lazycelery.model.faces import by_face
from lazycelery.sources.protocols.sifting import GONE

SHIFTS = {"move": "moved", "delete": "deleted", "requeue": "requeued"}
"""Actions that are gone on with so, and what their proofs say."""
LOOKED_FOR = "{what} in doubt: what still waits in {queue} is {done}, the rest counts as {done}."
TWICE = (
    "{what} in doubt: one that waits in {queue} and at its target is only taken out of {queue}. One that is "
    "in {queue} alone may have run already: it stays"
)


async def draft(
    context: Context, order: Order, header: Header, left: Sequence[Item], why: str, doubtful: str
) -> Draft:
    """What is left of the plan, and what would become of those in doubt. Touches nothing."""
    queue, verb = str(header.params.get("queue") or ""), SHIFTS[header.action]
    _backup_is_there(Path(str(header.params.get("backup") or "")))
    may_double = shifting.sifting(context).may_double and header.action != "delete"
    if not header.params.get("look"):
        await shifting.refuse_costly(context, order, queue)
    refused, warnings = await move.targets(context, Counter(item.queue for item in left if item.queue))
    if why:
        warnings.insert(0, f"It stopped: {why}.")
    if unsure := sum(item.state == "doubt" for item in left):
        unless = by_face(", unless --doubtful send moves it, or --doubtful drop forgets it.", ".")
        told = f"{TWICE}{unless}" if may_double else LOOKED_FOR
        warnings.append(told.format(what=count(unsure, "message"), queue=queue, done=verb))
    course = Course(len(left), bulk.wanted_rate(order) or header.rate)
    facts: dict[str, Any] = {"plan_file": header.plan, "doubtful": doubtful, "queue": queue}
    what = f"the rest of plan {header.plan}: {len(left):,} of {count(header.count, 'message')} of {queue}"
    return Draft(
        title=f"{header.action.capitalize()} {what}",
        run=partial(_run, context, header.plan, course, doubtful, facts),
        course=course,
        count=len(left),
        items=[_shown(item) for item in left[:SHOWN]],
        name=header.plan,
        word=queue if header.action == "delete" else "",
        typed=header.action == "delete",
        warnings=[*warnings, *shifting.held_back(context, course)],
        refused=refused,
        backup=str(header.params.get("backup") or ""),
        details=facts,
    )


def _shown(item: Item) -> PlanItem:
    text = f"{item.name or 'unknown task'}{f' → {item.queue}' if item.queue else ''}"
    return PlanItem(target=item.target, text=text + (": in doubt" if item.state == "doubt" else ""))


def _backup_is_there(path: Path) -> None:
    """Raise `Refused` when what was done has been taken back: going on would do it again."""
    if path.with_name(path.name + MENDED).exists():
        raise Refused(
            f"What this plan did was taken back: {path.name}{MENDED}.", "Discard it, and plan anew."
        )


async def _run(context: Context, plan: str, course: Course, doubtful: str, facts: dict[str, Any]) -> Outcome:
    journal = await asyncio.to_thread(Journal.take_up, plan)
    try:
        file, writer = await asyncio.to_thread(_saved, context, journal)
        try:
            found = await _settled(context, journal, file, writer, doubtful)
        except BaseException:
            writer.keep()
            raise
        work = _work(context, journal, writer, found, course, facts)
        work.book = Book(context, writer, journal, course)
        course.done = sum(item.state in ("done", "dropped") for item in found.items)
        outcome = await shifting.carry_out(context, work, SHIFTS[journal.header.action])
        outcome.done += len(found.done)
        outcome.unknown += len(found.unsure)
        outcome.proof += found.told(work.queue)
        return outcome
    finally:
        await asyncio.to_thread(journal.close)


def _saved(context: Context, journal: Journal) -> tuple[BackupFile | None, BackupWriter]:
    """The backup that was cut off, to go on with, or a new one."""
    path = Path(journal.backup)
    part = path.with_name(path.name + ".part")
    if part.exists():
        file = BackupFile(part)
        return file, BackupWriter.take_up(file)
    queue = str(journal.header.params["queue"])
    if path.exists():
        path = free_path(path.parent, queue, context.clock())
        journal.save_to(str(path))
    to = journal.header.params.get("to")
    return None, BackupWriter(path, saving.header(context, queue, journal.header.action, to))


@dataclass(kw_only=True)
class _Found:
    """What became of those in doubt."""

    items: list[Item]
    done: list[Item] = field(default_factory=list)
    unsure: list[Item] = field(default_factory=list)
    """In their queue, and not seen at their target."""
    twice: set[bytes] = field(default_factory=set)
    """In both queues."""
    dropped: list[Item] = field(default_factory=list)

    def told(self, queue: str) -> str:
        """The end of the proof."""
        said = (
            f"; of those in doubt {len(self.done):,} {agreed(len(self.done), 'are')} in {queue} no more: done"
            if self.done
            else ""
        )
        if self.twice:
            said += (
                f"; {len(self.twice):,} {agreed(len(self.twice), 'were')} in both queues, and "
                f"left {queue} only"
            )
        if self.unsure:
            said += (
                f"; {len(self.unsure):,} {agreed(len(self.unsure), 'stay')} in {queue}, in doubt: "
                f"not seen at their target, they may have "
                "run there" + by_face(" (--doubtful send moves them, --doubtful drop forgets them)", "")
            )
        return said


async def _settled(
    context: Context, journal: Journal, file: BackupFile | None, writer: BackupWriter, doubtful: str
) -> _Found:
    """Find out what became of those in doubt, and write it down in both files."""
    queue = str(journal.header.params["queue"])
    unsure = {item.mark: item for item in journal.items if item.state == "doubt" and item.mark is not None}
    found = _Found(items=list(unsure.values()))
    if not unsure and (file is None or not file.doubtful):
        return found
    there = await doubt.seen(context, queue, unsure)
    found.done = [item for mark, item in unsure.items() if mark not in there]
    again = [item for mark, item in unsure.items() if mark in there]
    if shifting.sifting(context).may_double and journal.header.action != "delete":
        found.twice = await _at_targets(context, again)
        open_ = [item for item in again if item.mark not in found.twice]
        again = [item for item in again if item.mark in found.twice]
        again += open_ if doubtful == "send" else []
        found.dropped = open_ if doubtful == "drop" else []
        found.unsure = open_ if doubtful == "ask" else []
    await asyncio.to_thread(journal.tell, found.done, again, found.dropped)
    if file is not None:
        moved = {item.mark for item in found.done} | found.twice
        await asyncio.to_thread(_correct, context, file, writer, unsure.keys(), moved)
    return found


async def _at_targets(context: Context, items: Sequence[Item]) -> set[bytes]:
    """Which of them wait at their target."""
    places: dict[str, set[bytes]] = {}
    for item in items:
        if item.queue and item.mark is not None:
            places.setdefault(item.queue, set()).add(item.mark)
    found = set[bytes]()
    for place, marks in sorted(places.items()):
        found |= await doubt.seen(context, place, marks)
    return found


def _correct(
    context: Context,
    file: BackupFile,
    writer: BackupWriter,
    unsure: Collection[bytes],
    moved: Collection[bytes | None],
) -> None:
    """In the backup, what stayed in its queue counts no more: it is saved again when it is taken."""
    first, stayed = len(file) - file.doubtful, set[int]()
    for page in file.numbered():
        for number, message in page:
            mark = context.codec.identity(message.raw)
            if (number >= first or mark in unsure) and mark not in moved:
                stayed.add(number)
    writer.leave_out(stayed)


def _work(
    context: Context,
    journal: Journal,
    writer: BackupWriter,
    found: _Found,
    course: Course,
    facts: dict[str, Any],
) -> Work:
    params, action = journal.header.params, journal.header.action
    waiting = [item for item in journal.items if item.state == "waiting" and item.mark is not None]
    targets = {item.mark: GONE if item.mark in found.twice else item.queue or GONE for item in waiting}
    return Work(
        action=action,
        header=saving.header(context, str(params["queue"]), action, params.get("to")),
        path=writer.path,
        most=int(params.get("most") or shifting.MOST),
        targets={mark: target for mark, target in targets.items() if mark is not None},
        planned=len(waiting),
        facts=facts,
        course=course,
    )
