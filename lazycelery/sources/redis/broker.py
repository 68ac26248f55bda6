"""The Redis transport: all its capabilities over one `Server`."""

from __future__ import annotations

from contextlib import suppress

from lazycelery.errors import LazyCeleryError
from lazycelery.model.facts import BrokerFacts
from lazycelery.model.profile import Profile
from lazycelery.sources.codec import EnvelopeCodec
from lazycelery.sources.protocols.codec import Codec
from lazycelery.sources.protocols.events import EventStream
from lazycelery.sources.protocols.mailbox import Mailbox
from lazycelery.sources.protocols.queues import QueueOps
from lazycelery.sources.redis import problems
from lazycelery.sources.redis.address import parse_address
from lazycelery.sources.redis.bindings import Bindings
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.events import RedisEvents
from lazycelery.sources.redis.facts import read_facts
from lazycelery.sources.redis.layout import Layout
from lazycelery.sources.redis.mailbox import RedisMailbox
from lazycelery.sources.redis.prefixes import find_prefix
from lazycelery.sources.redis.queues import RedisQueues


class RedisBroker:
    """A `Broker` on Redis, Valkey, or one that Sentinels name."""

    transport = "redis"
    realm = "database number"
    redelivers = True
    """What was not acknowledged within the visibility timeout is delivered again."""
    gives_back = (
        "Redis gives its message to another worker after the visibility timeout, an hour unless it is set"
    )

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._address = parse_address(profile.broker.strip(), profile)
        self._server = Server(self._address, profile.timeout)
        self._layout = Layout(profile, self._address.db)
        self._bindings = Bindings(self._server, self._layout)
        self._found: list[str] | None = None if profile.prefix is None else []
        self.events: EventStream = RedisEvents(self._server, self._layout)
        self._mailbox = RedisMailbox(self._server, self._layout)
        self.mailbox: Mailbox = self._mailbox
        self.queues: QueueOps = RedisQueues(self._server, self._layout, profile, self._bindings)
        self.codec: Codec = EnvelopeCodec()

    @property
    def label(self) -> str:
        """The URL without credentials."""
        return self._address.label

    @property
    def prefix(self) -> str:
        """The key prefix in use; "" for none."""
        return self._layout.prefix

    @property
    def notes(self) -> list[str]:
        """What a person should know about how we are connected."""
        notes = list(self._found or ())
        if ";" in self._profile.broker and not self._address.sentinel:
            notes.append("The URL names several brokers; only the first one is watched.")
        others = sorted(self._bindings.other_prefixes)
        if others and not self._found:
            told = ", ".join(map(repr, others))
            notes.append(f"Other applications share this database: {told}. Give `prefix` to see one of them.")
        return notes

    @property
    def tls_unverified(self) -> bool:
        """Whether the connection is encrypted and the certificate is not checked."""
        return bool(self._address.tls and not self._address.tls.verify)

    async def connect(self) -> None:
        """Check that the broker is there and lets us in, and find the key prefix."""
        await self._server.check()
        if self._found is None:
            with self._server.explained():
                self._found = await find_prefix(self._server, self._layout)

    async def close(self) -> None:
        """Give back the reply queue and close every connection."""
        with suppress(LazyCeleryError, *problems.FAILURES):
            await self._mailbox.close()
        with suppress(*problems.FAILURES):
            await self._server.close()

    async def facts(self) -> BrokerFacts:
        """What the server tells of itself."""
        return await read_facts(self._server, self._layout)

    async def lost(self) -> str | None:
        """Ask for a sign of life: why there is none, or `None`."""
        try:
            await self._server.redis.ping()
        except problems.FAILURES as error:
            return (await self._server.diagnose(error)).title
        except LazyCeleryError as error:
            return error.title
        return None

    def commands_sent(self) -> int:
        """Commands sent since the start, all connections."""
        return self._server.commands
