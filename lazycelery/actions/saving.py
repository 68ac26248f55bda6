"""Messages on their way into a backup: which file, what its header says, and how it is restored."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from lazycelery.actions.backup import BackupWriter, Header, Line, default_path, free_path
from lazycelery.actions.context import Context
from lazycelery.errors import Refused
from lazycelery.model.action import Order
from lazycelery.model.message import StoredMessage


def backup_path(context: Context, order: Order, queue: str) -> Path:
    """The file that the order names, or one in its directory, or a new one in the usual place.

    Raises `Refused` when it exists: none is ever overwritten.
    """
    wanted = order.params.get("backup")
    if not wanted:
        return default_path(context.profile, queue, context.clock())
    path = Path(str(wanted)).expanduser().absolute()
    if path.is_dir():
        return free_path(path, queue, context.clock())
    if path.exists():
        raise Refused(f"The backup {path} exists already.", "Choose another file: none is ever overwritten.")
    return path


def header(
    context: Context, queue: str, action: str = "purge", to: str | None = None, whole: bool = False
) -> Header:
    """The first line of a backup made now."""
    return Header(
        time=context.clock(),
        broker=context.broker,
        transport=urlsplit(context.profile.broker).scheme,
        queue=queue,
        action=action,
        to=to,
        whole=whole,
    )


def save(context: Context, writer: BackupWriter, messages: Sequence[StoredMessage]) -> None:
    """Returns when these messages are safe on disk."""
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


def restore_command(path: Path) -> str:
    """What a person types to have the messages of a backup back."""
    return f"lazycelery restore {shlex.quote(str(path))} --allow restore"
