"""One AMQP channel, awaited: each question ends with its answer, a time-out, or why the channel closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from pika import exceptions as amqp  # type: ignore[import-untyped]
from pika import spec

from lazycelery.sources.amqp.properties import Properties

Consume = Callable[[bytes, Properties], None]
"""Body and properties of a delivery. Must not wait."""


class Got(NamedTuple):
    """A message taken with `get`, not yet acknowledged."""

    tag: int
    method: Any
    properties: Properties
    body: bytes


class Depth(NamedTuple):
    """What a passive declaration tells of a queue."""

    messages: int
    consumers: int


@dataclass
class _Sent:
    """A message on its way."""

    routing_key: str
    body: bytes
    future: asyncio.Future[bool]
    returned: bool = False


class Channel:
    """Wraps a channel of pika. Raises pika's `AMQPError`s and `asyncio.TimeoutError`.

    Messages are taken by consumers only: why there is no `basic.get`, `holding` tells."""

    def __init__(self, raw: Any, count: Callable[[], None], timeout: float) -> None:
        self._raw, self._count, self._timeout = raw, count, timeout
        self._pending: set[asyncio.Future[Any]] = set()
        self._unconfirmed: dict[int, _Sent] = {}
        self._published = 0
        self._transacted = False
        self.reason: BaseException | None = None
        """Why it is closed."""
        self.closed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        raw.add_on_close_callback(self._on_close)
        raw.add_on_return_callback(self._on_return)
        raw.add_on_cancel_callback(self._on_cancel)

    @property
    def number(self) -> int:
        """Its number on the connection."""
        return int(self._raw.channel_number)

    @property
    def open(self) -> bool:
        """Whether it can be used."""
        return self.reason is None and bool(self._raw.is_open)

    def close(self) -> None:
        """Give it up; messages it took and did not acknowledge go back to their queues."""
        if self._raw.is_open:
            self._count()
            self._raw.close()

    async def ended(self) -> None:
        """Wait for its end, and raise why."""
        raise await asyncio.shield(self.closed)

    # -- questions

    async def depth(self, queue: str) -> Depth:
        """A passive declaration. Raises when there is no such queue, which closes the channel."""
        answer = await self._ask(self._raw.queue_declare, queue, passive=True)
        return Depth(answer.method.message_count, answer.method.consumer_count)

    async def declare_queue(self, queue: str, arguments: dict[str, Any]) -> None:
        """A queue of our own: it goes with our connection, and with its last consumer."""
        await self._ask(self._raw.queue_declare, queue, exclusive=True, auto_delete=True, arguments=arguments)

    async def has_exchange(self, exchange: str) -> None:
        """Raises when there is no such exchange, which closes the channel."""
        await self._ask(self._raw.exchange_declare, exchange, passive=True)

    async def declare_exchange(self, exchange: str, kind: str) -> None:
        """An exchange that is gone with a restart of the broker."""
        await self._ask(self._raw.exchange_declare, exchange, kind, durable=False)

    async def bind(self, queue: str, exchange: str, routing_key: str) -> None:
        """Bind a queue of ours."""
        await self._ask(self._raw.queue_bind, queue, exchange, routing_key)

    async def consume(self, queue: str, take: Consume) -> None:
        """Have every message of a queue of ours delivered, without acknowledgements."""

        def deliver(channel: Any, method: Any, properties: Any, body: bytes) -> None:
            take(body, properties)

        await self._ask(self._raw.basic_consume, queue, deliver, auto_ack=True, exclusive=True)

    async def consume_held(self, queue: str, most: int, take: Callable[[Got], None]) -> str:
        """Have at most so many messages delivered, to be acknowledged; returns the consumer's name."""

        def deliver(channel: Any, method: Any, properties: Any, body: bytes) -> None:
            take(Got(method.delivery_tag, method, properties, body))

        await self._ask(self._raw.basic_qos, prefetch_count=most)
        answer = await self._ask(self._raw.basic_consume, queue, deliver)
        return str(answer.method.consumer_tag)

    async def cancel(self, consumer: str) -> None:
        """End a consumer; what it was given stays unacknowledged."""
        await self._ask(self._raw.basic_cancel, consumer)

    async def unless_closed(self, waited_for: Awaitable[Any], timeout: float) -> None:
        """Wait for something that deliveries bring. Raises when the channel closes meanwhile."""
        waiting = asyncio.ensure_future(waited_for)
        try:
            either: list[asyncio.Future[Any]] = [waiting, self.closed]
            await asyncio.wait(either, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self.closed.done():
            raise self.closed.result()
        if not waiting.done():
            raise asyncio.TimeoutError

    def ack(self, tag: int, upto: bool = False) -> None:
        """Acknowledge a message, or with `upto` all that were taken before it too."""
        self._count()
        self._raw.basic_ack(tag, multiple=upto)

    def requeue(self, tag: int, upto: bool = False) -> None:
        """Put a message back, or with `upto` all that were taken before it too."""
        self._count()
        self._raw.basic_nack(tag, multiple=upto, requeue=True)

    async def transact(self) -> None:
        """From here on what is sent, acknowledged and put back on this channel counts with `commit`: all of
        it, also should we die meanwhile, or nothing. Not on a channel that confirms."""
        if not self._transacted:
            await self._ask(self._raw.tx_select)
            self._transacted = True

    async def commit(self) -> None:
        """Let it count, where the channel transacts; returns when the queues have what was sent."""
        if self._transacted:
            await self._ask(self._raw.tx_commit)

    async def settled(self) -> None:
        """Wait until the broker has done all that was said on this channel."""
        await self._ask(self._raw.exchange_declare, "amq.direct", passive=True)

    # -- publishing

    async def confirm(self) -> None:
        """Have every message published from here on confirmed."""
        await self._ask(self._raw.confirm_delivery, self._on_confirm)

    def send(
        self, exchange: str, routing_key: str, body: bytes, properties: Any, mandatory: bool = False
    ) -> None:
        """Publish a message that nobody confirms."""
        self._count()
        self._raw.basic_publish(exchange, routing_key, body, properties, mandatory=mandatory)

    def publish(self, exchange: str, routing_key: str, body: bytes, properties: Any) -> asyncio.Future[bool]:
        """Publish a message; the future tells whether a queue took it. Only after `confirm`."""
        future: asyncio.Future[bool] = self._new()
        self._published += 1
        self._unconfirmed[self._published] = _Sent(routing_key, body, future)
        self.send(exchange, routing_key, body, properties, mandatory=True)
        return future

    # -- what the broker says

    def _on_confirm(self, frame: Any) -> None:
        method, good = frame.method, isinstance(frame.method, spec.Basic.Ack)
        tags = [method.delivery_tag]
        if method.multiple:
            tags = [tag for tag in self._unconfirmed if tag <= method.delivery_tag]
        for tag in tags:
            sent = self._unconfirmed.pop(tag, None)
            if sent is not None:
                self._settle(sent.future, good and not sent.returned)

    def _on_return(self, channel: Any, method: Any, properties: Any, body: bytes) -> None:
        # A return names no delivery tag; it comes before the confirmation of its message.
        for sent in self._unconfirmed.values():
            if not sent.returned and sent.routing_key == method.routing_key and sent.body == body:
                sent.returned = True
                return

    def _on_cancel(self, frame: Any) -> None:
        self.close()

    def _on_close(self, channel: Any, reason: BaseException) -> None:
        self.reason = reason
        if not self.closed.done():
            self.closed.set_result(reason)
        for future in [*self._pending]:
            if not future.done():
                future.set_exception(reason)

    # -- waiting

    def _new(self) -> asyncio.Future[Any]:
        if not self.open:
            raise self.reason or amqp.ChannelWrongStateError("the channel is closed")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)
        return future

    def _settle(self, future: asyncio.Future[Any], value: Any) -> None:
        if not future.done():
            future.set_result(value)

    async def _ask(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        future = self._new()
        self._count()
        method(*args, **options, callback=lambda frame: self._settle(future, frame))
        return await self._answer(future)

    async def _answer(self, future: asyncio.Future[Any]) -> Any:
        return await asyncio.wait_for(future, self._timeout)
