"""What a transport can do with queues."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from lazycelery.model.message import PeekPage, StoredMessage
from lazycelery.model.reports import InFlight, QueueReport


class SomeQueueOps(Protocol):
    """Some operations of `QueueOps`, each as it says; `capabilities` has a Protocol for each of them."""

    async def names(self) -> list[str]:
        """Queues that are known, sorted; own and reply queues left out."""


class PurgeResult(msgspec.Struct):
    """What a purge did, counted."""

    before: int
    removed: int
    after: int


class Found(dict[str, StoredMessage]):
    """Messages by task id, and how far they were looked for."""

    cut: int | None = None
    """Waiting messages that were searched, when the search ended before all of them were; else `None`."""


class QueueOps(Protocol):
    """Queues of the broker. Nothing here consumes a message, except where its name says so."""

    free_looks: bool
    """False: the broker shows a message only by delivering it (RabbitMQ). Nothing peeks unasked then."""
    fills_front: bool
    """False: `put_back` can only append. Pages are then put back first page first."""

    async def names(self) -> list[str]:
        """Queues that bindings name, sorted; own and reply queues left out."""

    async def probe(self, names: Sequence[str]) -> list[QueueReport]:
        """Depths, by priority, in one round trip whatever the number of messages."""

    async def peek(self, queue: str, offset: int = 0, limit: int = 50, force: bool = False) -> PeekPage:
        """Waiting messages, next to run first. Bounded in messages and bytes.

        Where looks are not free it raises `Refused` with the reason, unless `force` says to look."""

    async def in_flight(self, limit: int = 200) -> list[InFlight]:
        """Delivered and not acknowledged messages, a bounded page, oldest first."""

    async def find(self, ids: Sequence[str], limit: int = 10_000) -> dict[str, StoredMessage]:
        """True messages of these tasks, waiting or in flight, searched in bounded pages.

        A `Found` tells whether the search was cut short."""

    async def publish(self, messages: Sequence[StoredMessage]) -> int:
        """Append messages at the end that runs last, in order; returns how many were sent.

        An error says `nothing_done` only when certainly none of them was."""

    async def put_back(self, messages: Sequence[StoredMessage]) -> int:
        """Put messages back where they were taken: next to run first, order and priority kept.

        An error says `nothing_done` only when certainly none of them was."""

    async def purge(self, queue: str, save: Callable[[Sequence[StoredMessage]], None]) -> PurgeResult:
        """Empty all priorities. `save` gets every message, in pages, and returns when it is safe on
        disk; nothing is removed for good before that. When `save` raises, all is put back.

        An error says `nothing_done` only when every message is proven to be where it was."""


@runtime_checkable
class Returning(Protocol):
    """What a `QueueOps` can do where a lost worker's messages stay behind unacknowledged."""

    async def give_back(self, entries: Sequence[InFlight]) -> list[bool]:
        """Put entries of `in_flight`, oldest first, in front of their queues, marked as redelivered, each in
        one atomic step; tells of each whether it was still there."""


@runtime_checkable
class Leasing(Protocol):
    """What a `QueueOps` can do to keep two machines apart, with nothing that stays behind."""

    async def lease(self, name: str, holder: str, seconds: float) -> str:
        """Hold a name alone, or go on holding it; returns who holds it: `holder` when that is us.

        It is given back by itself: on Redis so many seconds after the last call, on RabbitMQ with the
        connection, which a broker that hears nothing closes. Raises what the broker raises."""

    async def give_up(self, name: str, holder: str) -> None:
        """Let another one hold it, if it is ours."""


@runtime_checkable
class Recovery(Protocol):
    """What a `QueueOps` can do about purges that were cut off in the middle, by a crash of ours."""

    async def leftovers(self) -> list[str]:
        """Where messages were left, found by a bounded search. Raises when that was cut short."""

    def left_of(self, key: str, queue: str) -> bool:
        """Whether a leftover holds messages of this queue."""

    async def recover(self, key: str) -> int:
        """Put the messages of one leftover back in front of their queue; returns how many."""
