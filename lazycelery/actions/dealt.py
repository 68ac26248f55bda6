"""Failed tasks that a person has dealt with: a note of ours, on this machine, that no broker ever sees.

A private file of JSON lines in the state directory, one file a cluster, only ever appended to: every session
of one user reads it, also after a restart, with or without a recorded history.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterable, Sequence

import msgspec

from lazycelery.actions.audit import whoami
from lazycelery.actions.files import (
    claimed,
    make_private_directory,
    new_private,
    open_private,
    state_directory,
    sync_directory,
    write_all,
)
from lazycelery.errors import Refused
from lazycelery.model.task import Dealt

MOST = 50_000
"""Tasks that are remembered; beyond twice as many lines the file is written anew."""
LONGEST_NOTE = 500
PATIENCE = 5.0
"""Seconds for another session that writes."""


class _Line(msgspec.Struct, kw_only=True, omit_defaults=True):
    id: str
    at: float
    by: str
    note: str = ""
    undone: bool = False


_decode = msgspec.json.Decoder(_Line).decode


class DealtFile:
    """The notes of one cluster. `place` names it: the broker's URL without credentials, and a prefix."""

    def __init__(self, place: str) -> None:
        name = hashlib.sha256(place.encode()).hexdigest()[:16]
        self.path = state_directory() / "dealt" / f"{name}.ndjson"
        self._seen: tuple[int, int] | None = None

    def changed(self) -> bool:
        """Whether somebody has written since the last `read`."""
        try:
            told = self.path.stat()
        except OSError:
            return False
        return (told.st_mtime_ns, told.st_size) != self._seen

    def read(self) -> dict[str, Dealt]:
        """By task id, the oldest first. Raises `Refused` when it cannot be read; what is torn is left out."""
        try:
            told = self.path.stat()
            text = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._trouble("read", error) from error
        self._seen = (told.st_mtime_ns, told.st_size)
        found: dict[str, Dealt] = {}
        for line in text.splitlines():
            with contextlib.suppress(msgspec.MsgspecError):
                one = _decode(line)
                found.pop(one.id, None)
                if not one.undone:
                    found[one.id] = Dealt(at=one.at, by=one.by, note=one.note)
        for id_ in list(found)[:-MOST]:
            del found[id_]
        return found

    def mark(self, ids: Sequence[str], at: float, note: str = "", undone: bool = False) -> None:
        """Note it, on the disk. Raises `Refused` when it cannot be written."""
        user, host, _ = whoami()
        note = note[:LONGEST_NOTE]
        lines = [_Line(id=each, at=at, by=f"{user}@{host}", note=note, undone=undone) for each in ids]
        try:
            make_private_directory(self.path.parent)
            lock = open_private(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT)
            try:
                _wait_for(lock)
                self._append(lines)
                self._shorten()
            finally:
                os.close(lock)
        except OSError as error:
            raise self._trouble("written", error) from error

    def _append(self, lines: Iterable[_Line]) -> None:
        new = not self.path.exists()
        descriptor = open_private(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            # A line that a crash left half-written is ended first: an empty line is none.
            write_all(descriptor, b"\n" + b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
        finally:
            os.close(descriptor)
        if new:
            sync_directory(self.path.parent)

    def _shorten(self) -> None:
        if self.path.read_bytes().count(b"{") <= 2 * MOST:
            return
        new = self.path.with_suffix(".new")
        kept = [_Line(id=each, at=one.at, by=one.by, note=one.note) for each, one in self.read().items()]
        descriptor = new_private(new)
        try:
            write_all(descriptor, b"".join(msgspec.json.encode(line) + b"\n" for line in kept))
        finally:
            os.close(descriptor)
        new.replace(self.path)
        sync_directory(self.path.parent)

    def _trouble(self, what: str, error: OSError) -> Refused:
        return Refused(
            f"The notes on tasks in {self.path} cannot be {what}: {error.strerror or error}.",
            "Make room or mend its permissions.",
        )


def _wait_for(descriptor: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while not claimed(descriptor):
        if time.monotonic() >= deadline:
            raise TimeoutError(11, "another session has it locked")
        time.sleep(0.05)
