"""How much a queue can take before RabbitMQ loses messages of it, or doubles those that come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from lazycelery.model.reports import Limit
from lazycelery.sources.amqp.facts import QueueFacts

SETTLES = 15.0
"""Seconds for the management API to tell of the bytes of what is in a queue: statistics come every five
seconds, those of a new quorum queue later."""
PAUSE = 0.5
NOWHERE = Limit(messages=0)
"""Where tasks do not belong."""


async def bytes_held(
    depth: Callable[[], Awaitable[int]], told: Callable[[], Awaitable[QueueFacts | None]]
) -> int | None:
    """Bytes of the bodies that wait in a queue, as told when the count that is told with them is exact;
    `None` when that does not come true, as in a queue with much traffic."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + SETTLES
    while True:
        exact = await depth()
        if not exact:
            return 0
        facts = await told()
        if facts is not None and facts.messages_ready == exact and facts.message_bytes_ready is not None:
            return facts.message_bytes_ready
        if loop.time() >= deadline:
            return None
        await asyncio.sleep(PAUSE)


@dataclass
class _Room:
    limit: Limit | None
    messages: int = 0
    """How many more it takes, as just asked."""
    bytes: int = 0
    """Asked for once, and counted down by what we send."""


class Rooms:
    """The room in the targets of one pass."""

    def __init__(
        self,
        limit: Callable[[str], Awaitable[Limit | None]],
        depth: Callable[[str], Awaitable[int]],
        held: Callable[[str], Awaitable[int | None]],
    ) -> None:
        self._limit, self._depth, self._held = limit, depth, held
        self._rooms: dict[str, _Room] = {}

    async def left_over(self, sent: Iterable[tuple[int, str, int]]) -> set[int]:
        """Of messages (tag, target, bytes of the body) the tags of those that must not be sent."""
        found, asked = set[int](), set[str]()
        for tag, target, size in sent:
            room = self._rooms.get(target) or await self._first(target)
            limit = room.limit
            if limit is None:
                continue
            if limit.messages is not None and target not in asked:
                asked.add(target)
                room.messages = limit.messages - (await self._depth(target) if limit.messages else 0)
            full = limit.messages is not None and room.messages <= 0
            if full or (limit.bytes is not None and size > room.bytes):
                found.add(tag)
            else:
                room.messages -= 1
                room.bytes -= size
        return found

    async def _first(self, target: str) -> _Room:
        room = self._rooms[target] = _Room(await self._limit(target))
        if room.limit is not None and room.limit.bytes is not None:
            held = await self._held(target)
            room.bytes = 0 if held is None else room.limit.bytes - held
        return room
