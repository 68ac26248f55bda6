"""Reads a recording on from any place, also one that is damaged, cut off, or written just now.

Places are told on the recording's time: that of its writer's clock. Where that was set back, times are
counted on from there, so that the recording's time never goes back.
"""

from __future__ import annotations

import math
import os
import re
import struct
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec

from lazycelery.errors import UsageError
from lazycelery.model.event import LARGE, Event, large
from lazycelery.model.reports import QueueReport
from lazycelery.sources.protocols.mailbox import Replies
from lazycelery.sources.protocols.status import StatusChange

MAGIC = b"lazycelery recording 1\n"
HEAD = struct.Struct(">Id")
LONGEST = 256 * 1024 * 1024
BUFFER = 256 * 1024
SET_BACK = 1.0
"""Seconds by which the writer's clock must go back, to have been set."""
LAST = 1e11
"""Epoch seconds: no clock tells later times."""
_PEEK = 8
"""Bytes of a body that tell whether it is one."""
_BODY = re.compile(rb"\x92[\xa5-\xa7](?:events|answer|workers|names|depths|links|broker|control)")
PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
}


class Answer(msgspec.Struct):
    """What workers answered to one control call."""

    method: str
    replies: Replies


TYPES: dict[str, Any] = {
    "events": list[Event],
    "answer": Answer,
    "workers": list[str],
    "names": list[str],
    "depths": list[QueueReport],
    "links": StatusChange,
    "broker": StatusChange,
    "control": StatusChange,
}
_DECODERS = {kind: msgspec.msgpack.Decoder(type) for kind, type in TYPES.items()}  # noqa: A001
_KINDED = msgspec.msgpack.Decoder(tuple[str, msgspec.Raw])


class Frame(NamedTuple):
    """One thing that was said."""

    at: float
    """When, in the recording's time."""
    kind: str
    """events, answer, workers (mailboxes), names (of queues), depths, links (the events' one), broker and
    control (the links to them)."""
    said: Any


class Place(NamedTuple):
    """Where a reader stands."""

    offset: int = len(MAGIC)
    told: float = 0.0
    """The writer's clock at the frame before; 0 before the first one."""
    at: float = 0.0
    """The recording's time by then."""
    shift: float = 0.0
    """Seconds by which the recording's time is before the writer's clock, since that was set back."""


class Reader:
    """Frame after frame. Where there is none (yet), `None`; the next call looks again.

    Raises `UsageError` for a file that is no recording.
    """

    def __init__(self, path: Path, place: Place | None = None) -> None:
        self.path = path
        self.place = place or Place()
        self._file = _open(path)
        self._before = self.place.offset
        """Where the frame before began: it may have a wrong length."""
        self._size = 0
        self._told = 0.0
        """The writer's clock at the frame whose head was read last."""
        self.skipped = 0
        """Bytes that were no frames."""
        self.unread = 0
        """Frames that could not be read."""
        self.seek(self.place)

    def seek(self, place: Place) -> None:
        """Go on from there."""
        self.place = place
        self._before = place.offset
        self._file.seek(place.offset)
        self._size = os.fstat(self._file.fileno()).st_size

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @property
    def behind(self) -> int:
        """Bytes after the last frame: one that is being written, or what is left of one."""
        return max(0, os.fstat(self._file.fileno()).st_size - self.place.offset)

    def skip(self) -> bool:
        """Pass over a frame; false where there is none."""
        head = self._head()
        if head is None:
            return False
        self._file.seek(head - _PEEK, os.SEEK_CUR)
        self._passed(head)
        return True

    def frame(self) -> Frame | None:
        """The next frame. What cannot be read is left out, and counted."""
        while (length := self._head()) is not None:
            self._file.seek(-_PEEK, os.SEEK_CUR)
            body = self._file.read(length)
            self._passed(length)
            try:
                kind, raw = _KINDED.decode(body)
                said: Any = _DECODERS[kind].decode(raw) if kind in _DECODERS else None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                self.unread += 1
                continue
            if kind == "events" and not _timed(said):
                self.unread += 1
            elif said is not None:
                if kind == "events" and length > LARGE * max(1, len(said)):
                    said = large(said)
                return self._shifted(Frame(self.place.at, kind, said))
        return None

    def _head(self) -> int | None:
        """The length of the next body, of which `_PEEK` bytes were read; `None` at the end."""
        while True:
            offset = self.place.offset
            head = self._file.read(HEAD.size + _PEEK)
            if len(head) == HEAD.size + _PEEK:
                length, at = HEAD.unpack_from(head)
                end = offset + HEAD.size + length
                if _sane(length, at) and _begins(head) and (end <= self._size or self._grown(end)):
                    self._told = at
                    return int(length)
            elif self._grown(offset + HEAD.size + _PEEK):
                self._file.seek(offset)
                continue
            found = self._next_head(max(self._before + HEAD.size + 1, len(MAGIC)), offset)
            if found is None:
                self._file.seek(offset)  # It may be that only the rest of it is still to come.
                return None
            self.skipped += found - offset if found > offset else 0
            self._before = found
            self.place = self.place._replace(offset=found)
            self._file.seek(found)

    def _grown(self, size: int) -> bool:
        self._size = os.fstat(self._file.fileno()).st_size
        return self._size >= size

    def _next_head(self, start: int, bad: int) -> int | None:
        """Where the next frame begins that looks like one, after a place where none does."""
        overlap = HEAD.size + 16
        self._file.seek(start)
        base, held = start, b""
        while True:
            block = self._file.read(1 << 20)
            if not block:
                return None
            held += block
            for match in _BODY.finditer(held):
                place = match.start() - HEAD.size
                if place < 0 or base + place == bad:
                    continue
                length, at = HEAD.unpack_from(held, place)
                if _sane(length, at) and base + place + HEAD.size + length <= self._size:
                    return base + place
            base, held = base + max(0, len(held) - overlap), held[-overlap:]

    def _passed(self, length: int) -> None:
        """A frame's head was read: its time, and where the next one is."""
        offset, told, at, shift = self.place
        if told and self._told < told - SET_BACK:
            shift += told - self._told
        self._before = offset
        at = max(at, self._told + shift)
        self.place = Place(offset + HEAD.size + length, self._told, at, shift)

    def _shifted(self, frame: Frame) -> Frame:
        shift = self.place.shift
        if not shift:
            return frame
        if frame.kind == "events":
            for event in frame.said:
                # The sender's clock may be the same one, or another that was not set back.
                if abs(event.timestamp - event.received) < abs(event.timestamp - event.received - shift):
                    event.timestamp += shift
                event.received += shift
        elif frame.kind == "depths":
            for report in frame.said:
                report.at += shift
        elif frame.kind == "answer" and frame.said.replies.asked is not None:
            frame.said.replies.asked += shift
        return frame


def _timed(events: list[Event]) -> bool:
    """Whether all of them came at a time that there is. Asked of every event: `all` takes twice as long."""
    for event in events:  # noqa: SIM110
        if not 0.0 <= event.received < LAST:
            return False
    return True


def _sane(length: int, at: float) -> bool:
    return _PEEK <= length <= LONGEST and math.isfinite(at) and 0.0 < at < LAST


def _begins(head: bytes) -> bool:
    """Whether a body begins as one does: a pair, and a short word."""
    return head[HEAD.size] == 0x92 and 0xA1 <= head[HEAD.size + 1] <= 0xBF


def _open(path: Path) -> BinaryIO:
    try:
        file = path.open("rb", buffering=BUFFER)
    except OSError as problem:
        raise UsageError(f"{path} cannot be read: {problem.strerror}.") from None
    begins = file.read(len(MAGIC))
    if begins == MAGIC:
        return file
    file.close()
    packed = next((name for sign, name in PACKED.items() if begins.startswith(sign)), None)
    if packed is not None:
        raise UsageError(f"{path} is packed with {packed}.", "Unpack it first: a recording is read as it is.")
    raise UsageError(f"{path} is no recording.", "One is made by: lazycelery --broker URL --record FILE")
