"""Connections to a RabbitMQ cluster: to the first node that lets us in, opened when they are needed."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pika  # type: ignore[import-untyped]

from lazycelery.errors import ConnectionProblem, LazyCeleryError
from lazycelery.sources.amqp import problems
from lazycelery.sources.amqp.address import Address, Node
from lazycelery.sources.amqp.channel import Channel
from lazycelery.sources.amqp.express import ExpressConnection, Lane
from lazycelery.sources.tls import tls_context

HEARTBEAT = 10
"""Seconds; a link that was silent for twice as long is dead."""
RESPITE = 0.5
"""Seconds for which a failed try to connect answers for the next ones too: calls come in groups."""

# pika logs each failed try as an error with all its details; people are told by `problems`.
logging.getLogger("pika").setLevel(logging.CRITICAL + 1)


class Session:
    """One open connection, and the channels on it."""

    def __init__(self, raw: Any, count: Callable[[], None], timeout: float) -> None:
        self._raw, self._count, self._timeout = raw, count, timeout
        self.blocked: str | None = None
        """Why RabbitMQ reads nothing from us now."""
        self.closed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        raw.add_on_connection_blocked_callback(self._on_blocked)
        raw.add_on_connection_unblocked_callback(self._on_unblocked)

    @property
    def open(self) -> bool:
        """Whether it can be used."""
        return bool(self._raw.is_open)

    @property
    def full(self) -> bool:
        """Whether the last read of a fast lane left more to be read."""
        return bool(self._raw.full)

    @property
    def version(self) -> tuple[int, ...]:
        """RabbitMQ's version, empty when it does not tell one."""
        text = str((self._raw.server_properties or {}).get("version", ""))
        return tuple(int(part) for part in text.split(".")[:3] if part.isdecimal())

    async def channel(self) -> Channel:
        """A new channel."""
        opened: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def note(made: Any) -> None:
            if not opened.done():
                opened.set_result(made)

        self._count()
        channel = Channel(self._raw.channel(on_open_callback=note), self._count, self._timeout)
        either: list[asyncio.Future[Any]] = [opened, channel.closed]
        await asyncio.wait(either, timeout=self._timeout, return_when=asyncio.FIRST_COMPLETED)
        if channel.closed.done():
            raise channel.closed.result()
        if not opened.done():
            opened.cancel()
            raise asyncio.TimeoutError
        return channel

    def open_lane(self, channel: Channel, take: Callable[[bytes], None]) -> None:
        """Have the small deliveries of a channel read the fast way, for as long as it is open."""
        lane = Lane(channel.number, take)
        self._raw.open_lane(lane)

        def shut(closed: object) -> None:
            if self._raw.lane is lane:
                self._raw.lane = None

        channel.closed.add_done_callback(shut)

    async def close(self) -> None:
        """Close it; what is exclusively ours goes with it."""
        if self._raw.is_open:
            self._raw.close()
        if not self._raw.is_closed:
            await asyncio.wait([self.closed], timeout=1.0)
        if not self._raw.is_closed:
            self._raw._adapter_disconnect_stream()  # A blocked RabbitMQ does not hear a goodbye.

    def ended(self, raw: Any, reason: BaseException) -> None:
        """Called by pika."""
        if not self.closed.done():
            self.closed.set_result(reason)

    def _on_blocked(self, raw: Any, frame: Any) -> None:
        self.blocked = problems.quoted(str(frame.method.reason)) or "an alarm"

    def _on_unblocked(self, raw: Any, frame: Any) -> None:
        self.blocked = None


class Server:
    """A RabbitMQ cluster. Sessions are kept by their purpose: what one waits for must not hold another."""

    def __init__(self, address: Address, timeout: float = 2.0) -> None:
        self.address, self.timeout = address, timeout
        self.commands = 0
        """AMQP methods sent over all connections, and requests to the management API."""
        self.opened_at = 0.0
        """When a node let us in last, by the monotonic clock."""
        self._sessions: dict[str, Session] = {}
        self._opening: dict[str, asyncio.Lock] = {}
        self._failed: tuple[float, LazyCeleryError] | None = None
        self._last: Node | None = None
        self._tls: ssl.SSLContext | None = None
        self._closed = False

    @property
    def node(self) -> Node:
        """The node we are connected to, or the first one named."""
        return self._last or self.address.nodes[0]

    @property
    def blocked(self) -> str | None:
        """Why RabbitMQ takes no messages from us now, or `None`."""
        return next((each.blocked for each in self._sessions.values() if each.open and each.blocked), None)

    def count(self, commands: int = 1) -> None:
        """Note commands sent."""
        self.commands += commands

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turns failures of pika and sockets into `LazyCeleryError`s."""
        try:
            yield
        except problems.FAILURES as error:
            raise problems.explain(error, self.address) from None

    async def session(self, purpose: str) -> Session:
        """The open session of a purpose; opens one when there is none. Raises `LazyCeleryError`."""
        async with self._opening.setdefault(purpose, asyncio.Lock()):
            session = self._sessions.get(purpose)
            if session is None or not session.open:
                self._refuse_closed()
                self._sessions[purpose] = session = await self._open(purpose)
                if self._closed:
                    await session.close()
                    self._refuse_closed()
        return session

    async def channel(self, purpose: str) -> Channel:
        """A new channel on the session of a purpose."""
        return await (await self.session(purpose)).channel()

    async def hang_up(self, purpose: str) -> None:
        """Close the session of a purpose, if there is one."""
        session = self._sessions.pop(purpose, None)
        if session is not None:
            await session.close()

    def tls_context(self) -> ssl.SSLContext | None:
        """Certificates as the address wants them checked. Raises `UsageError` for unreadable files."""
        if self._tls is None and self.address.tls is not None:
            self._tls = tls_context(self.address.tls)
        return self._tls

    async def close(self) -> None:
        """Close every connection."""
        self._closed = True
        await asyncio.gather(*(session.close() for session in self._sessions.values()))
        self._sessions.clear()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ConnectionProblem("The connection to the broker was closed.")

    # -- opening

    async def _open(self, purpose: str) -> Session:
        if self._failed is not None and time.monotonic() - self._failed[0] < RESPITE:
            raise self._failed[1]
        failure: BaseException = OSError("no node")
        nodes = sorted(self.address.nodes, key=lambda node: node != self._last)
        for node in nodes:
            try:
                session = await self._connect(node, purpose)
            except problems.FAILURES as error:
                failure = error
            else:
                self._last, self._failed = node, None
                self.opened_at = time.monotonic()
                return session
        from lazycelery.sources.amqp.diagnosis import look_closer

        problem = await look_closer(problems.root_of(failure), self)
        self._failed = (time.monotonic(), problem)
        raise problem

    async def _connect(self, node: Node, purpose: str) -> Session:
        done: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        sessions: list[Session] = []

        def opened(raw: Any) -> None:
            if done.done():  # Nobody waits for it any more.
                raw.close()
                return
            sessions.append(Session(raw, self.count, max(self.timeout, 5.0)))
            done.set_result(sessions[0])

        def failed(raw: Any, error: BaseException) -> None:
            if not done.done():
                done.set_exception(error)

        def closed(raw: Any, reason: BaseException) -> None:
            for session in sessions:
                session.ended(raw, reason)

        self.count(3)
        ExpressConnection(
            self._parameters(node, purpose),
            on_open_callback=opened,
            on_open_error_callback=failed,
            on_close_callback=closed,
            custom_ioloop=asyncio.get_running_loop(),
        )
        return await done

    def _parameters(self, node: Node, purpose: str) -> Any:
        context = self.tls_context()
        return pika.ConnectionParameters(
            host=node.host,
            port=node.port,
            virtual_host=self.address.vhost,
            credentials=pika.PlainCredentials(self.address.username, self.address.password),
            ssl_options=pika.SSLOptions(context, node.host) if context else None,
            connection_attempts=1,
            heartbeat=HEARTBEAT,
            socket_timeout=self.timeout,
            stack_timeout=self.timeout + 1.0,
            client_properties={
                "connection_name": f"lazycelery {purpose} {os.getpid()}@{socket.gethostname()}"
            },
        )
