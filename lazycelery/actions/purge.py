"""Purge: empty a queue, after every message of it is safe in a backup."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lazycelery.actions import resume, saving
from lazycelery.actions.backup import BackupWriter
from lazycelery.actions.context import Context
from lazycelery.actions.leftovers import left_aside
from lazycelery.actions.plan import Draft
from lazycelery.actions.wording import count, listed, nearest
from lazycelery.errors import LazyCeleryError, NothingFound, Refused, UsageError
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem
from lazycelery.model.reports import QueueReport
from lazycelery.sources.protocols.queues import PurgeResult


async def draft(context: Context, order: Order) -> Draft:
    """Count what waits in the queue, and choose the backup's file. Raises `NothingFound` when it is empty."""
    if "resume" in order.params:
        return await resume.draft(context, order)
    if len(order.targets) != 1 or order.filter is not None:
        raise UsageError("Purge takes one queue.", "Say `lazycelery purge QUEUE`.")
    queue = order.targets[0]
    report = await known_queue(context, queue)
    path = saving.backup_path(context, order, queue)
    interrupted = await _interrupted(context, queue)
    if report.messages == 0:
        raise NothingFound(f"{queue} is empty.", " ".join(interrupted) or "There is nothing to do.")
    messages = report.messages or 0
    refused = unreadable(report)
    depths = by_priority(report.priorities)
    facts: dict[str, Any] = {"messages": messages, "priorities": report.priorities}
    return Draft(
        title=f"Purge {queue}: {count(messages, 'message')}{depths}",
        question=f"purge {queue}: remove {count(messages, 'message')}{depths}, backup {path}?",
        run=partial(carry_out, context, queue, path, facts),
        count=messages,
        items=[PlanItem(target=queue, text=f"{count(messages, 'message')}{depths}", refused=refused)],
        name=queue,
        typed=True,
        warnings=_warnings(report) + interrupted,
        refused=refused,
        backup=str(path),
        details=facts,
    )


async def known_queue(context: Context, queue: str) -> QueueReport:
    """A fresh look at the queue. Raises `NothingFound` with the nearest name."""
    (report,) = await context.queues.probe([queue])
    known = {*await context.queues.names(), *(each.name for each in context.store.queues(context.clock()))}
    if queue not in known and not report.messages:
        raise NothingFound(f"There is no queue {queue}.", nearest(queue, known))
    return report


async def filled_queue(context: Context, queue: str, verb: str) -> tuple[QueueReport, int]:
    """A fresh look at the queue, and its messages: some at least.

    Raises `NothingFound` where there are none, `Refused` where nobody can tell or take them.
    """
    report = await known_queue(context, queue)
    if problem := unreadable(report):
        raise Refused(problem[:1].upper() + problem[1:] + ".")
    if not report.messages:
        raise NothingFound(f"{queue} is empty.", f"There is nothing to {verb}.")
    return report, report.messages


def unreadable(report: QueueReport) -> str | None:
    """Why nothing can be done with a queue, or `None`."""
    if report.error:
        return f"{report.name} cannot be read: {report.error}"
    if report.folded:
        return f"{report.name} stands for queues of the broker's own: nothing is taken from them"
    if report.messages is None:
        return f"nobody can tell how many messages {report.name} holds"
    return None


def _warnings(report: QueueReport) -> list[str]:
    if not report.unacked:
        return []
    return [f"{count(report.unacked, 'unacknowledged message', does='are')} not touched: workers hold them."]


async def _interrupted(context: Context, queue: str) -> list[str]:
    try:
        aside = await left_aside(context, queue)
    except LazyCeleryError as error:
        return [f"Whether an earlier purge left messages aside is not known: {error.title}"]
    if not aside:
        return []
    return [
        f"An earlier purge was cut off and left messages aside on the broker ({listed(aside, 2)}). "
        "Restoring its backup, which ends in .part, puts them back."
    ]


def by_priority(depths: Mapping[str, int]) -> str:
    """` (priority 0: 1,000 · 3: 204)`, or nothing when there is only one list."""
    filled = [(priority, depth) for priority, depth in depths.items() if depth]
    if len(filled) < 2:
        return ""
    return " (priority " + " · ".join(f"{priority}: {depth:,}" for priority, depth in filled) + ")"


async def carry_out(context: Context, queue: str, path: Path, facts: dict[str, Any]) -> Outcome:
    """Save all, remove all. `facts` are told, under `kept`, which file a purge that failed left behind."""
    writer = await asyncio.to_thread(BackupWriter, path, saving.header(context, queue, whole=True))
    try:
        result = await context.queues.purge(queue, partial(saving.save, context, writer))
    except LazyCeleryError as error:
        raise _undone(queue, writer, facts, error) from error
    except BaseException:
        facts["kept"] = str(writer.keep())
        raise
    if not writer.count:
        writer.discard()
        return _outcome(queue, result, 0, None, "")
    try:
        return _outcome(queue, result, writer.count, await asyncio.to_thread(writer.finish), "")
    except LazyCeleryError as error:
        note = f" ({error.title} It can be restored as it is.)"
        return _outcome(queue, result, writer.count, writer.keep(), note)


def _undone(
    queue: str, writer: BackupWriter, facts: dict[str, Any], error: LazyCeleryError
) -> LazyCeleryError:
    """The error to tell: the part goes only when every message is proven to be back in the queue.

    Without a message in it the part is kept too: it names the queue whose messages are aside.
    """
    told = type(error)(error.title, nothing_done=error.nothing_done)
    if error.nothing_done:
        writer.discard()
        told.hint = f"{error.hint} {queue} is as it was.".strip()
        return told
    part = facts["kept"] = str(writer.keep())
    saved = f"{count(writer.count, 'message')} of {queue} are safe in {part}." if writer.count else ""
    command = f"Look at {queue}; what is missing there `{saving.restore_command(Path(part))}` puts back."
    told.hint = " ".join(filter(None, (error.hint, saved, command)))
    return told


def _outcome(queue: str, result: PurgeResult, saved: int, backup: Path | None, note: str) -> Outcome:
    proof = f"purged {queue}: {result.removed:,} removed, {result.after:,} left"
    if result.after:
        proof += " (they came meanwhile)"
    proof += f", backup {backup}{note}" if backup else ", nothing to back up"
    if result.removed < saved:
        given = count(saved - result.removed, "message")
        proof += f"; {given} of it were given back by somebody else meanwhile: restored, they run twice"
    return Outcome(
        action="purge",
        done=result.removed,
        failed=0,
        proof=proof,
        items=[OutcomeItem(target=queue, ok=True, text=f"{result.before:,} before, {result.after:,} after")],
        backup=str(backup) if backup else None,
        undo=saving.restore_command(backup) if backup else None,
    )
