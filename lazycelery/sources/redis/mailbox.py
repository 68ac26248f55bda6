"""Celery's remote control over Redis: publish a command, gather the replies of all who received it."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from lazycelery.sources import replies
from lazycelery.sources.jsontext import Unreadable
from lazycelery.sources.protocols.mailbox import Replies, Reply
from lazycelery.sources.redis import problems
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.layout import Layout
from lazycelery.sources.redis.scanning import members
from lazycelery.sources.wire import read_envelope, write_envelope
from lazycelery.sources.worker_replies import is_worker
from lazycelery.waiting import Breath, came, unhurried

IDLE = 30.0
"""Seconds after which an unused reply queue is given back."""
EXPIRE = 60
"""Seconds a forgotten reply may stay on the broker, should we die."""
FRESH = 0.25
"""Seconds for which the list of mailboxes is good enough: calls made together share it."""
GATHER = 0.004
"""Seconds in which the other replies of a round arrive, to be fetched with the first."""
STRAGGLE = 0.25
"""Seconds in which a worker that saw our binding just before it went sends its reply."""
ROUNDS = 8
"""How often a reply queue that stragglers make anew is deleted at most."""
PAGE, MOST_A_PAGE = 100, 1000
"""Replies fetched in one round trip, and as many at most where thousands wait."""
OVERTIME = 4
"""Times its timeout that a call takes at most while answers wait to be read, or many still come."""
MANY, LULL = 500, 0.25
"""Receivers whose answers take the broker seconds, and the pause after which no more of them are awaited."""
PAGE_BYTES = 2 * 1024 * 1024
"""Bytes of such a larger page, by the size of those before it."""


class RedisMailbox:
    """One reply queue for all calls; a ticket tells whose reply it is."""

    def __init__(self, server: Server, layout: Layout) -> None:
        self._server = server
        self._layout = layout
        self._oid = str(uuid.uuid4())
        self._calls: dict[str, _Call] = {}
        self._reader: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._giving_back: asyncio.Task[None] | None = None
        self._open = False
        """Whether our binding is on the broker."""
        self._bound_at = 0.0
        self._owed_until = 0.0
        """Until when workers may answer calls that ended before their replies came."""
        self._known: list[str] = []
        self._named_at: float | None = None
        self._naming = asyncio.Lock()
        self._page = PAGE
        self._arrived = 0.0
        """When an answer was read last, monotonic."""
        self._unread = False
        """Answers are there, or fetched, that nobody has taken yet."""
        self._opening = asyncio.Lock()
        self._closed = False

    async def call(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        destination: Sequence[str] | None = None,
        expect: int | None = None,
        timeout: float = 2.0,
    ) -> Replies:
        """Send a command and gather its replies; a beat's reply is kept, and not waited for."""
        with self._server.explained():
            names = await self._ready()
            call = _Call(names, destination, expect, timeout)
            ticket = str(uuid.uuid4())
            self._calls[ticket] = call
            try:
                call.receivers = await self._publish(method, arguments, destination, ticket, timeout)
                self._read()
                call.check()
                await self._wait(call, timeout)
                if call.failure is not None:
                    raise call.failure
            finally:
                del self._calls[ticket]
                if not call.done.is_set():
                    self._owed_until = max(self._owed_until, call.expires)
                self._rest()
        return call.result()

    async def _wait(self, call: _Call, timeout: float) -> None:
        """Until all have answered, or the time is over; longer while answers lie there unread, or those of
        thousands still come: it is we and the broker who are late, not the workers."""
        ends = time.monotonic() + OVERTIME * timeout
        over = await came(call.done, timeout)
        while not over and (now := time.monotonic()) < ends:
            if not self._unread and ((call.receivers or 0) < MANY or now - self._arrived > LULL):
                break
            over = await came(call.done, 10 * GATHER)

    async def cast(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        destination: Sequence[str] | None = None,
    ) -> int | None:
        """Send a command that is not answered; returns how many mailboxes received it."""
        with self._server.explained():
            return await self._publish(method, arguments, destination, None, 0)

    async def workers(self) -> list[str]:
        """Names of the mailboxes that bindings name; those of killed workers stay for long."""
        with self._server.explained():
            return await self._names()

    async def close(self) -> None:
        """Give the reply queue back. Calls that still wait end as they are."""
        self._closed = True
        if self._idle is not None:
            self._idle.cancel()
        for call in self._calls.values():
            self._owed_until = max(self._owed_until, call.expires)
            call.done.set()
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader
        if self._giving_back is not None:
            await self._giving_back
        await self._give_back()

    # -- sending

    async def _publish(
        self,
        method: str,
        arguments: Mapping[str, Any] | None,
        destination: Sequence[str] | None,
        ticket: str | None,
        timeout: float,
    ) -> int:
        reply = (ticket, f"reply.{self._layout.pidbox}", self._oid) if ticket is not None else None
        message = write_envelope(
            replies.command(method, arguments, destination, reply),
            exchange=self._layout.pidbox,
            routing_key="",
            headers={"clock": 1, "expires": time.time() + timeout if timeout else 0},
            properties={},
        )
        return int(await self._server.redis.publish(self._layout.control_channel, message))

    async def _names(self) -> list[str]:
        async with self._naming:
            if self._named_at is None or time.monotonic() - self._named_at > FRESH:
                tail = f".{self._layout.pidbox}"
                found = await members(self._server.redis, self._layout.binding(self._layout.pidbox))
                queues = set(await unhurried(self._layout.bound(member)[2] for member in found))
                self._known = sorted(queue.removesuffix(tail) for queue in queues if queue.endswith(tail))
                self._named_at = time.monotonic()
        return self._known

    # -- the reply queue

    @property
    def _queue(self) -> str:
        return f"{self._oid}.reply.{self._layout.pidbox}"

    @property
    def _binding(self) -> tuple[str, str]:
        sep = self._layout.sep
        return self._layout.binding(f"reply.{self._layout.pidbox}"), f"{self._oid}{sep}{sep}{self._queue}"

    async def _ready(self) -> list[str]:
        """Bind the reply queue; returns the mailboxes there are."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        async with self._opening:
            # Bound again now and then: a broker that was restarted has forgotten us.
            if not self._open or time.monotonic() - self._bound_at > FRESH:
                self._open = True
                await self._server.redis.sadd(*self._binding)
                await self._names()
                self._bound_at = time.monotonic()
        return self._known

    def _rest(self) -> None:
        if not self._calls and not self._closed:
            loop = asyncio.get_running_loop()
            self._idle = loop.call_later(IDLE, self._start_giving_back)

    def _start_giving_back(self) -> None:
        self._giving_back = asyncio.ensure_future(self._give_back())

    async def _give_back(self) -> None:
        async with self._opening:
            if not self._open or (self._calls and not self._closed):
                return
            self._open = False
            with suppress(*problems.FAILURES):
                pipe = self._server.redis.pipeline(transaction=False)
                pipe.srem(*self._binding)
                pipe.delete(self._layout.prefix + self._queue)
                await pipe.execute()
                await self._sweep()

    async def _sweep(self) -> None:
        """Delete what stragglers send: a worker reads our binding first, and pushes its reply then."""
        for _ in range(ROUNDS):
            if time.monotonic() > self._owed_until:
                return
            await asyncio.sleep(STRAGGLE)
            if not await self._server.redis.delete(self._layout.prefix + self._queue):
                return

    # -- receiving

    def _read(self) -> None:
        if self._reader is None or self._reader.done():
            self._reader = asyncio.ensure_future(self._read_replies())

    async def _read_replies(self) -> None:
        try:
            while self._calls:
                breath = Breath()
                fetched, more = await self._fetch()
                for raw in fetched:
                    self._take(raw)
                    await breath.take()
                self._unread = more
        except problems.FAILURES as error:
            for call in self._calls.values():
                call.failure = error
                call.done.set()
        finally:
            self._unread = False

    async def _fetch(self) -> tuple[list[bytes], bool]:
        """The next replies, in order, and whether there are more; at most a second of waiting."""
        key = self._layout.prefix + self._queue
        first = await self._server.redis.brpop([key], timeout=1)
        if first is None:
            return [], False
        self._arrived = time.monotonic()
        many, self._unread, page = self._unread, True, self._page
        if not many:
            await asyncio.sleep(GATHER)
        # All that is there in one round trip, and a look at the one behind, which stays; EXPIRE in case we
        # die before the rest is read.
        pipe = self._server.redis.pipeline(transaction=True)
        pipe.lrange(key, -page - 1, -1)
        pipe.ltrim(key, 0, -page - 1)
        pipe.expire(key, EXPIRE)
        found = (await pipe.execute())[0]
        more, size = len(found) > page, sum(map(len, found)) // max(1, len(found))
        self._page = max(PAGE, min(MOST_A_PAGE, PAGE_BYTES // max(1, size))) if more else PAGE
        return [first[1], *reversed(found[-page:])], more

    def _take(self, raw: bytes) -> None:
        try:
            envelope = read_envelope(raw)
            call = self._calls.get(str(envelope.headers.get("ticket")))
        except Unreadable:
            return
        if call is None:
            return
        try:
            data = envelope.body_bytes()
        except Unreadable:
            return
        try:
            call.take(replies.read_reply(data, envelope.content_type))
        except Unreadable as why:
            call.take(replies.unread(data, why))


class _Call:
    """One command, and who answered it."""

    def __init__(
        self, names: list[str], destination: Sequence[str] | None, expect: int | None, timeout: float
    ) -> None:
        wanted = names if destination is None else list(destination)
        self.workers = {name for name in wanted if is_worker(name)}
        self.beats = 0 if destination is not None else len(wanted) - len(self.workers)
        self.destination, self.expect = destination, expect
        self.receivers: int | None = None
        self.replies: dict[str, Reply] = {}
        self._answered = 0
        """Workers among them: of ten thousand, each reply is looked at once."""
        self.sent = time.monotonic()
        self.expires = self.sent + timeout
        """When workers will not carry it out any more."""
        self.done = asyncio.Event()
        self.failure: BaseException | None = None

    def take(self, value: Any) -> None:
        elapsed = time.monotonic() - self.sent
        if isinstance(value, dict):
            for worker, said in value.items():
                self._answered += worker not in self.replies and is_worker(worker)
                self.replies[worker] = Reply(worker, said, elapsed)
        self.check()

    def check(self) -> None:
        if self.receivers is not None and self._answered >= self._expected():
            self.done.set()

    def _expected(self) -> int:
        """Workers that will answer.

        PUBLISH counts beats among the receivers, and they answer `ping` alone; but which of the bindings
        are stale, it does not tell. Only receivers beyond the known workers can be beats.
        """
        receivers = self.receivers or 0
        if receivers == 0 or self.expect is not None:
            return min(self.expect or 0, receivers)
        if self.destination is not None:
            return min(len(self.workers), receivers)
        return receivers - min(self.beats, max(receivers - len(self.workers), 0))

    def result(self) -> Replies:
        expected = self._expected()
        received = self.receivers if self.destination is None else None
        complete = self._answered >= expected
        return Replies(expected, list(self.replies.values()), complete=complete, received=received)
