"""Celery's remote control over AMQP: one reply queue for all calls; a ticket tells whose reply it is."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from pika import exceptions as amqp  # type: ignore[import-untyped]

from lazycelery.sources import replies
from lazycelery.sources.amqp import problems
from lazycelery.sources.amqp.channel import Channel
from lazycelery.sources.amqp.connection import Server
from lazycelery.sources.amqp.exchanges import ensure_transient, exists
from lazycelery.sources.amqp.properties import Properties, read_properties, write_properties
from lazycelery.sources.amqp.roster import Roster
from lazycelery.sources.amqp.tables import Malformed
from lazycelery.sources.jsontext import Unreadable
from lazycelery.sources.protocols.mailbox import Replies, Reply
from lazycelery.sources.worker_replies import is_worker

GRACE = 0.15
"""Seconds that we wait for workers we do not know, after all whom we know have answered."""
EXPIRES, TTL = 60_000, 60_000
"""Milliseconds; the queue is exclusive, and goes with our connection anyway."""
MAX_LENGTH = 20_000


class AmqpMailbox:
    """The `Mailbox` of RabbitMQ."""

    def __init__(self, server: Server, roster: Roster, namespace: str) -> None:
        self._server, self._roster = server, roster
        self._pidbox = f"{namespace}.pidbox"
        self._replies = f"reply.{namespace}.pidbox"
        self._calls: dict[str, _Call] = {}
        self._channel: Channel | None = None
        self._oid = ""
        self._opening = asyncio.Lock()

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
            names = await self._roster.names(destination or ())
            channel = await self._ready()
            call = _Call(names, self._roster.certain, destination, expect)
            call.listeners = list(names) if self._roster.complete else None
            if channel is None:
                return call.result()
            ticket = str(uuid.uuid4())
            self._calls[ticket] = call
            try:
                self._publish(channel, method, arguments, destination, ticket, timeout)
                call.check()
                await self._wait(call, channel, timeout)
            finally:
                del self._calls[ticket]
        return call.result()

    async def _wait(self, call: _Call, channel: Channel, timeout: float) -> None:
        answered: asyncio.Future[Any] = asyncio.ensure_future(call.done.wait())
        try:
            either: list[asyncio.Future[Any]] = [answered, channel.closed]
            await asyncio.wait(either, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            answered.cancel()
        if call.done.is_set():
            return
        if channel.closed.done() and not self._unbound(channel):
            raise channel.closed.result()
        if (blocked := self._server.blocked) is not None:
            # An alarm is told to us only when we publish. Workers cannot answer then: this proves nothing.
            raise problems.blocked(blocked, self._server.address)

    async def cast(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        destination: Sequence[str] | None = None,
    ) -> int | None:
        """Send a command that is not answered; how many received it is known with the management API."""
        with self._server.explained():
            names = await self._roster.names()
            if (channel := await self._ready()) is not None:
                self._publish(channel, method, arguments, destination, None, 0)
        return len(names) if self._roster.certain else None

    async def workers(self) -> list[str]:
        """Names of the mailboxes that exist."""
        with self._server.explained():
            return await self._roster.names()

    async def close(self) -> None:
        """Give the reply queue back. Calls that still wait end as they are."""
        for call in self._calls.values():
            call.done.set()
        if self._channel is not None:
            self._channel.close()

    # -- sending

    async def _ready(self) -> Channel | None:
        """The channel on which replies come in; `None` where no worker has ever been: there is no control
        exchange, and that of the replies, which we would declare and leave behind, is of no use."""
        async with self._opening:
            if self._channel is None or not self._channel.open:
                if not await exists(self._server, "control", self._pidbox):
                    return None
                self._channel = await self._open()
        blocked = self._server.blocked
        if blocked is not None:
            raise problems.blocked(blocked, self._server.address)
        return self._channel

    async def _open(self) -> Channel:
        await ensure_transient(self._server, "control", self._replies, "direct")
        channel = await self._server.channel("control")
        self._oid = str(uuid.uuid4())
        queue = f"{self._oid}.{self._replies}"
        arguments = {"x-expires": EXPIRES, "x-message-ttl": TTL, "x-max-length": MAX_LENGTH}
        await channel.declare_queue(queue, arguments)
        await channel.bind(queue, self._replies, self._oid)
        await channel.consume(queue, self._take)
        return channel

    def _publish(
        self,
        channel: Channel,
        method: str,
        arguments: Mapping[str, Any] | None,
        destination: Sequence[str] | None,
        ticket: str | None,
        timeout: float,
    ) -> None:
        reply = (ticket, self._replies, self._oid) if ticket is not None else None
        body = replies.command(method, arguments, destination, reply)
        properties = {
            "content_type": "application/json",
            "content_encoding": "utf-8",
            "headers": {"clock": 1, "expires": time.time() + timeout if timeout else 0},
            "delivery_mode": 1,
        }
        raw = write_properties(properties)
        channel.send(self._pidbox, "", json.dumps(body).encode(), Properties.of(raw))

    def _unbound(self, channel: Channel) -> bool:
        """Whether there is no control exchange: then no worker was ever here."""
        reason = channel.reason
        return isinstance(reason, amqp.ChannelClosedByBroker) and reason.reply_code == 404

    # -- receiving

    def _take(self, body: bytes, properties: Properties) -> None:
        try:
            told = read_properties(properties.raw)
        except Malformed:
            return
        try:
            value = replies.read_reply(body, told.get("content_type"))
        except Unreadable as why:
            value = replies.unread(body, why)
        if not isinstance(value, dict):
            return
        for worker in value:
            self._roster.learn(str(worker))
        call = self._calls.get(str(told.get("headers", {}).get("ticket")))
        if call is not None:
            call.take(value)


class _Call:
    """One command, and who answered it."""

    def __init__(
        self, names: list[str], certain: bool, destination: Sequence[str] | None, expect: int | None
    ) -> None:
        self.certain = certain or destination is not None
        wanted = names if destination is None else list(set(names).intersection(destination))
        if destination is not None and not certain:
            wanted = list(destination)
        self.workers = {name for name in wanted if is_worker(name)}
        self.expect = expect
        self.listeners: list[str] | None = None
        self.replies: dict[str, Reply] = {}
        self._answered = 0
        self._missing = set(self.workers)
        """Workers that are known and have not answered."""
        self.sent = time.monotonic()
        self.done = asyncio.Event()
        self._grace: asyncio.TimerHandle | None = None

    def take(self, value: dict[Any, Any]) -> None:
        elapsed = time.monotonic() - self.sent
        for worker, said in ((str(worker), said) for worker, said in value.items()):
            self._answered += worker not in self.replies and is_worker(worker)
            self._missing.discard(worker)
            self.replies[worker] = Reply(worker, said, elapsed)
        self.check()

    def check(self) -> None:
        if not self._complete():
            return
        if self.certain or self.expect is not None:
            self.done.set()
        elif self.workers:
            # There may be workers that we do not know; each answer gives the next one a little time.
            if self._grace is not None:
                self._grace.cancel()
            self._grace = asyncio.get_running_loop().call_later(GRACE, self.done.set)

    def _complete(self) -> bool:
        return not self._missing if self.expect is None else self._answered >= self.expect

    def result(self) -> Replies:
        known = self.certain or bool(self.workers)
        expected = self.expect if self.expect is not None else len(self.workers) if known else None
        complete = expected is not None and self._complete()
        return Replies(expected, list(self.replies.values()), complete=complete, listeners=self.listeners)
