"""What an engine has heard, on disk, for the engine that takes its place should it be killed.

Not the history: it is bounded, redacted, and gone when the engine ends in good order.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from lazycelery.model.event import Event
from lazycelery.model.redaction import Redactor

logger = logging.getLogger(__name__)

HALF = 32 * 1024 * 1024
"""Bytes after which a new file is begun; the one before is kept, so that twice as much is."""
LONGEST = 64 * 1024 * 1024
STALE = 86_400.0
"""Seconds after which a journal that nobody came back for is removed."""
TEXTS = ("args", "kwargs", "result", "exception", "traceback")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Event]).decode


class Journal:
    """Appends batches of events. A disk that is full or not there ends the journal, and nothing else."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self._path, self._redactor = path, redactor
        self._file: int | None = None
        self._size = 0

    @property
    def _before(self) -> Path:
        return self._path.with_suffix(".old")

    def open(self) -> None:
        """Begin, or go on where the engine before stopped."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._sweep()
            self._begin()
        except OSError as problem:
            logger.warning("no journal: %s", problem.strerror)

    def _begin(self) -> None:
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._file).st_size

    def _sweep(self) -> None:
        for path in self._path.parent.iterdir():
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > STALE:
                    path.unlink()

    def write(self, events: list[Event]) -> None:
        """Append a batch."""
        if self._file is None or not events:
            return
        body = _encode([self._redacted(event) for event in events])
        try:
            if self._size > HALF:
                os.close(self._file)
                self._path.replace(self._before)
                self._begin()
            self._size += os.write(self._file, len(body).to_bytes(4, "big") + body)
        except OSError as problem:
            logger.warning("the journal ends: %s", problem.strerror)
            self._stop()

    def _redacted(self, event: Event) -> Event:
        changed: dict[str, str] = {}
        for name in TEXTS:
            text = getattr(event, name)
            if text is not None and (shown := self._redactor.text(text)) != text:
                # As one that was cut: it must never be taken for the true arguments.
                changed[name] = f"{shown}..."
        return msgspec.structs.replace(event, **changed) if changed else event

    def read(self) -> Iterator[list[Event]]:
        """What was written before, oldest first; a last batch that was cut off is left out."""
        for path in (self._before, self._path):
            with contextlib.suppress(OSError), path.open("rb") as file:
                while len(head := file.read(4)) == 4 and (length := int.from_bytes(head, "big")) <= LONGEST:
                    body = file.read(length)
                    try:
                        batch = _decode(body)
                    except msgspec.DecodeError:
                        break
                    yield batch

    def close(self) -> None:
        """The end in good order: nobody has to take over."""
        self._stop()
        for path in (self._path, self._before):
            with contextlib.suppress(OSError):
                path.unlink()

    def _stop(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
