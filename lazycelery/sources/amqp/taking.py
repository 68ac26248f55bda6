"""Taking messages to look at them or to save them. They stay unacknowledged meanwhile: whatever happens
to us, RabbitMQ puts them back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from lazycelery.errors import LazyCeleryError, Refused
from lazycelery.model.message import StoredMessage
from lazycelery.sources.amqp import problems
from lazycelery.sources.amqp.channel import Channel, Got
from lazycelery.sources.amqp.connection import Server
from lazycelery.sources.amqp.envelope import delivery_count, priority_of, to_envelope
from lazycelery.sources.amqp.holding import SELECTIVE, Holding
from lazycelery.sources.amqp.renewing import Renewing
from lazycelery.sources.protocols.queues import PurgeResult

TOGETHER = 10
"""Messages replaced by fresh copies at once: a quorum queue may keep more commands back."""
SLICE = 50
"""Messages encoded before something else may run."""
LOOKS = 30
"""Looks, a moment apart, for messages that come back."""
Save = Callable[[Sequence[StoredMessage]], None]


class Look:
    """A look at the messages that run next. It marks them as redelivered, and on quorum queues counts."""

    def __init__(
        self, server: Server, queue: str, limit_of_deliveries: int | None, quorum: bool, renewing: Renewing
    ) -> None:
        self._server, self._queue, self._renewing = server, queue, renewing
        self._limit, self._quorum = limit_of_deliveries, quorum
        self.total = 0
        self.saved = 0
        """Messages at the end of their deliveries that were replaced by fresh copies."""
        self.most_delivered = 0
        """Deliveries of the one that had the most, before this look."""

    async def run(self, limit: int, max_bytes: int) -> list[bytes]:
        """At most `limit` raw messages, put back before this returns."""
        channel = await self._server.channel("queues")
        try:
            self.total = (await channel.depth(self._queue)).messages
            holding = Holding(channel, self._queue, SELECTIVE)
            taken, size = list[Got](), 0
            while size < max_bytes and (more := await holding.take(min(limit, self.total) - len(taken))):
                taken += more
                size += sum(len(got.body) for got in more)
            # A quorum queue counts late what has just been put back.
            self.total = max(self.total, len(taken))
            if self._quorum:
                counts = (delivery_count(got.properties.raw) for got in taken)
                self.most_delivered = max(counts, default=0)
            await self._put_back(channel, holding, taken)
        finally:
            self._renewing.close()
            channel.close()
        return [to_envelope(got.body, got.properties.raw, got.method) for got in taken]

    async def _put_back(self, channel: Channel, holding: Holding, taken: list[Got]) -> None:
        await holding.stop()
        for got in taken:
            if self._quorum and self._at_its_end(got) and await self._copied(channel, got):
                holding.drop(got.tag)
                self.saved += 1
                if self.saved % TOGETHER == 0:
                    await self._renewing.kept_up(channel)
        await channel.commit()
        await holding.let_go()
        if self._quorum:
            await self._seen_back(channel, len(taken))

    async def _seen_back(self, channel: Channel, number: int) -> None:
        """A quorum queue takes messages back in its own time: a worker, or the next look, finds it empty."""
        for _ in range(LOOKS):
            if (await channel.depth(self._queue)).messages >= number:
                return
            await asyncio.sleep(0.05)

    def _at_its_end(self, got: Got) -> bool:
        """One more delivery, and RabbitMQ would drop it."""
        return self._limit is not None and delivery_count(got.properties.raw) + 1 >= self._limit

    async def _copied(self, channel: Channel, got: Got) -> bool:
        envelope = to_envelope(got.body, got.properties.raw, got.method)
        return await self._renewing.copied(channel, got.tag, len(got.body), envelope)


class Purge:
    """One purge of one queue: all of it is taken and saved before any of it is removed."""

    def __init__(self, server: Server, queue: str) -> None:
        self._server, self._queue = server, queue
        self._removing = False

    async def run(self, save: Save) -> PurgeResult:
        """Take, save, remove. On any failure the channel closes, and everything is back."""
        channel = await self._server.channel("queues")
        before = 0
        try:
            before = (await channel.depth(self._queue)).messages
            holding = Holding(channel, self._queue)
            await self._take(holding, before, save)
            self._removing = True
            removed = await holding.remove()
            await holding.let_go()
            after = (await channel.depth(self._queue)).messages
        except LazyCeleryError as told:
            channel.close()
            told.nothing_done = not self._removing and await self._all_back(before)
            raise
        finally:
            channel.close()
        return PurgeResult(before=before, removed=removed, after=after)

    async def _all_back(self, before: int) -> bool:
        """Whether the queue is seen to hold what it held, soon after the channel closed."""
        with suppress(LazyCeleryError, *problems.FAILURES):
            channel = await self._server.channel("queues")
            try:
                for _ in range(LOOKS):
                    if (await channel.depth(self._queue)).messages >= before:
                        return True
                    await asyncio.sleep(0.1)
            finally:
                channel.close()
        return False

    async def _take(self, holding: Holding, before: int, save: Save) -> None:
        """Save everything that was there when it began; what arrives meanwhile is left."""
        position = 0
        while taken := await holding.take(before - position):
            page = list[StoredMessage]()
            for got in taken:
                page.append(self._stored(got, position))
                position += 1
                if position % SLICE == 0:
                    await asyncio.sleep(0)
            await self._written(save, page)

    def _stored(self, got: Got, position: int) -> StoredMessage:
        raw = to_envelope(got.body, got.properties.raw, got.method)
        priority = priority_of(got.properties.raw)
        return StoredMessage(queue=self._queue, priority=priority, raw=raw, position=position)

    async def _written(self, save: Save, page: list[StoredMessage]) -> None:
        try:
            await asyncio.to_thread(save, page)  # It waits for the disk.
        except OSError as error:
            raise LazyCeleryError(
                f"The messages of {self._queue} could not be saved: {error.strerror or 'disk error'}.",
                "Nothing was removed; they are back in the queue.",
            ) from None


def refuse_stream(queue: str, kind: str | None) -> None:
    """A stream is read, never emptied."""
    if kind == "stream":
        raise Refused(f"{queue} is a stream: its messages cannot be taken.", "Its retention removes them.")
