"""Any transport of Kombu as a `Broker`: what it has, and in plain words what it lacks."""

from __future__ import annotations

from lazycelery.errors import LazyCeleryError
from lazycelery.model.profile import Profile
from lazycelery.sources.codec import EnvelopeCodec
from lazycelery.sources.kombu import words
from lazycelery.sources.kombu.address import Address, parse_address
from lazycelery.sources.kombu.counting import COUNTERS, CountedQueues
from lazycelery.sources.kombu.events import KombuEvents
from lazycelery.sources.kombu.files import FileQueues
from lazycelery.sources.kombu.internal import Internal
from lazycelery.sources.kombu.lane import Lane
from lazycelery.sources.kombu.mailbox import KombuMailbox
from lazycelery.sources.kombu.sending import SentQueues
from lazycelery.sources.kombu.sql import SqlQueues
from lazycelery.sources.protocols.codec import Codec
from lazycelery.sources.protocols.events import EventStream
from lazycelery.sources.protocols.mailbox import Mailbox
from lazycelery.sources.protocols.queues import SomeQueueOps


class KombuBroker:
    """A `Broker` on one of Kombu's transports. Three connections, each in a thread of its own."""

    def __init__(self, profile: Profile) -> None:
        self._address = address = parse_address(profile)
        self.transport = address.transport.scheme
        self.gives_back = address.transport.gives_back
        self._lanes = {name: Lane(name, address) for name in ("queues", "events", "control")}
        silent = bool(address.transport.silent)
        self._events = None if silent else KombuEvents(self._lanes["events"], profile.event_exchange)
        self._mailbox = None if silent else KombuMailbox(self._lanes["control"], profile.control_exchange)
        self.events: EventStream | None = self._events
        self.mailbox: Mailbox | None = self._mailbox
        self.queues: SomeQueueOps = _queues(self._lanes["queues"], address, profile)
        # Every transport of Kombu carries the envelope that it writes on Redis.
        self.codec: Codec = EnvelopeCodec()

    @property
    def label(self) -> str:
        """The URL without credentials."""
        return self._address.label

    @property
    def lacks(self) -> dict[str, str]:
        """Why something is not there: `events`, `control`, or an operation on queues."""
        return words.lacks(self._address.transport, self.queues)

    @property
    def notes(self) -> list[str]:
        """What a person should know about this transport."""
        return words.notes(self._address.transport, self.queues)

    async def connect(self) -> None:
        """Check that the broker is there and lets us in."""
        await self._lanes["queues"].do(lambda channel: None)
        if isinstance(self.queues, SqlQueues):
            await self.queues.check()
        else:
            await self.queues.names()

    async def close(self) -> None:
        """Remove our queues and end the threads."""
        if self._events is not None:
            await self._events.close()
        if self._mailbox is not None:
            await self._mailbox.close()
        await self._lanes["queues"].close()

    async def lost(self) -> str | None:
        """Ask for a sign of life: why there is none, or `None`."""
        try:
            await self.queues.names()
        except LazyCeleryError as error:
            return error.title
        return None

    def commands_sent(self) -> int:
        """Jobs done and messages heard since the start, all threads."""
        return sum(lane.commands for lane in self._lanes.values())


def _queues(lane: Lane, address: Address, profile: Profile) -> SomeQueueOps:
    transport, internal = address.transport, Internal(profile)
    if transport.queues == "files":
        return FileQueues(lane, internal, profile.queues)
    if transport.queues == "sql":
        return SqlQueues(lane, internal, profile)
    if transport.scheme in COUNTERS:
        return CountedQueues(lane, internal, profile.queues, COUNTERS[transport.scheme])
    return SentQueues(lane, internal, profile.queues)
