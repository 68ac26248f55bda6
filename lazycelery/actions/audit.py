"""The audit log: who did what, when, to what, and what came of it."""

from __future__ import annotations

import getpass
import os
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from lazycelery.actions.audit_filter import parse
from lazycelery.actions.files import (
    behind_own_links,
    make_private_directory,
    open_private,
    state_directory,
    sync_directory,
    write_all,
)
from lazycelery.errors import Refused
from lazycelery.model.action import AuditEntry
from lazycelery.model.profile import Profile

BLOCK = 64 * 1024
"""Bytes read at once, from the end towards the start."""
LONGEST_LINE = 4 * 1024 * 1024
INTENT = "intent"
"""The outcome in the line before an action."""
REFUSED = "refused"
"""The outcome of what was tried and never began: it has no line before it."""
FAILED = "failed"
"""The outcome of what broke off in the middle, or of which nothing was done."""
BROKEN_OFF = "began, no outcome: broken off"


class AuditLog:
    """An append-only file of JSON lines, one before an action (`intent`) and one after: the profile's
    `audit_file`, else `audit.ndjson` in the state directory of the platform.

    `append` returns when the line is on the disk. It raises `Refused` when it cannot be written, so
    that nothing is done unlogged.
    """

    def __init__(self, profile: Profile) -> None:
        chosen = profile.audit_file
        self.path = Path(chosen).expanduser() if chosen else state_directory() / "audit.ndjson"

    def append(self, entry: AuditEntry) -> None:
        """Write one line and wait for the disk."""
        try:
            self._append(msgspec.json.encode(entry) + b"\n")
        except OSError as error:
            raise Refused(
                f"The audit log {self.path} cannot be written: {error.strerror or error}.",
                "Nothing is done unlogged. Make room or mend its permissions, or set audit_file.",
            ) from error

    def _append(self, line: bytes) -> None:
        new = not self.path.exists()
        make_private_directory(self.path.parent)
        descriptor = open_private(behind_own_links(self.path), os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            write_all(descriptor, (b"\n" if _torn(descriptor) else b"") + line)
        finally:
            os.close(descriptor)
        if new:
            sync_directory(self.path.parent)

    def read(self, limit: int = 100, filter: str = "") -> list[AuditEntry]:
        """One entry an action, newest first: its outcome; what began and has none was broken off.

        All words of `filter` must appear in an entry; `user:ada` looks at one field only.

        Raises `UsageError` for a wrong filter, `Refused` when the file may not be read.
        """
        found: list[AuditEntry] = []
        wanted = parse(filter, time.time())
        for entry in _folded(self.entries()):
            if len(found) >= limit or wanted.ends_at(entry):
                break
            if wanted.matches(entry):
                found.append(entry)
        return found

    def entries(self) -> Iterator[AuditEntry]:
        """All lines, newest first, read in pages from the end as they are asked for."""
        try:
            with self.path.open("rb") as file:
                for line in _lines_backwards(file):
                    if line.strip():
                        yield _entry(line)
        except FileNotFoundError:
            return
        except OSError as error:
            raise Refused(
                f"The audit log {self.path} cannot be read: {error.strerror or error}.",
                "Mend its permissions, or set audit_file.",
            ) from error


def _folded(entries: Iterable[AuditEntry]) -> Iterator[AuditEntry]:
    """Without the intents whose outcome is there. Newest first, so an outcome comes before its intent."""
    ended: set[object] = set()
    for entry in entries:
        plan_id = entry.plan.get("id")
        if entry.outcome != INTENT:
            if entry.outcome != REFUSED and plan_id is not None:
                ended.add(plan_id)
            yield entry
        elif plan_id in ended:
            ended.discard(plan_id)
        else:
            entry.ok, entry.outcome = False, BROKEN_OFF
            yield entry


def whoami() -> tuple[str, str, str | None]:
    """The user (by id, not by what the environment claims), this host, and the SSH client's address."""
    origin = os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_CLIENT") or ""
    return _user(), socket.gethostname(), origin.split()[0] if origin.split() else None


def _user() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        pass
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def _torn(descriptor: int) -> bool:
    """Whether a crash left a last line without its end."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    if end == 0:
        return False
    os.lseek(descriptor, end - 1, os.SEEK_SET)
    return os.read(descriptor, 1) != b"\n"


def _lines_backwards(file: BinaryIO) -> Iterator[bytes]:
    at = file.seek(0, os.SEEK_END)
    rest = b""
    while at > 0:
        size = min(BLOCK, at)
        at -= size
        file.seek(at)
        rest = file.read(size) + rest
        first, *lines = rest.split(b"\n")
        yield from reversed(lines)
        # A line that never ends is not ours; holding it would be an unbounded read.
        rest = first if len(first) <= LONGEST_LINE else b""
    yield rest


def _entry(line: bytes) -> AuditEntry:
    try:
        return msgspec.json.decode(line, type=AuditEntry)
    except msgspec.MsgspecError:
        return AuditEntry(
            time=0.0,
            user="",
            host="",
            profile="",
            broker="",
            action="unreadable",
            title=f"A line of {len(line)} bytes that cannot be read",
            targets=[],
            ok=False,
        )
