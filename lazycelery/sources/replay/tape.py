"""A recording on disk: frames of what a source said, and when.

The file begins with `MAGIC`. A frame is the length of its body (four bytes), the moment (a double, epoch
seconds, both big endian), and the body: msgpack of `[kind, value]`. A frame that was cut off by a crash
ends the recording; after one that is damaged it goes on with the next that is whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from lazycelery.errors import UsageError
from lazycelery.model.event import Event
from lazycelery.model.reports import QueueReport
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.replay.reader import HEAD, MAGIC, Answer, Frame, Reader

__all__ = ["MAGIC", "Answer", "Frame", "Said", "Tape", "TapeWriter", "frame"]

_encode = msgspec.msgpack.Encoder(enc_hook=repr).encode

Said = list[Event] | Answer | list[str] | list[QueueReport] | StatusChange


def frame(at: float, kind: str, said: Said) -> bytes:
    """One frame: what was said, and when by the writer's clock."""
    body = _encode((kind, said))
    return HEAD.pack(len(body), at) + body


class TapeWriter:
    """Appends frames. Raises `OSError`."""

    def __init__(self, path: Path) -> None:
        """A new file, for its owner alone; never over another one."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._file = open(os.open(path, flags, 0o600), "wb", buffering=0)  # noqa: SIM115
        self.append(MAGIC)

    def write(self, at: float, kind: str, said: Said) -> None:
        """One frame."""
        self.append(frame(at, kind, said))

    def append(self, frames: bytes | bytearray) -> None:
        """Frames, handed to the system whole."""
        left = memoryview(frames)
        while left:  # A disk that is nearly full takes a part.
            left = left[self._file.write(left) :]

    def close(self) -> None:
        """End it."""
        self._file.close()


class Tape:
    """A recording to read. Raises `UsageError` for a file that is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._scan = Reader(path)
        if not self._scan.skip():
            raise UsageError(f"Nothing was recorded in {path}.")
        self.start = self.end = self._scan.place.at
        self.grow()

    @property
    def set_back(self) -> float:
        """Seconds by which the writer's clock was set back, all in all."""
        return self._scan.place.shift

    def grow(self, most: int = 0) -> bool:
        """Look for frames that were written meanwhile, `most` at once (0: all); whether there were any."""
        before, count = self.end, 0
        while self._scan.skip():
            count += 1
            if count == most:
                break
        self.end = self._scan.place.at
        return self.end > before

    @property
    def read(self) -> int:
        """Bytes up to the end of the last frame."""
        return self._scan.place.offset

    @property
    def damage(self) -> int:
        """Bytes that cannot be read."""
        return self._scan.skipped + self._scan.behind

    def reader(self) -> Reader:
        """Read it from its beginning."""
        return Reader(self.path)

    def frames(self) -> Iterator[Frame]:
        """All of it, in order. What cannot be read is left out."""
        reader = self.reader()
        try:
            while (frame := reader.frame()) is not None:
                yield frame
        finally:
            reader.close()


_last: list[tuple[int, int, Tape]] = []


def tape_of(path: Path) -> Tape:
    """A recording; one that was opened last is not looked through again. Raises `UsageError`."""
    try:
        there = path.stat()
    except OSError:
        return Tape(path)  # It says why not.
    for device, number, tape in _last:
        known = (device, number, tape.path) == (there.st_dev, there.st_ino, path)
        if known and number and there.st_size >= tape.read:
            tape.grow()
            return tape
    tape = Tape(path)
    _last[:] = [(there.st_dev, there.st_ino, tape)]
    return tape
