"""Purge: empty a queue, after every message of it is safe in a backup."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from lazycelery.actions.backup import BackupWriter, Header, Line, default_path, free_path
from lazycelery.actions.context import Context
from lazycelery.actions.leftovers import left_aside
from lazycelery.actions.plan import Draft
from lazycelery.actions.wording import count, listed, nearest
from lazycelery.errors import LazyCeleryError, NothingFound, Refused, UsageError
from lazycelery.model.action import Order, Outcome, OutcomeItem, PlanItem
from lazycelery.model.message import StoredMessage
from lazycelery.model.reports import QueueReport
from lazycelery.sources.protocols import PurgeResult


async def draft(context: Context, order: Order) -> Draft:
    """Count what waits in the queue, and choose the backup's file. Raises `NothingFound` when it is empty."""
    if len(order.targets) != 1 or order.filter is not None:
        raise UsageError("Purge takes one queue.", "Say `lazycelery purge QUEUE`.")
    queue = order.targets[0]
    report = await _report(context, queue)
    path = _backup_path(context, order, queue)
    interrupted = _interrupted(await left_aside(context, queue))
    if report.messages == 0:
        raise NothingFound(f"{queue} is empty.", " ".join(interrupted) or "There is nothing to do.")
    messages = report.messages or 0
    refused = _refusal(report)
    depths = by_priority(report.priorities)
    return Draft(
        title=f"Purge {queue}: {count(messages, 'message')}{depths}",
        question=f"purge {queue}: remove {count(messages, 'message')}{depths}, backup {path}?",
        run=partial(_run, context, queue, path),
        count=messages,
        items=[PlanItem(target=queue, text=f"{count(messages, 'message')}{depths}", refused=refused)],
        name=queue,
        typed=True,
        warnings=_warnings(report) + interrupted,
        refused=refused,
        backup=str(path),
        details={"messages": messages, "priorities": report.priorities},
    )


async def _report(context: Context, queue: str) -> QueueReport:
    """A fresh look at the queue. Raises `NothingFound` with the nearest name."""
    (report,) = await context.queues.probe([queue])
    known = {*await context.queues.names(), *(each.name for each in context.store.queues(context.clock()))}
    if queue not in known and not report.messages:
        raise NothingFound(f"There is no queue {queue}.", nearest(queue, known))
    return report


def _refusal(report: QueueReport) -> str | None:
    if report.error:
        return f"{report.name} cannot be read: {report.error}"
    if report.messages is None:
        return f"nobody can tell how many messages {report.name} holds"
    return None


def _warnings(report: QueueReport) -> list[str]:
    if not report.unacked:
        return []
    return [f"{count(report.unacked, 'unacknowledged message')} are not touched: workers hold them."]


def _interrupted(aside: Sequence[str]) -> list[str]:
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


def _backup_path(context: Context, order: Order, queue: str) -> Path:
    wanted = order.params.get("backup")
    if not wanted:
        return default_path(context.profile, queue, context.clock())
    path = Path(str(wanted)).expanduser().absolute()
    if path.is_dir():
        return free_path(path, queue, context.clock())
    if path.exists():
        raise Refused(f"The backup {path} exists already.", "Choose another file: none is ever overwritten.")
    return path


async def _run(context: Context, queue: str, path: Path) -> Outcome:
    header = Header(
        time=context.clock(),
        broker=context.broker,
        transport=urlsplit(context.profile.broker).scheme,
        queue=queue,
    )
    writer = await asyncio.to_thread(BackupWriter, path, header)
    try:
        result = await context.queues.purge(queue, partial(_save, context, writer))
    except LazyCeleryError as error:
        raise await _undone(context, queue, writer, error) from error
    except BaseException:
        if writer.count:
            writer.keep()
        else:
            writer.discard()
        raise
    if not writer.count:
        writer.discard()
        return _outcome(queue, result, None, "")
    try:
        return _outcome(queue, result, await asyncio.to_thread(writer.finish), "")
    except LazyCeleryError as error:
        return _outcome(queue, result, writer.keep(), f" ({error.title} It can be restored as it is.)")


def _save(context: Context, writer: BackupWriter, messages: Sequence[StoredMessage]) -> None:
    writer.add([_line(context, message) for message in messages])


def _line(context: Context, message: StoredMessage) -> Line:
    seen = context.codec.describe(message.raw, message.position)
    return Line(
        queue=message.queue,
        priority=message.priority,
        position=message.position,
        id=seen.id,
        task=seen.task,
        raw=message.raw,
    )


async def _undone(
    context: Context, queue: str, writer: BackupWriter, error: LazyCeleryError
) -> LazyCeleryError:
    """The error to tell: the part goes only when every message it holds is seen back in the queue."""
    if writer.count and not await _all_back(context, queue, writer.count):
        hint = f"{count(writer.count, 'message')} of {queue} are safe in {writer.keep()}."
        return type(error)(error.title, f"{error.hint} {hint} Look at the queue before restoring it.".strip())
    writer.discard()
    return type(error)(error.title, f"{error.hint} {queue} is as it was.".strip())


async def _all_back(context: Context, queue: str, saved: int) -> bool:
    try:
        (report,) = await context.queues.probe([queue])
    except LazyCeleryError:
        return False
    return (report.messages or 0) >= saved


def _outcome(queue: str, result: PurgeResult, backup: Path | None, note: str) -> Outcome:
    proof = f"purged {queue}: {result.removed:,} removed, {result.after:,} left"
    if result.after:
        proof += " (they came meanwhile)"
    proof += f", backup {backup}{note}" if backup else ", nothing to back up"
    return Outcome(
        action="purge",
        done=result.removed,
        failed=0,
        proof=proof,
        items=[OutcomeItem(target=queue, ok=True, text=f"{result.before:,} before, {result.after:,} after")],
        backup=str(backup) if backup else None,
        undo=f"lazycelery restore {shlex.quote(str(backup))} --allow restore" if backup else None,
    )
