"""How deep queues are, by passive declarations: exact, and without any permission but to read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pika import exceptions as amqp  # type: ignore[import-untyped]

from lazycelery.sources.amqp import problems
from lazycelery.sources.amqp.channel import Channel, Depth
from lazycelery.sources.amqp.connection import Server

SIDE_BY_SIDE = 4
"""Channels that ask at once: each question is a round trip."""


class Depths:
    """Asks on channels that are kept; a missing queue costs its channel."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._idle: list[Channel] = []

    async def read(self, names: Sequence[str]) -> dict[str, Depth | str]:
        """Depth by queue, or why there is none."""
        found: dict[str, Depth | str] = {}
        rest = list(dict.fromkeys(names))[::-1]

        async def ask() -> None:
            while rest:
                name = rest.pop()
                found[name] = await self._one(name)

        await asyncio.gather(*(ask() for _ in range(min(SIDE_BY_SIDE, len(rest)))))
        return found

    async def _one(self, name: str) -> Depth | str:
        channel = await self._channel()
        try:
            depth = await channel.depth(name)
        except amqp.ChannelClosedByBroker as closed:
            return _why_not(closed)
        except BaseException:
            channel.close()
            raise
        self._idle.append(channel)
        return depth

    async def _channel(self) -> Channel:
        while self._idle:
            channel = self._idle.pop()
            if channel.open:
                return channel
        return await self._server.channel("queues")


def _why_not(closed: amqp.ChannelClosedByBroker) -> str:
    if closed.reply_code == 404:
        return "There is no queue of this name."
    if closed.reply_code == 405:
        return "It belongs exclusively to another connection."
    if closed.reply_code == 403:
        return "This user may not look at it."
    return f"RabbitMQ refuses: {problems.quoted(str(closed.reply_text))}."
