"""A recording on disk: frames of what a source said, and when.

The file begins with `MAGIC`. A frame is the length of its body (four bytes), the moment (a double, epoch
seconds, both big endian), and the body: msgpack of `[kind, value]`. A frame that was cut off by a crash
ends the recording.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from lazycelery.errors import UsageError
from lazycelery.model.event import Event
from lazycelery.model.reports import QueueReport
from lazycelery.sources.protocols.mailbox import Replies

MAGIC = b"lazycelery recording 1\n"
HEAD = struct.Struct(">Id")
LONGEST = 256 * 1024 * 1024
_encode = msgspec.msgpack.Encoder(enc_hook=repr).encode


class Answer(msgspec.Struct):
    """What workers answered to one control call."""

    method: str
    replies: Replies


Said = list[Event] | Answer | list[str] | list[QueueReport]
_TYPES: dict[str, Any] = {
    "events": list[Event],
    "answer": Answer,
    "workers": list[str],
    "names": list[str],
    "depths": list[QueueReport],
}
_DECODERS = {kind: msgspec.msgpack.Decoder(type) for kind, type in _TYPES.items()}  # noqa: A001
_KINDED = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw])


class Frame(NamedTuple):
    """One thing that was said."""

    at: float
    kind: str
    """events, answer, workers (mailboxes), names (of queues), depths."""
    said: Any


class TapeWriter:
    """Appends frames. Raises `OSError`."""

    def __init__(self, path: Path) -> None:
        """A new file, for its owner alone; never over another one."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._file = open(os.open(path, flags, 0o600), "wb", buffering=0)  # noqa: SIM115
        self._file.write(MAGIC)

    def write(self, at: float, kind: str, said: Said) -> None:
        """One frame, handed to the system whole."""
        body = _encode((kind, said))
        self._file.write(HEAD.pack(len(body), at) + body)

    def close(self) -> None:
        """End it."""
        self._file.close()


class Tape:
    """A recording to read. Raises `UsageError` for a file that is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start, self.end = self._span()

    def _open(self) -> BinaryIO:
        try:
            file = self.path.open("rb")
        except OSError as problem:
            raise UsageError(f"{self.path} cannot be read: {problem.strerror}.") from None
        if file.read(len(MAGIC)) != MAGIC:
            file.close()
            raise UsageError(
                f"{self.path} is no recording.", "One is made by: lazycelery --broker URL --record FILE"
            )
        return file

    def _span(self) -> tuple[float, float]:
        moments: list[float] = []
        with self._open() as file:
            size = os.fstat(file.fileno()).st_size
            while len(head := file.read(HEAD.size)) == HEAD.size:
                length, at = HEAD.unpack(head)
                if length > LONGEST or file.tell() + length > size:
                    break
                moments = [*moments[:1], at]
                file.seek(length, os.SEEK_CUR)
        if not moments:
            raise UsageError(f"Nothing was recorded in {self.path}.")
        return moments[0], max(moments)

    def frames(self) -> Iterator[Frame]:
        """All of it, in order. What cannot be read is left out."""
        with self._open() as file:
            while len(head := file.read(HEAD.size)) == HEAD.size:
                length, at = HEAD.unpack(head)
                body = file.read(length) if length <= LONGEST else b""
                if len(body) < length:
                    return
                try:
                    kind, raw = _KINDED.decode(body)
                    if kind in _DECODERS:
                        yield Frame(at, kind, _DECODERS[kind].decode(raw))
                except msgspec.DecodeError:
                    continue
