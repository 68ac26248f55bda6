"""Writes a recording beside the engine's loop, which only hands over: a thread veils, encodes and writes.

What waits for the disk is bounded in bytes. When it is full the recording has a gap, which is counted and
stands in it as any other: nobody waits for the disk.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from operator import methodcaller
from typing import Any, NamedTuple

import msgspec

from lazycelery.model.counting import count
from lazycelery.model.event import Event
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.replay.tape import Said, TapeWriter, frame
from lazycelery.sources.replay.veiling import Veil

logger = logging.getLogger(__name__)

EVERY = 0.25
"""Seconds between two times of writing: what a crash costs."""
MOST_BYTES = 32 << 20
"""That wait. Words of a link, which come seldom, may take as much again."""
GOES_ON = MOST_BYTES // 2
"""Bytes that may still wait when a gap ends."""
EVENT = 500
"""Bytes of an event without its long texts, about."""
FRAME = 300
"""The same of anything else."""
PIECE = 1 << 20
"""Bytes that are written at once, about."""
AT_THE_END = 5.0
"""Seconds for what is left when the monitor ends."""
TOO_SLOW = "The recording was not written in time: its disk is slow, or hangs."
_copy = methodcaller("__copy__")
_size = msgspec.msgpack.Encoder(enc_hook=repr).encode


class _Waits(NamedTuple):
    at: float
    kind: str
    said: Any
    size: int


class Taping:
    """Keeps one tape. All but `close` is for the engine's loop, and never waits."""

    def __init__(self, tape: TapeWriter, veil: Veil) -> None:
        self._tape, self._veil = tape, veil
        self._waits: deque[_Waits] = deque()
        self._came = 0
        """Bytes; changed by the loop alone."""
        self._went = 0
        """Changed by the thread alone."""
        self._link = StatusChange("connected")
        """Of the events, as it was told last."""
        self._gap = False
        self._left_out = 0
        """Events for which there was no room; changed by the loop alone."""
        self._refused = 0
        """Those that no recording can hold; changed by the thread alone."""
        self.problem = ""
        """Why it has ended; "" while it goes on."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="recording", daemon=True)
        self._began = False

    @property
    def missing(self) -> int:
        """Events that are not in it."""
        return self._left_out + self._refused

    def events(self, at: float, events: Sequence[Event]) -> None:
        """A batch, as it is now: under load the store takes texts out of them."""
        if self.problem:
            return  # What comes after its end is not missing within it.
        size = EVENT * len(events)
        for event in events:
            if (text := event.args) is not None:
                size += len(text)
            if (text := event.kwargs) is not None:
                size += len(text)
            if (text := event.result) is not None:
                size += len(text)
            if (text := event.exception) is not None:
                size += len(text)
            if (text := event.traceback) is not None:
                size += len(text)
            if event.extra is not None:
                size += _bytes(event.extra)
        if self._fits(at, size):
            self._put(_Waits(at, "events", list(map(_copy, events)), size))
        else:
            self._left_out += len(events)

    def put(self, at: float, kind: str, said: Said, size: int = 0) -> None:
        """Anything else that was said, which nobody changes later, and its bytes beside a frame."""
        if self.problem:
            return
        size += FRAME
        if kind == "links" and isinstance(said, StatusChange):
            self._link = said
            if self._gap:
                return  # It is told when the gap ends.
        if self._fits(at, size) or (isinstance(said, StatusChange) and self._waiting < 2 * MOST_BYTES):
            self._put(_Waits(at, kind, said, size))

    def close(self) -> None:
        """Write what is left, and end; waits for the thread, but not for ever."""
        self._stop.set()
        if not self._began:
            self._tape.close()
            return
        self._thread.join(AT_THE_END)
        if self._thread.is_alive():
            logger.warning("The end of the recording is not written: its disk does not answer.")
        if self.missing:
            logger.warning("%s missing in the recording.", count(self.missing, "event", does="are"))

    @property
    def _waiting(self) -> int:
        return self._came - self._went

    def _put(self, waits: _Waits) -> None:
        if not self._began:
            self._began = True
            self._thread.start()
        self._came += waits.size
        self._waits.append(waits)

    def _fits(self, at: float, size: int) -> bool:
        """Whether there is room; a gap begins and ends here."""
        if self.problem:
            return False
        waiting = self._waiting
        if self._gap and waiting <= GOES_ON:
            self._gap = False
            self._put(_Waits(at, "links", self._link, FRAME))
        # What is larger than all the room goes alone.
        elif not self._gap and waiting + size > MOST_BYTES and waiting:
            self._gap = True
            self._put(_Waits(at, "links", StatusChange("lost", TOO_SLOW), FRAME))
        return not self._gap

    # the thread

    def _run(self) -> None:
        try:
            while not self._stop.wait(EVERY):
                self._write()
            self._write()
        except OSError as problem:
            self.problem = f"{problem.strerror or problem}".rstrip(".")
        except Exception as problem:
            logger.exception("recording")
            self.problem = type(problem).__name__
        finally:
            self._waits.clear()
            try:
                self._tape.close()
            except OSError as problem:
                self.problem = self.problem or f"{problem.strerror or problem}".rstrip(".")
        if self.problem:
            logger.warning("recording: %s", self.problem)

    def _write(self) -> None:
        """All that waits, in order."""
        piece, size = bytearray(), 0
        while self._waits:
            waits = self._waits.popleft()
            piece += self._frame(waits)
            size += waits.size
            if len(piece) >= PIECE:
                self._tape.append(piece)
                self._went += size
                piece, size = bytearray(), 0
        if piece:
            self._tape.append(piece)
        self._went += size

    def _frame(self, waits: _Waits) -> bytes:
        """Without secrets. What cannot be encoded is left out alone, and counted."""
        try:
            return frame(waits.at, waits.kind, self._veil.said(waits.kind, waits.said))
        except Exception:
            if waits.kind != "events":
                logger.exception("recording: %s", waits.kind)
                return b""
        frames = []
        for event in waits.said:
            try:
                frames.append(frame(waits.at, waits.kind, self._veil.events([event])))
            except Exception as problem:
                if not self._refused:
                    logger.warning("recording: an event cannot be written: %s", problem)
                self._refused += 1
        return b"".join(frames)


def _bytes(value: object) -> int:
    try:
        return len(_size(value))
    except Exception:
        return FRAME
