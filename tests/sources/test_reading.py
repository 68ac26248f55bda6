"""What the reader of events tells of what waits behind a read."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from lazycelery.sources.readable import readable
from lazycelery.sources.redis.subscription import FULL, _Feed


class Transport:
    """Of one end of a pair of sockets."""

    def __init__(self, own: socket.socket) -> None:
        self._own = own
        self.rests = 0

    def get_extra_info(self, name: str) -> Any:
        return self._own

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.rests += 1

    def resume_reading(self) -> None:
        pass


def _message(size: int) -> bytes:
    body = b"x" * size
    return b"*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$1\r\nc\r\n$%d\r\n%b\r\n" % (len(body), body)


async def test_a_large_read_is_no_backlog_while_the_socket_is_found_empty_after_it() -> None:
    behind: list[bool] = []
    own, other = socket.socketpair()
    feed = _Feed(lambda messages, received, more: behind.append(more))
    transport = Transport(own)
    feed.connection_made(transport)  # type: ignore[arg-type]
    feed.live = True

    def read(size: int) -> None:
        data = _message(size)
        feed.get_buffer(-1)[: len(data)] = data
        feed.buffer_updated(len(data))

    for _ in range(3):
        read(FULL)  # As a steady stream of 20,000 events a second fills it.
    assert behind == [False] * 3 and transport.rests == 0
    other.send(b"more")
    assert readable(own.fileno())
    read(FULL)
    read(FULL)
    assert behind[3:] == [False, True]
    read(100)
    assert not behind[-1] and transport.rests == 1
    own.recv(10)
    read(FULL)
    read(FULL)
    assert behind[-2:] == [False, False]
    await asyncio.sleep(0)
    for each in (own, other):
        each.close()
    assert not readable(own.fileno())
