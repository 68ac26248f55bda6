"""Celery events from Redis: one pattern subscription of our own."""

from __future__ import annotations

import time

from lazycelery.model.event import Event
from lazycelery.sources.event_wire import decode_events
from lazycelery.sources.protocols.events import Deliver, EventBatch
from lazycelery.sources.protocols.status import TellStatus
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.layout import Layout
from lazycelery.sources.redis.subscription import HEALTH_INTERVAL, Subscription, glob_escaped


class RedisEvents:
    """The `EventStream` of Redis. Each turn delivers what was read together."""

    def __init__(self, server: Server, layout: Layout, health_interval: float = HEALTH_INTERVAL) -> None:
        def patterns() -> list[str]:
            return [glob_escaped(layout.event_channel) + "/*"]

        self._subscription = Subscription(server, patterns, health_interval)

    async def run(self, deliver: Deliver, status: TellStatus) -> None:
        """Read until cancelled."""

        def take(messages: list[tuple[bytes, bytes]], received: float, more: bool) -> None:
            began = time.monotonic()
            events: list[Event] = []
            malformed = decode_events([payload for _, payload in messages], received, events)
            deliver(EventBatch(events, malformed, began, more))

        await self._subscription.run(take, status)
