"""Pattern subscriptions on a socket of their own, read at low cost and held across failures.

A message on a socket costs a wake-up, and wake-ups dominate: many small publishers at 20,000 messages
a second take 14 µs each that way and 2.5 µs when the reader rests a few milliseconds after each read.
So reading is paused after each chunk, unless the chunk filled the buffer.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
from redis.exceptions import ResponseError

from lazycelery.errors import ConnectionProblem, LazyCeleryError
from lazycelery.model.cluster import Link
from lazycelery.sources.protocols.status import StatusChange, TellStatus
from lazycelery.sources.readable import readable
from lazycelery.sources.redis import problems
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.resting import FULL, rest_after

READ = 512 * 1024
"""Bytes of one read at most: some 900 events, which the loop decodes and takes in within 4 ms."""
HEALTH_INTERVAL = 5.0
"""Seconds of silence after which we ask for a sign of life; as many again, and the link is dead."""
MAX_PENDING = 64 * 1024 * 1024
"""Bytes of one unfinished message before we hang up."""
FIRST_DELAY, LAST_DELAY = 0.2, 5.0

Take = Callable[[list[tuple[bytes, bytes]], float, bool], None]
"""(channel, payload) pairs that were read together, our clock, and whether the socket was not found empty.
Must not wait."""


class Subscription:
    """Reads what is published on `patterns` until cancelled, through any number of connections."""

    def __init__(
        self, server: Server, patterns: Callable[[], Sequence[str]], health_interval: float = HEALTH_INTERVAL
    ) -> None:
        self._server = server
        self._patterns = patterns
        self._health_interval = health_interval

    async def run(self, take: Take, status: TellStatus) -> None:
        """Read until cancelled; `status` tells each change of the link."""
        status(StatusChange("connecting"))
        failures = 0
        while True:
            try:
                feed = await self._subscribe(take)
                status(StatusChange("connected"))
                failures = 0
                raise await feed.ended(self._health_interval)
            except (LazyCeleryError, *problems.FAILURES) as error:
                delay = _delay(failures)
                failures += 1
                status(await self._broken(error, delay))
                await asyncio.sleep(delay)

    async def _subscribe(self, take: Take) -> _Feed:
        transport, feed = await self._server.open(lambda: _Feed(take))
        try:
            await asyncio.wait_for(self._greet(feed), self._server.timeout)
        except BaseException:
            transport.abort()
            raise
        return feed

    async def _greet(self, feed: _Feed) -> None:
        address, patterns = self._server.address, list(self._patterns())
        self._server.count(2)
        if address.password:
            await feed.ask("AUTH", *([address.username] if address.username else []), address.password)
        await feed.ask("PSUBSCRIBE", *patterns, answers=len(patterns))
        feed.live = True

    async def _broken(self, error: BaseException, delay: float) -> StatusChange:
        problem = error
        if not isinstance(error, LazyCeleryError):
            problem = await self._server.diagnose(error)
        assert isinstance(problem, LazyCeleryError)
        state: Link = "refused" if isinstance(error, ResponseError) else "lost"
        return StatusChange(state, problem.title, problem.hint, next_try=time.time() + delay)


def _delay(failures: int) -> float:
    """Exponential, with jitter so that many monitors do not come back at once."""
    return float(min(LAST_DELAY, FIRST_DELAY * 2 ** min(failures, 10)) * random.uniform(0.8, 1.2))


class _Feed(asyncio.BufferedProtocol):
    """One connection: RESP in, chunks of messages out."""

    def __init__(self, take: Take) -> None:
        self.live = False
        self._take = take
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._buffer = bytearray(READ)
        self._view = memoryview(self._buffer)
        self._pending = 0
        self._behind = False
        """After a large read more was there, once that had been dealt with."""
        self._heard = time.monotonic()
        self._answers: asyncio.Queue[Any] = asyncio.Queue()
        self._transport: Any = None
        self._file = -1
        self._end: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    # -- what the owner calls

    async def ask(self, *command: str, answers: int = 1) -> None:
        """Send a command and wait for its answers. Raises what Redis answers as an error."""
        self._transport.write(_packed(command))
        for _ in range(answers):
            answer = await self._answers.get()
            if isinstance(answer, hiredis.ReplyError):
                raise ResponseError(str(answer))
            if isinstance(answer, BaseException):
                raise answer

    async def ended(self, interval: float) -> BaseException:
        """Wait for the end of the connection: why it ended. Watches over its health meanwhile."""
        try:
            while not self._end.done():
                await asyncio.wait([self._end], timeout=interval)
                self._check_health(interval)
            return self._end.result()
        finally:
            self._transport.abort()

    def _check_health(self, interval: float) -> None:
        silent = time.monotonic() - self._heard
        if silent > 2 * interval + 0.5:
            self._finish(
                ConnectionProblem("The broker stopped answering.", "Check the network, and the broker's log.")
            )
        elif silent >= interval * 0.9:
            self._transport.write(_packed(("PING",)))

    def _finish(self, error: BaseException) -> None:
        self._answers.put_nowait(error)
        if not self._end.done():
            self._end.set_result(error)

    # -- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._file = transport.get_extra_info("socket").fileno()

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(exc or ConnectionResetError("closed by the broker"))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        received = time.time()
        self._heard = time.monotonic()
        messages = self._read(nbytes)
        if messages:
            self._take(messages, received, nbytes >= FULL and self._behind)
        # A steady stream fills a read of any size in the end: how much came in it tells nothing.
        self._behind = nbytes >= FULL and readable(self._file)
        rest = rest_after(nbytes)
        if self.live and rest and not self._transport.is_closing():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(rest, self._resume)

    def _resume(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def _read(self, nbytes: int) -> list[tuple[bytes, bytes]]:
        reader, messages = self._reader, []
        try:
            reader.feed(self._buffer, 0, nbytes)  # type: ignore[arg-type]
            while (item := reader.gets()) is not _NOTHING:
                self._pending = 0
                if type(item) is list and len(item) == 4 and item[0] == b"pmessage":
                    messages.append((item[2], item[3]))
                elif not self.live:
                    self._answers.put_nowait(item)
        except hiredis.ProtocolError as error:
            self._finish(error if self.live else ConnectionResetError("not RESP"))
            self._transport.abort()
        self._pending += nbytes
        if self._pending > MAX_PENDING:
            self._finish(ConnectionProblem("The broker sent a message larger than 64 MB.", "It is skipped."))
            self._transport.abort()
        return messages


_NOTHING = object()


def _packed(command: Sequence[str]) -> bytes:
    parts = [part.encode() for part in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def glob_escaped(text: str) -> str:
    """Text that a Redis pattern matches literally."""
    return "".join("\\" + char if char in "*?[]\\^-" else char for char in text)
