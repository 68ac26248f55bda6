"""The AMQP transport: all its capabilities over one `Server`."""

from __future__ import annotations

import time
from contextlib import suppress

from lazycelery.errors import LazyCeleryError
from lazycelery.model.facts import BrokerFacts
from lazycelery.model.profile import Profile
from lazycelery.sources.amqp import problems
from lazycelery.sources.amqp.address import parse_address
from lazycelery.sources.amqp.codec import AmqpCodec
from lazycelery.sources.amqp.connection import Server
from lazycelery.sources.amqp.events import AmqpEvents
from lazycelery.sources.amqp.mailbox import AmqpMailbox
from lazycelery.sources.amqp.management import Management
from lazycelery.sources.amqp.queues import AmqpQueues
from lazycelery.sources.amqp.roster import Roster
from lazycelery.sources.protocols.codec import Codec
from lazycelery.sources.protocols.events import EventStream
from lazycelery.sources.protocols.mailbox import Mailbox
from lazycelery.sources.protocols.queues import SomeQueueOps

VHOSTS_EVERY = 60.0
"""Seconds between two looks for the other virtual hosts, where ours is empty."""


class AmqpBroker:
    """A `Broker` on RabbitMQ."""

    transport = "amqp"
    realm = "virtual host"
    free_facts = True
    gives_back = "RabbitMQ gives its message to another worker at once"

    def __init__(self, profile: Profile) -> None:
        self._address = parse_address(profile.broker.strip(), profile)
        self._event_exchange = profile.event_exchange
        self._server = Server(self._address, profile.timeout)
        self._management = Management(self._server, profile.management)
        roster = Roster(self._server, self._management, f"{profile.control_exchange}.pidbox")
        self.events: EventStream = AmqpEvents(self._server, profile.event_exchange)
        self._mailbox = AmqpMailbox(self._server, roster, profile.control_exchange)
        self.mailbox: Mailbox = self._mailbox
        self._queues = AmqpQueues(self._server, self._management, profile)
        self.queues: SomeQueueOps = self._queues
        self.codec: Codec = AmqpCodec()
        self._vhosts: list[str] = []
        self._vhosts_due = 0.0

    @property
    def label(self) -> str:
        """The URL without credentials."""
        return self._address.label

    @property
    def notes(self) -> list[str]:
        """What a person should know about how we are connected."""
        notes = []
        if self._management.why and not self._management.named:  # A finding, where the profile names it.
            notes.append(
                f"The management API is missing: {self._management.why}. Without it only the queues of "
                "workers, of senders' events and of the profile are known, without type and unacknowledged "
                "messages: a misspelt one may stay unseen. "
                f"{self._management.cure}".rstrip()
            )
        return notes

    @property
    def blocked(self) -> str | None:
        """Why RabbitMQ takes no messages from anybody now, or `None`."""
        return self._server.blocked

    @property
    def tls_unverified(self) -> bool:
        """Whether the connection is encrypted and the certificate is not checked."""
        return bool(self._address.tls and not self._address.tls.verify)

    async def connect(self) -> None:
        """Check that RabbitMQ is there and lets us in."""
        with self._server.explained():
            await self._server.session("queues")

    async def close(self) -> None:
        """Close every connection; the queues that are ours go with them."""
        with suppress(LazyCeleryError, *problems.FAILURES):
            await self._mailbox.close()
        with suppress(*problems.FAILURES):
            await self._server.close()
        await self._management.close()

    async def facts(self) -> BrokerFacts:
        """Alarms, as the connection hears them, and queues of monitors, where the management API answers."""
        backlog = {
            name: told.messages_ready or 0
            for name, told in self._management.last.items()
            if name.startswith(f"{self._event_exchange}.")
        }
        if not self._management.last and time.monotonic() >= self._vhosts_due:
            self._vhosts_due = time.monotonic() + VHOSTS_EVERY
            self._vhosts = await self._management.other_vhosts()
        return BrokerFacts(
            at=time.time(),
            elsewhere=self._vhosts,
            blocked=self._server.blocked,
            tells_alarms=True,
            tells_events=not self._management.why,
            tells_queues=not self._management.why,
            event_backlog=backlog,
            tells_letters=self._queues.tells_letters,
            management=self._management.trouble if self._management.named else None,
            management_cure=self._management.cure,
        )

    async def lost(self) -> str | None:
        """Ask for a sign of life: why there is none, or `None`."""
        try:
            with self._server.explained():
                channel = await self._server.channel("queues")
                await channel.settled()
                channel.close()
        except LazyCeleryError as error:
            return error.title
        return None

    def commands_sent(self) -> int:
        """Commands sent since the start, all connections."""
        return self._server.commands
