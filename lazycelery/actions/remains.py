"""What a restore that broke off did not put back, as backups of their own, so that nothing runs twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lazycelery.actions.backup import BackupFile, BackupWriter, Line, free_path
from lazycelery.actions.context import Context
from lazycelery.actions.wording import count
from lazycelery.errors import LazyCeleryError
from lazycelery.model.message import StoredMessage


@dataclass(kw_only=True)
class Way:
    """How far a restore came."""

    done: int = 0
    doubt: int = 0
    """Messages after these of which nobody knows: they were sent, and the answer was lost."""
    problem: str = ""
    """Why it stopped; empty when it did not."""


@dataclass(kw_only=True)
class Remains:
    """Files that were written."""

    rest: Path | None = None
    doubt: Path | None = None
    problem: str = ""
    """Why one of them could not be."""


def save(context: Context, file: BackupFile, way: Way) -> Remains:
    """Write what certainly is not back, and what may be, when the backup itself is no longer right."""
    kept = Remains()
    if not way.problem or not way.done + way.doubt:
        return kept
    tried = way.done + way.doubt
    rest, doubt = (tried, file.total), (way.done, tried)
    if context.queues.fills_front:  # Its end went first.
        rest, doubt = (0, file.total - tried), (file.total - tried, file.total - way.done)
    try:
        kept.rest = _written(context, file, "rest", *rest)
        kept.doubt = _written(context, file, "unsure", *doubt)
    except LazyCeleryError as error:
        kept.problem = error.title
    return kept


def told(way: Way, kept: Remains) -> str:
    """The end of the proof."""
    if not way.problem:
        return ""
    said = f"; stopped: {way.problem}"
    if way.doubt:
        said += f" Whether {count(way.doubt, 'message')} more are back is not known"
        said += f"; look at the queue before you restore {kept.doubt}." if kept.doubt else "."
    if kept.rest:
        said += f" The rest is in {kept.rest}."
    return said + (f" What remains could not be saved apart: {kept.problem}" if kept.problem else "")


def _written(context: Context, file: BackupFile, name: str, start: int, stop: int) -> Path | None:
    if start >= stop:
        return None
    writer = BackupWriter(free_path(file.path.parent, name, context.clock()), file.header)
    try:
        for page in _between(file.pages(), start, stop):
            writer.add([_line(each) for each in page])
        return writer.finish()
    except BaseException:
        writer.keep()
        raise


def _line(message: StoredMessage) -> Line:
    return Line(queue=message.queue, priority=message.priority, position=message.position, raw=message.raw)


def _between(pages: Iterable[list[StoredMessage]], start: int, stop: int) -> Iterable[list[StoredMessage]]:
    """Messages from `start` to `stop`, counted from the first of the file."""
    at = 0
    for page in pages:
        if part := page[max(start - at, 0) : max(stop - at, 0)]:
            yield part
        at += len(page)
        if at >= stop:
            return
