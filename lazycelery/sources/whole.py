"""A broker that has everything, so that nobody above asks what is there: what a transport lacks refuses,
and says why."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

from lazycelery.errors import Refused
from lazycelery.model.facts import BrokerFacts
from lazycelery.model.reports import QueueReport
from lazycelery.sources.protocols.broker import Broker
from lazycelery.sources.protocols.codec import Codec
from lazycelery.sources.protocols.events import EventStream
from lazycelery.sources.protocols.mailbox import Mailbox, Replies
from lazycelery.sources.protocols.queues import QueueOps, SomeQueueOps

OPERATIONS = frozenset(name for name in dir(QueueOps) if not name.startswith("_"))
LACKS_IT = "This broker cannot do that."
IN_ITS_OWN_TIME = "The broker gives its message to another worker in its own time"


class WholeBroker:
    """A `Broker` whose mailbox and queues are always there; events may still be `None`."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.transport: str = broker.transport
        self.realm: str = getattr(broker, "realm", "broker")
        """What parts applications on one server: the word for it."""
        self.gives_back: str = getattr(broker, "gives_back", "") or IN_ITS_OWN_TIME
        """What becomes of a message whose worker was lost, in a sentence without its full stop."""
        self.codec: Codec = broker.codec
        self.lacks: Mapping[str, str] = getattr(broker, "lacks", {})
        """Why something is not there: `events`, `control`, or an operation of `QueueOps`."""
        self.events: EventStream | None = broker.events
        self.mailbox: Mailbox = broker.mailbox or _NoMailbox(self.lacks.get("control", LACKS_IT))
        self.queues: QueueOps = _whole(broker.queues, self.lacks)

    @property
    def notes(self) -> list[str]:
        """What a person should know about how we are connected."""
        return list(getattr(self._broker, "notes", []))

    @property
    def blocked(self) -> str | None:
        """Why the broker takes no messages now, from workers neither, where it says so."""
        told: str | None = getattr(self._broker, "blocked", None)
        return told

    @property
    def tls_unverified(self) -> bool:
        """Whether the connection is encrypted and the certificate is not checked."""
        return bool(getattr(self._broker, "tls_unverified", False))

    @property
    def redelivers(self) -> bool:
        """Whether what was not acknowledged within the visibility timeout is delivered again."""
        return bool(getattr(self._broker, "redelivers", False))

    @property
    def free_facts(self) -> bool:
        """Whether what it tells of itself costs no command."""
        return bool(getattr(self._broker, "free_facts", False))

    async def facts(self) -> BrokerFacts | None:
        """What the broker tells of itself; `None` where it tells nothing."""
        ask = getattr(self._broker, "facts", None)
        return None if ask is None else await ask()

    async def connect(self) -> None:
        """As the broker does."""
        await self._broker.connect()

    async def close(self) -> None:
        """As the broker does."""
        await self._broker.close()

    async def lost(self) -> str | None:
        """As the broker does."""
        return await self._broker.lost()

    def commands_sent(self) -> int:
        """As the broker counts."""
        return self._broker.commands_sent()


class _NoMailbox:
    """A `Mailbox` on a transport without a fanout."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def call(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        destination: Sequence[str] | None = None,
        expect: int | None = None,
        timeout: float = 2.0,
    ) -> Replies:
        """Nobody can be asked."""
        raise Refused(self._why, nothing_done=True)

    async def cast(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        destination: Sequence[str] | None = None,
    ) -> int | None:
        """Nobody can be told."""
        raise Refused(self._why, nothing_done=True)

    async def workers(self) -> list[str]:
        """Nobody is known."""
        return []


def _whole(queues: SomeQueueOps, lacks: Mapping[str, str]) -> QueueOps:
    if all(hasattr(queues, name) for name in OPERATIONS):
        return cast(QueueOps, queues)
    return cast(QueueOps, _SomeQueues(queues, lacks))


class _SomeQueues:
    """What the queues can do, as attributes, so that Protocols see it; and a word for what they cannot."""

    free_looks = False
    fills_front = False

    def __init__(self, queues: SomeQueueOps, lacks: Mapping[str, str]) -> None:
        for name in dir(queues):
            if not name.startswith("_"):
                setattr(self, name, getattr(queues, name))
        for name in OPERATIONS:
            if not hasattr(self, name):
                setattr(self, name, _refusing(lacks.get(name, LACKS_IT)))

    async def probe(self, names: Sequence[str]) -> list[QueueReport]:
        """Nothing is counted: unknown. The broker's notes say why."""
        return [QueueReport(name=name, at=time.time()) for name in names]

    async def in_flight(self, limit: int = 200) -> list[Any]:
        """Nothing is told."""
        return []

    async def find(self, ids: Sequence[str], limit: int = 10_000) -> dict[str, Any]:
        """Nothing can be searched."""
        return {}


def _refusing(why: str) -> Any:
    async def refuse(*args: Any, **kwargs: Any) -> Any:
        raise Refused(why, nothing_done=True)

    return refuse
