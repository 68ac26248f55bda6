"""A connection to one broker, and what can be had through it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from lazycelery.model.reel import Reel, Turn
from lazycelery.sources.protocols.codec import Codec
from lazycelery.sources.protocols.events import EventStream
from lazycelery.sources.protocols.mailbox import Mailbox
from lazycelery.sources.protocols.queues import SomeQueueOps


@runtime_checkable
class Broker(Protocol):
    """A connection to one broker, and what can be had through it.

    A capability that the transport lacks is `None`.
    """

    transport: str
    """redis, amqp, filesystem …"""
    codec: Codec

    @property
    def events(self) -> EventStream | None:
        """Task events, or `None`."""

    @property
    def mailbox(self) -> Mailbox | None:
        """Remote control, or `None`."""

    @property
    def queues(self) -> SomeQueueOps:
        """What can be done with queues: all of `QueueOps`, or some of it."""

    async def connect(self) -> None:
        """Check that the broker is there and lets us in, and find the key prefix where one is used.

        Raises `ConnectionProblem` with a hint (wrong password, refused, no such host, TLS, not Redis).
        """

    async def close(self) -> None:
        """Let go of every connection and of every trace of ours on the broker."""

    async def lost(self) -> str | None:
        """Ask the broker for a sign of life: why it cannot be reached, or `None` when all is well."""

    def commands_sent(self) -> int:
        """Broker commands sent since the start, all connections."""


@runtime_checkable
class Player(Protocol):
    """A `Broker` that plays a recording, in a time of its own."""

    speed: float
    """How fast it plays; 0 is all at once."""

    def clock(self) -> float:
        """Where it is, epoch seconds of when it was recorded."""

    def pace(self) -> float:
        """How fast its clock goes now; 0 while it is paused and once it has ended."""

    def reel(self) -> Reel:
        """Its span, and where it is."""

    def turn(self, do: Turn, amount: float) -> Reel:
        """Pause or go on, play faster, jump to a moment, step. For a moment that is over, `Reel.reopen`
        is the URL to open."""
