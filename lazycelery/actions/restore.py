"""Restore: put the messages of a backup back where they were, order and priority kept."""

from __future__ import annotations

import asyncio
import itertools
import shlex
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lazycelery.actions import cut_off, doubt, orphans, remains, taking_back
from lazycelery.actions.audit import FAILED, INTENT, REFUSED, AuditLog
from lazycelery.actions.backup import BackupFile
from lazycelery.actions.context import Context
from lazycelery.actions.files import being_written
from lazycelery.actions.leftovers import give_back, left_aside
from lazycelery.actions.plan import Draft
from lazycelery.actions.purge import by_priority
from lazycelery.actions.remains import Way
from lazycelery.actions.wording import count
from lazycelery.errors import LazyCeleryError, Refused, UsageError
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem
from lazycelery.model.counting import agreed
from lazycelery.model.faces import by_face
from lazycelery.model.message import StoredMessage
from lazycelery.sources.protocols.sifting import Sifting

BACK = (
    "A restore of it was broken off ({when}): {some} that it put back wait there, and are left out. Of the "
    "others one that a worker took since runs twice."
)
LOOKED = (
    "A restore of it was broken off ({when}): what it put back and still waits is looked for first, and left "
    "out. That delivers the messages. One that a worker took since runs twice."
)
BLIND = (
    "A restore of it was broken off ({when}). What it put back cannot be told from the others here: all of "
    "the file is put back, and what waits there already, or a worker took since, runs twice."
)
LOOK_BACK = 20_000
"""Lines of the audit log that are searched for an earlier restore."""


async def draft(context: Context, order: Order) -> Draft:
    """Read the whole file through, check it, and count what it would bring back."""
    if order.params.get("orphans"):
        return await orphans.draft(context, order)
    if len(order.targets) != 1 or order.filter is not None:
        raise UsageError("Restore takes one backup file.", "Say `lazycelery restore FILE`.")
    path = _path(order.targets[0])
    if path.suffix == ".part" and path.is_file() and await asyncio.to_thread(being_written, path):
        raise Refused(f"{path} is being written: what it belongs to still runs.", "Let it end first.")
    file = await asyncio.to_thread(BackupFile, path)
    if file.header.action in taking_back.KINDS:
        return await taking_back.draft(context, order, file)
    if not file.complete and (aside := await _aside(context, file)):
        return _from_broker(context, file, aside)
    queue = str(order.params.get("queue") or "") or None
    earlier = await asyncio.to_thread(restored_before, context.audit, file.sha256)
    broken = await asyncio.to_thread(broken_off, context.audit, file.sha256) if earlier is not None else set()
    waiting = 0
    if context.queues.free_looks:
        waiting = await _left_out(context, file, queue, broken)
    contents = _contents(file, queue)
    again = bool(order.params.get("again"))
    facts: dict[str, Any] = {"sha256": file.sha256, "messages": file.total, "queue": queue}
    return Draft(
        title=f"Restore {count(file.total, 'message')}: {contents}",
        question=f"restore {count(file.total, 'message')}: {contents}, from {path}?",
        run=partial(_run, context, path, file.sha256, queue, facts, broken),
        count=file.total,
        items=[PlanItem(target=str(path), text=contents)],
        name=str(file.total),
        typed=earlier is not None or not file.complete or file.header.action == "export",
        warnings=_warnings(context, file, earlier, waiting, broken),
        refused=_refusal(file, earlier if not again else None, waiting, broken),
        hint=by_face(
            f"--again puts {'back the others' if broken else 'them back once more'}.",
            f"A shell can put {'back the others' if broken else 'them back once more'}: lazycelery restore.",
        )
        if earlier is not None and not again
        else "",
        details=facts,
    )


async def _aside(context: Context, file: BackupFile) -> list[str]:
    return await left_aside(context, file.header.queue) if file.header.action == "purge" else []


def _from_broker(context: Context, file: BackupFile, aside: Sequence[str]) -> Draft:
    """The purge that wrote the file was cut off: its messages are on the broker still, all of them."""
    title = f"Put back what a purge of {file.header.queue} that was cut off left aside on the broker"
    return Draft(
        title=title,
        run=partial(give_back, context, list(aside), file),
        count=len(aside),
        items=[PlanItem(target=key, text="set aside by the purge, never removed") for key in aside],
        name=file.header.queue,
        typed=True,
        warnings=[
            f"{file.path} holds copies of them: it is not restored, or they would run twice.",
            "Should that purge still be running somewhere, let it end first.",
        ],
    )


def _path(target: str) -> Path:
    return Path(target).expanduser().absolute()


def restored_before(audit: AuditLog, sha256: str) -> float | None:
    """When this very content was restored last, as far as the audit log tells (epoch seconds)."""
    fruitless: set[str] = set()
    for entry in itertools.islice(audit.entries(), LOOK_BACK):
        if entry.action != "restore" or entry.plan.get("sha256") != sha256:
            continue
        plan_id = str(entry.plan.get("id"))
        if entry.plan.get("done") == 0 and not entry.plan.get("unknown"):
            fruitless.add(plan_id)
        elif plan_id not in fruitless:
            return entry.time
    return None


def broken_off(audit: AuditLog, sha256: str) -> set[str | None]:
    """Where those restores of this content put it of which nobody knows how far they came, if the last one is
    such: another queue, or `None`: where it was."""
    places: set[str | None] = set()
    ended: set[object] = set()
    for entry in itertools.islice(audit.entries(), LOOK_BACK):
        if entry.action != "restore" or entry.plan.get("sha256") != sha256 or entry.outcome == REFUSED:
            continue
        known = entry.outcome not in (INTENT, FAILED) or entry.plan.get("done") is not None
        if known and not places:
            return places
        if known:
            ended.add(entry.plan.get("id"))
        elif entry.plan.get("id") not in ended:
            places.add(entry.plan.get("queue"))
    return places


async def _left_out(context: Context, file: BackupFile, queue: str | None, broken: set[str | None]) -> int:
    """How many wait where they would be put, or where a restore that was broken off put them, and are left
    out of a file of which not all is known."""
    if broken:
        return await doubt.leave_out_back(
            context, file, broken | {queue} if file.complete else {*broken, queue, None}
        )
    return 0 if file.complete else await doubt.leave_out_waiting(context, file)


def _contents(file: BackupFile, queue: str | None) -> str:
    """`default 1,204 (priority 0: 1,000 · 3: 204)`, every queue."""
    by_queue: dict[str, Counter[str]] = {}
    for (name, priority), number in sorted(file.counts.items()):
        by_queue.setdefault(queue or name, Counter())[str(priority)] += number
    return ", ".join(f"{name} {depths.total():,}{by_priority(depths)}" for name, depths in by_queue.items())


def _refusal(file: BackupFile, earlier: float | None, waiting: int, broken: set[str | None]) -> str | None:
    if earlier is not None and broken:
        there = f", {count(waiting, 'message')} of it {agreed(waiting, 'wait')} there" if waiting else ""
        return f"a restore of it was broken off ({_when(earlier)}){there}: what ran since would run twice"
    if earlier is not None:
        return f"this backup was restored before ({_when(earlier)}): its tasks would run twice"
    if file.total:
        return None
    if waiting:
        return f"all {count(waiting, 'message')} of {file.path} still wait in {file.header.queue}"
    return f"{file.path} holds no message"


def _when(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))


def _warnings(
    context: Context, file: BackupFile, earlier: float | None, waiting: int, broken: set[str | None]
) -> list[str]:
    found = []
    if broken:
        how = BACK if context.queues.free_looks else LOOKED
        how = how if isinstance(context.queues, Sifting) else BLIND
        found.append(how.format(when=_when(earlier or 0), some=count(waiting, "message")))
    elif earlier is not None:
        found.append(f"This backup was restored before ({_when(earlier)}): its tasks would run again.")
    if not file.complete:
        found.append(
            "The backup is incomplete: it was interrupted"
            + (", and its last line is cut. " if file.dropped else ". ")
            + _doubt(context, file, waiting)
        )
    if file.header.action == "export":
        found.append("This is an export: its messages were left in their queue, and may run twice.")
    if file.header.broker != context.broker:
        found.append(f"It was taken from {file.header.broker}, this is {context.broker}.")
    return found


def _doubt(context: Context, file: BackupFile, waiting: int) -> str:
    queue = file.header.queue
    if waiting:
        return f"{count(waiting, 'message')} still wait in {queue}, and are left out."
    if not isinstance(context.queues, Sifting):
        return "Its messages may also still be in the queue, and would then run twice: look there first."
    if not file.doubtful or context.queues.free_looks:
        return f"None of its messages waits in {queue}."
    return f"{queue} is looked through first: what still waits there is left out. That delivers its messages."


async def _run(
    context: Context,
    path: Path,
    sha256: str,
    queue: str | None,
    facts: dict[str, Any],
    broken: set[str | None],
) -> Outcome:
    """`facts` are told how many are certainly back, should it be broken off."""
    file = await asyncio.to_thread(BackupFile, path)
    if file.sha256 != sha256:
        raise Refused(f"{path} changed since it was looked at.", "Plan it again.", nothing_done=True)
    await _left_out(context, file, queue, broken)
    names = sorted({queue} if queue else {name for name, _ in file.counts})
    before = await _depths(context, names)
    way = await _put_back(context, file, queue, facts)
    after = await _depths(context, names)
    items = [
        OutcomeItem(target=name, ok=not way.problem, text=f"{before[name]} before, {after[name]} after")
        for name in names
    ]
    where = "; ".join(f"{item.target}: {item.text}" for item in items)
    proof = f"restored {way.done:,} of {count(file.total, 'message')} from {path.name}; {where}"
    rest = await asyncio.to_thread(remains.save, context, file, way)
    if not file.complete and way.done == file.total:
        path = await asyncio.to_thread(cut_off.mended, path)
    return Outcome(
        action="restore",
        done=way.done,
        failed=file.total - way.done - way.doubt,
        unknown=way.doubt,
        proof=proof + remains.told(way, rest),
        items=items,
        backup=str(rest.rest or rest.doubt or path),
        undo=f"lazycelery restore {shlex.quote(str(rest.rest))} --allow restore" if rest.rest else None,
    )


async def _put_back(context: Context, file: BackupFile, queue: str | None, facts: dict[str, Any]) -> Way:
    """Where pages go to the end that runs next, the page that runs last goes first."""
    way, sending = Way(), 0
    try:
        pages = file.pages(last_first=context.queues.fills_front)
        while (page := await asyncio.to_thread(next, pages, None)) is not None:
            sending = len(page)
            taken = await context.queues.put_back(_to(queue, page))
            way.done += taken
            sending, facts["at_least"] = 0, way.done
            if taken < len(page):
                way.problem = "The broker did not take more."
                break
    except LazyCeleryError as error:
        way.problem, way.doubt = error.title, 0 if error.nothing_done else sending
    except OSError as error:
        way.problem = f"{file.path} cannot be read: {error.strerror or error}."
    return way


def _to(queue: str | None, page: Sequence[StoredMessage]) -> list[StoredMessage]:
    return [
        StoredMessage(queue=queue or each.queue, priority=each.priority, raw=each.raw, position=each.position)
        for each in page
    ]


async def _depths(context: Context, queues: Sequence[str]) -> dict[str, str]:
    """Messages by queue, in words: unknown is unknown."""
    try:
        reports = await context.queues.probe(queues)
    except LazyCeleryError:
        reports = []
    known = {report.name: report.messages for report in reports}
    return {name: "unknown" if known.get(name) is None else f"{known[name]:,}" for name in queues}
