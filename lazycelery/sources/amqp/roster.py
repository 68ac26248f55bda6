"""Which workers are bound to the control exchange: told by the management API, else learned."""

from __future__ import annotations

import asyncio
import time
from bisect import insort
from collections.abc import Sequence

from pika import exceptions as amqp  # type: ignore[import-untyped]

from lazycelery.sources.amqp.connection import Server
from lazycelery.sources.amqp.management import Management

FRESH = 1.0
"""Seconds for which the list is good enough: calls made together share it."""
HASTY = 0.2
"""The same for who is asked by name and is not in it: a worker that has just come."""
FORGET = 200
"""Names that are remembered at most, without the API."""


class Roster:
    """Names of mailboxes. Without the API those that answered once and whose queue is still there."""

    def __init__(self, server: Server, management: Management, pidbox: str) -> None:
        self._server, self._management, self._pidbox = server, management, pidbox
        self._learned: dict[str, None] = {}
        self._names: list[str] = []
        self._named: set[str] = set()
        """The same names."""
        self._read_at: float | None = None
        self._reading = asyncio.Lock()
        self.certain = False
        """True: these are all there are."""

    @property
    def complete(self) -> bool:
        """Whether a worker that once answered, and is not among `names`, has no mailbox any more."""
        return self.certain or len(self._learned) < FORGET

    def learn(self, name: str) -> None:
        """Somebody of this name answered."""
        self._learned.pop(name, None)
        self._learned[name] = None
        if len(self._learned) > FORGET:
            del self._learned[next(iter(self._learned))]
        if name not in self._named:
            self._named.add(name)
            insort(self._names, name)

    async def names(self, wanted: Sequence[str] = ()) -> list[str]:
        """Mailboxes that exist now; `wanted`, who is to be asked, may have come since the last look."""
        async with self._reading:
            good = FRESH if self._named.issuperset(wanted) else HASTY
            if self._read_at is None or time.monotonic() - self._read_at > good:
                await self._read()
                self._named = set(self._names)
                self._read_at = time.monotonic()
        return list(self._names)

    async def _read(self) -> None:
        bound = await self._management.bound(self._pidbox)
        self.certain = bound is not None
        if bound is not None:
            tail = f".{self._pidbox}"
            self._names = sorted(name.removesuffix(tail) for name in bound if name.endswith(tail))
            return
        asked = list(self._learned)  # Others may answer meanwhile.
        there = await asyncio.gather(*map(self._is_there, asked))
        for name, alive in zip(asked, there, strict=True):
            if not alive:
                self._learned.pop(name, None)
        self._names = sorted(self._learned)

    async def _is_there(self, name: str) -> bool:
        """A worker's mailbox goes with its connection; it is exclusive, so a look at it is refused."""
        channel = await self._server.channel("queues")
        try:
            return (await channel.depth(f"{name}.{self._pidbox}")).consumers > 0
        except amqp.ChannelClosedByBroker as closed:
            return bool(closed.reply_code == 405)
        finally:
            channel.close()
