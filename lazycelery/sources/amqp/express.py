"""Deliveries of one consumer, read off the wire without pika's three objects and six calls a message.

A small message costs 30 µs in pika and 4 µs here; events are small and many. Whatever is no whole, small
delivery on the channel asked for goes to pika as ever, frame by frame.

A wake-up for each message costs more than the message. So the socket rests a few milliseconds after a read
that emptied it, and a read takes more than the 4 KB of pika.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

from pika.adapters.asyncio_connection import AsyncioConnection  # type: ignore[import-untyped]
from pika.adapters.utils.io_services_utils import (  # type: ignore[import-untyped]
    _AsyncPlaintextTransport as Plaintext,
)

from lazycelery.sources.readable import readable
from lazycelery.sources.resting import FULL, rest_after

LARGEST = 64 * 1024
"""Bytes of a body that is read here: it is then one frame, and waiting for its end costs little."""
READ = 256 * 1024
"""Bytes of one read while a lane is open."""
_FRAME = struct.Struct(">BHI")
"""Kind, channel, size of what follows; one byte ends it."""
_SIZE = struct.Struct(">Q")
_METHOD, _HEADER, _BODY = 1, 2, 3
_DELIVER = b"\x00\x3c\x00\x3c"


class Lane:
    """Finds the deliveries of one channel. `take` gets each body, and must not wait nor raise."""

    def __init__(self, channel: int, take: Callable[[bytes], None]) -> None:
        self._channel, self._take = channel, take

    def read(self, data: bytes, at: int) -> tuple[int, bool]:
        """Take the deliveries that begin here; returns where it stopped, and whether the rest of one is
        still to come."""
        while self._is_delivery(data, at):
            stop = self._end(data, at)
            if stop is None:
                return at, False
            if stop > len(data):
                return at, True
            at = stop
        return at, False

    def _is_delivery(self, data: bytes, at: int) -> bool:
        if len(data) - at < 11:
            return False
        kind, channel, _ = _FRAME.unpack_from(data, at)
        return kind == _METHOD and channel == self._channel and data[at + 7 : at + 11] == _DELIVER

    def _end(self, data: bytes, at: int) -> int | None:
        """Take the delivery at an offset and tell where it ends; beyond the data when some of it is
        missing, `None` when it is one for pika."""
        missing = len(data) + 1
        header = at + 8 + int(_FRAME.unpack_from(data, at)[2])
        if len(data) - header < 19:
            return missing
        kind, channel, size = _FRAME.unpack_from(data, header)
        length = int(_SIZE.unpack_from(data, header + 11)[0])
        if kind != _HEADER or channel != self._channel or not 0 < length <= LARGEST:
            return None
        body = header + 8 + int(size)
        if len(data) - body < 8 + length:
            return missing
        kind, channel, size = _FRAME.unpack_from(data, body)
        if kind != _BODY or channel != self._channel or size != length:
            return None
        self._take(data[body + 7 : body + 7 + length])
        return body + 8 + length


class ExpressConnection(AsyncioConnection):  # type: ignore[misc]
    """A connection of pika with, perhaps, one fast lane."""

    lane: Lane | None = None
    _frame_buffer: bytes
    _resting = False
    _full = False
    """The last read was large."""

    @property
    def full(self) -> bool:
        """The last read was large, and more is there already."""
        # A steady stream fills a read of any size in the end: how much came in it tells nothing.
        return self._full and self._transport is not None and readable(self._transport._sock.fileno())

    def open_lane(self, lane: Lane) -> None:
        """Deliveries go its way from here on."""
        self.lane = lane
        if self._transport is not None:
            self._transport._MAX_RECV_BYTES = READ

    def _on_data_available(self, data_in: bytes) -> None:
        if self.lane is None:
            super()._on_data_available(data_in)
            return
        self._full = len(data_in) >= FULL
        data, at = self._frame_buffer + data_in, 0
        while at < len(data) and self.lane is not None:
            begun = at
            at, waiting = self.lane.read(data, at)
            self.bytes_received += at - begun  # What the heartbeats look at.
            end = _end_of_frame(data, at)
            if waiting or end is None:
                break
            self._frame_buffer = data[at:end]
            super()._on_data_available(b"")
            at = end
        self._frame_buffer = data[at:]
        if not self._full:
            self._rest(rest_after(len(data_in)))

    def _rest(self, seconds: float) -> None:
        """Read nothing for a moment. Not under TLS: there pika and the socket agree on who reads when."""
        transport = self._transport
        if self.lane is None or self._resting or not isinstance(transport, Plaintext):
            return
        file = transport._sock.fileno()
        if file >= 0 and transport._nbio.remove_reader(file):
            self._resting = True
            asyncio.get_running_loop().call_later(seconds, self._wake, transport)

    def _wake(self, transport: Plaintext) -> None:
        self._resting = False
        if transport is self._transport and transport._state == transport._STATE_ACTIVE:
            transport._nbio.set_reader(transport._sock.fileno(), transport._on_socket_readable)


def _end_of_frame(data: bytes, at: int) -> int | None:
    if len(data) - at < 8:
        return None
    end = at + 8 + int(_FRAME.unpack_from(data, at)[2])
    return end if end <= len(data) else None
