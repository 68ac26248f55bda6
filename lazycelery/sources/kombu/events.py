"""Celery events through Kombu: a queue of our own, read in a thread."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import Any

from lazycelery.errors import LazyCeleryError
from lazycelery.model.event import Event
from lazycelery.sources.event_wire import decode_event_bodies
from lazycelery.sources.kombu import ours
from lazycelery.sources.kombu.lane import Channel, Lane
from lazycelery.sources.protocols.events import Deliver, EventBatch
from lazycelery.sources.protocols.status import StatusChange, TellStatus

FIRST_DELAY, LAST_DELAY = 0.5, 15.0
"""Seconds between tries to connect again."""
MOST = 5000
"""Events that wait for the loop; beyond it the thread waits."""


class KombuEvents:
    """The `EventStream` of transports with a fanout."""

    def __init__(self, lane: Lane, exchange: str) -> None:
        self._lane, self._exchange = lane, exchange
        self._queue = ""

    async def run(self, deliver: Deliver, status: TellStatus) -> None:
        """Read until cancelled, and subscribe again, with back-off, when the connection breaks."""
        failures = 0
        while True:
            gathered = _Gathered(self._lane, deliver)
            try:
                lost = await self._lane.listen(self._open, gathered.take)
                status(StatusChange("connected"))
                failures = 0
                await lost
            except LazyCeleryError as problem:
                delay = min(LAST_DELAY, FIRST_DELAY * 2 ** min(failures, 10)) * random.uniform(0.8, 1.2)
                failures += 1
                status(StatusChange("lost", problem.title, problem.hint, next_try=time.time() + delay))
                await asyncio.sleep(delay)

    async def close(self) -> None:
        """Remove our queue."""
        await self._lane.close(lambda channel: ours.remove(channel, self._queue) if self._queue else None)

    def _open(self, channel: Channel) -> str:
        """Declare and bind our queue; in the lane's thread."""
        transport = self._lane.address.transport
        if transport.scheme == "filesystem":
            channel.exchange_declare(self._exchange, type="topic", durable=True)
            ours.sweep_files(channel, self._exchange)
        kind = "fanout" if transport.fanout_events else "topic"
        channel.exchange_declare(self._exchange, type=kind, durable=True)
        self._queue = f"{self._exchange}.{ours.own_name()}"
        channel.queue_declare(self._queue, auto_delete=True)
        channel.queue_bind(self._queue, self._exchange, "#")
        return self._queue


class _Gathered:
    """Events that the thread heard since the loop last looked, delivered together."""

    def __init__(self, lane: Lane, deliver: Deliver) -> None:
        self._lane, self._deliver = lane, deliver
        self._lock = threading.Lock()
        self._events: list[Event] = []
        self._malformed = 0
        self._room = threading.Event()
        self._room.set()

    def take(self, message: Any) -> None:
        body = message.body
        found: list[Event] = []
        malformed = decode_event_bodies(
            [body if isinstance(body, bytes) else str(body).encode()], time.time(), found
        )
        with self._lock:
            fresh = not self._events and not self._malformed
            self._events += found
            self._malformed += malformed
            full = len(self._events) >= MOST
            if full:
                self._room.clear()
        if fresh:
            self._lane.soon(self._flush)
        if full:
            self._room.wait(5.0)

    def _flush(self) -> None:
        with self._lock:
            batch = EventBatch(self._events, self._malformed, more=not self._room.is_set())
            self._events, self._malformed = [], 0
            self._room.set()
        if batch.events or batch.malformed:
            self._deliver(batch)
