"""Messages taken from a queue and held, until each is removed or let go.

They are taken by consumers of a bounded prefetch, one for each window of messages, and not by `basic.get`.
A quorum queue makes every get a consumer of its own, so that each acknowledgement is a command of its own;
beyond 32 such commands RabbitMQ keeps the rest back in the channel, and forgets them when the channel closes:
of 451 acknowledged messages 418 came back. The acknowledgements of one consumer can be one command.

RabbitMQ answers the cancellation of a consumer only after the queue has done it, and the queue does in order
what one channel asks: that answer proves that what was acknowledged before it is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

from lazycelery.errors import Refused
from lazycelery.sources.amqp.channel import Channel, Got

FIRST, MOST = 10, 1000
"""Messages of the first window, when nobody knows how large they are; and of any, when all of them go."""
SELECTIVE = 16
"""Messages of one window, where some are removed and others not: each is a command then."""
WINDOW_BYTES = 8 * 1024 * 1024
QUIET = 0.1
"""Seconds without a delivery, after which the queue is asked whether it is empty."""
PATIENCE = 5.0
"""Seconds without a delivery from a queue that is not empty: it gives its messages to somebody else only."""


@dataclass
class _Window:
    """A consumer, and what it was given: never more than was wanted."""

    wanted: int
    given: list[Got] = field(default_factory=list)
    tags: list[int] = field(default_factory=list)
    """Of what `take` returned; what a window that was not filled gets later is only held."""
    held: list[int] = field(default_factory=list)
    """Tags of all that it was given."""
    consumer: str | None = None


class Holding:
    """Held messages of one queue, on a channel that nobody else uses. Closing that lets go of all of them."""

    def __init__(self, channel: Channel, queue: str, most: int = MOST, closing: bool = False) -> None:
        """With `closing` each window's consumer ends as soon as it is full: what is acknowledged then
        brings no further messages to it."""
        self._channel, self._queue, self._most, self._closing = channel, queue, most, closing
        self._windows: list[_Window] = []
        self._held: set[int] = set()
        self._news = asyncio.Event()
        self._next = min(FIRST, most)
        self._drained = False

    async def take(self, wanted: int) -> list[Got]:
        """The next messages: at most `wanted`, as many as are good to hold at once; none at the end.

        Raises `Refused` when the queue has messages and gives us none."""
        if self._drained or wanted <= 0:
            return []
        window = await self._begun(min(wanted, self._next))
        await self._filled(window)
        if self._closing:
            await self._end(window)
        taken, window.given = window.given, []
        window.tags = [got.tag for got in taken]
        self._drained = len(taken) < window.wanted
        size = sum(len(got.body) for got in taken) // max(1, len(taken))
        self._next = max(1, min(self._most, self._next * 2, WINDOW_BYTES // max(1, size)))
        return taken

    async def _begun(self, wanted: int) -> _Window:
        window = _Window(wanted)
        self._windows.append(window)

        def given(got: Got) -> None:
            window.given.append(got)
            window.held.append(got.tag)
            self._held.add(got.tag)
            self._news.set()

        window.consumer = await self._channel.consume_held(self._queue, window.wanted, given)
        return window

    async def _filled(self, window: _Window) -> None:
        """Wait until it has what was wanted, or the queue is empty."""
        waited, empty = 0.0, False
        while len(window.given) < window.wanted:
            before = len(window.given)
            self._news.clear()
            try:
                await self._channel.unless_closed(self._news.wait(), QUIET)
            except asyncio.TimeoutError:
                waited += QUIET
            if len(window.given) > before:
                waited, empty = 0.0, False
                continue
            # Twice empty: what was on its way at the first answer has come by the second.
            had_been, empty = empty, not (await self._channel.depth(self._queue)).messages
            if had_been and empty:
                return
            if waited >= PATIENCE:
                raise Refused(
                    f"{self._queue} has messages, and RabbitMQ gives us none of them.",
                    "Its active consumer has it alone (single active consumer): stop that worker first.",
                )

    async def remove(self, tags: Collection[int] | None = None) -> int:
        """Remove these messages for good, or all that were taken; returns how many, when it is proven.

        Of some only with windows of `SELECTIVE`. Nothing more can be taken afterwards."""
        self._drained, removed = True, 0
        for window in self._windows:
            removed += await self._remove(window, tags)
        return removed

    async def remove_last(self, tags: Collection[int]) -> int:
        """Remove these of the window that was taken last; what else it holds stays held, and more can be
        taken. Only with `closing`, and windows of `SELECTIVE`: so few commands are never kept back, and the
        question for the depth comes to the queue after them. A classic queue has done them then; of a quorum
        queue the next window proves it, and behind the last one `proven`."""
        removed = await self._remove(self._windows[-1], tags)
        if removed:
            await self._channel.depth(self._queue)
        return removed

    async def proven(self) -> bool:
        """Wait until a quorum queue that is empty has done all that was acknowledged: a consumer of its own
        comes and goes, in order with that. It could get one message, which would lose its place: so not
        where messages wait (`False`); there their acknowledgements are with the queue, and not proven."""
        empty = not (await self._channel.depth(self._queue)).messages
        if empty:
            await self._end(await self._begun(1))
        return empty

    async def _remove(self, window: _Window, tags: Collection[int] | None) -> int:
        gone = [tag for tag in window.tags if tag in self._held and (tags is None or tag in tags)]
        if gone and sum(tag <= gone[-1] for tag in self._held) == len(gone):
            self._channel.ack(gone[-1], upto=True)
        else:
            for tag in gone:
                self._channel.ack(tag)
        await self._channel.commit()
        await self._end(window)
        self._held.difference_update(gone)
        return len(gone)

    async def stop(self) -> None:
        """Take nothing more."""
        self._drained = True
        for window in self._windows:
            await self._end(window)

    def drop(self, tag: int) -> None:
        """Acknowledge one message, after `stop`. What `let_go` puts back comes after it. On a channel that
        transacts it counts with its `commit`."""
        self._channel.ack(tag)
        self._held.discard(tag)

    async def let_go(self) -> None:
        """Put back what is still held, in order: on quorum queues that counts as a delivery."""
        await self.stop()
        for window in self._windows:
            # One command a window: a quorum queue sorts the commands of one by consumer.
            if held := [tag for tag in window.held if tag in self._held]:
                self._channel.requeue(held[-1], upto=True)
                self._held.difference_update(held)
        await self._channel.commit()
        await self._channel.settled()

    async def _end(self, window: _Window) -> None:
        consumer, window.consumer = window.consumer, None
        if consumer is not None:
            await self._channel.cancel(consumer)
