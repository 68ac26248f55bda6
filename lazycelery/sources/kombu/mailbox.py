"""Celery's remote control through Kombu: one reply queue for all calls; a ticket tells whose reply it is."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from lazycelery.sources import replies
from lazycelery.sources.jsontext import Unreadable
from lazycelery.sources.kombu import ours
from lazycelery.sources.kombu.lane import Channel, Lane
from lazycelery.sources.protocols.mailbox import Replies, Reply
from lazycelery.sources.worker_replies import is_worker
from lazycelery.waiting import came

PATIENCE = 1.5
"""Seconds after which a silent worker counts as silent; workers look for commands once a second."""


class KombuMailbox:
    """The `Mailbox` of transports with a fanout.

    Bindings name the mailboxes, and those of killed workers stay: who was silent is not waited for again
    before it answers.
    """

    def __init__(self, lane: Lane, namespace: str) -> None:
        self._lane = lane
        self._pidbox = f"{namespace}.pidbox"
        self._replies = f"reply.{namespace}.pidbox"
        self._oid = ""
        self._queue = ""
        self._calls: dict[str, _Call] = {}
        self._mute: set[str] = set()
        self._heard: asyncio.Future[None] | None = None
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
        """Send a command and gather its replies."""
        await self._ready()
        names = {name for name in await self.workers() if is_worker(name)}
        wanted = names - self._mute if destination is None else set(destination)
        call = _Call(wanted, expect)
        ticket = str(uuid.uuid4())
        self._calls[ticket] = call
        try:
            await self._publish(method, arguments, destination, ticket, timeout)
            await came(call.done, timeout)
        finally:
            del self._calls[ticket]
        if not call.complete() and timeout >= PATIENCE:
            self._mute |= wanted - set(call.replies)
        return Replies(expect, list(call.replies.values()), complete=call.complete())

    async def cast(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        destination: Sequence[str] | None = None,
    ) -> int | None:
        """Send a command that is not answered; nobody tells how many received it."""
        await self._publish(method, arguments, destination, None, 0)
        return None

    async def workers(self) -> list[str]:
        """Names of the mailboxes that are bound; those of killed workers stay."""
        queues = await self._lane.do(self._bound)
        suffix = f".{self._pidbox}"
        return sorted({queue.removesuffix(suffix) for queue in queues if queue.endswith(suffix)})

    async def close(self) -> None:
        """Remove our reply queue. Calls that still wait end as they are."""
        for call in self._calls.values():
            call.done.set()
        if self._heard is not None:
            self._heard.cancel()
        await self._lane.close(lambda channel: ours.remove(channel, self._queue) if self._queue else None)

    async def _ready(self) -> None:
        """Read the reply queue, anew when the connection was lost."""
        async with self._opening:
            if self._heard is not None and not self._heard.done():
                return
            if self._heard is not None:
                self._heard.exception()  # The next step says whether it is still so.
            self._heard = await self._lane.listen(self._open, self._take)

    async def _publish(
        self,
        method: str,
        arguments: Mapping[str, Any] | None,
        destination: Sequence[str] | None,
        ticket: str | None,
        timeout: float,
    ) -> None:
        reply = (ticket, self._replies, self._oid) if ticket is not None else None
        body = json.dumps(replies.command(method, arguments, destination, reply))
        headers = {"clock": 1, "expires": time.time() + timeout if timeout else 0}

        def send(channel: Channel) -> None:
            channel.exchange_declare(self._pidbox, type="fanout")
            message = channel.prepare_message(
                body,
                content_type="application/json",
                content_encoding="utf-8",
                headers=headers,
                properties={"delivery_mode": 1},
            )
            channel.basic_publish(message, exchange=self._pidbox, routing_key="")

        await self._lane.do(send)

    # ---- in the lane's thread

    def _open(self, channel: Channel) -> str:
        channel.exchange_declare(self._replies, type="direct")
        if self._lane.address.transport.scheme == "filesystem":
            ours.sweep_files(channel, self._replies)
        self._oid = ours.own_name()
        self._queue = f"{self._oid}.{self._replies}"
        channel.queue_declare(self._queue, auto_delete=True)
        channel.queue_bind(self._queue, self._replies, self._oid)
        return self._queue

    def _bound(self, channel: Channel) -> list[str]:
        channel.exchange_declare(self._pidbox, type="fanout")
        return [str(queue) for _, _, queue in channel.get_table(self._pidbox)]

    def _take(self, message: Any) -> None:
        data = message.body if isinstance(message.body, bytes) else str(message.body).encode()
        try:
            value = replies.read_reply(data, message.content_type)
        except Unreadable as why:
            value = replies.unread(data, why)
        if isinstance(value, dict):
            ticket = str((message.headers or {}).get("ticket"))
            self._lane.soon(lambda: self._heard_from(ticket, value))

    def _heard_from(self, ticket: str, value: dict[str, Any]) -> None:
        """In the loop again."""
        self._mute -= {str(worker) for worker in value}
        call = self._calls.get(ticket)
        if call is not None:
            call.take(value)


class _Call:
    """One command, and who answered it."""

    def __init__(self, wanted: set[str], expect: int | None) -> None:
        self.wanted, self.expect = wanted, expect
        self.replies: dict[str, Reply] = {}
        self._answered, self._missing = 0, set(wanted)
        self.sent = time.monotonic()
        self.done = asyncio.Event()

    def take(self, value: dict[str, Any]) -> None:
        elapsed = time.monotonic() - self.sent
        for worker, said in ((str(worker), said) for worker, said in value.items()):
            self._answered += worker not in self.replies and is_worker(worker)
            self._missing.discard(worker)
            self.replies[worker] = Reply(worker, said, elapsed)
        if self.complete():
            self.done.set()

    def complete(self) -> bool:
        """Whether everybody who is waited for has answered."""
        if self.expect is not None:
            return self._answered >= self.expect
        return bool(self.wanted) and not self._missing
