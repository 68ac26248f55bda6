"""A connection to one broker, and what can be had through it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from lazycelery.model.event import Event
from lazycelery.model.profile import Profile
from lazycelery.model.reel import Reel, Turn
from lazycelery.model.reports import QueueReport
from lazycelery.sources.protocols.codec import Codec
from lazycelery.sources.protocols.events import EventStream
from lazycelery.sources.protocols.mailbox import Mailbox
from lazycelery.sources.protocols.queues import SomeQueueOps
from lazycelery.sources.protocols.status import StatusChange


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


class Watcher(Protocol):
    """Goes along with a recording that plays."""

    def linked(self, name: str, change: StatusChange) -> None:
        """A link (broker, control) went up or down, in the recording."""

    async def answered(self, mailbox: Mailbox, what: Sequence[str], asked: float, at: float) -> None:
        """A round of questions to the workers was `asked`, and answered by then, in the recording: the
        mailbox has just these answers. Epoch seconds."""

    def looked(self, reports: Sequence[QueueReport]) -> None:
        """Queues were looked at, in the recording."""

    def second(self, at: float) -> None:
        """A second of the recording is over."""

    async def passed(self) -> None:
        """It is between two frames, and all before has been said. Comes often."""

    def turned(self) -> None:
        """It was moved or has come far, so that faces should look."""

    def arrived(self) -> None:
        """It has come to where it was wanted: what is asked for now and then is to be asked for again."""


class Nobody:
    """Looks away."""

    def linked(self, name: str, change: StatusChange) -> None:
        """Nothing is done."""

    async def answered(self, mailbox: Mailbox, what: Sequence[str], asked: float, at: float) -> None:
        """Nothing is done."""

    def looked(self, reports: Sequence[QueueReport]) -> None:
        """Nothing is done."""

    def second(self, at: float) -> None:
        """Nothing is done."""

    async def passed(self) -> None:
        """Nothing is done."""

    def turned(self) -> None:
        """Nothing is done."""

    def arrived(self) -> None:
        """Nothing is done."""


@runtime_checkable
class Player(Protocol):
    """A `Broker` that plays a recording, in a time of its own."""

    speed: float
    """How fast it plays; 0 is all at once."""
    watcher: Watcher

    def clock(self) -> float:
        """Where it is, epoch seconds of when it was recorded."""

    def pace(self) -> float:
        """How fast its clock goes now; 0 while it is paused and once it has ended."""

    def reel(self) -> Reel:
        """Its span, and where it is."""

    def turn(self, do: Turn, amount: float, kept: bool = False) -> Reel:
        """Pause or go on, play faster, jump to a moment, step. For a moment that is over, or on the way to
        which another one was `kept`, `Reel.reopen` is the URL to open."""

    def reached(self) -> float:
        """When the last thing was said that was said again."""

    def moment(self, profile: Profile) -> float | None:
        """Where that profile wants it to begin; `None` where that is another recording."""

    def heard(self, spot: Any) -> list[Event]:
        """The last events before a spot."""

    def spot(self) -> Any:
        """Where it is between two frames, for `go_on`."""

    def go_on(self, spot: Any) -> None:
        """Go on from a spot of the same recording instead of its beginning. Before it plays."""
