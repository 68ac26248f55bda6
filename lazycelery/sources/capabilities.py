"""What can be done through a broker, one Protocol each, and the table that is made from them.

    python -m lazycelery.sources.capabilities

prints the table of docs/brokers.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from lazycelery.model.message import PeekPage, StoredMessage
from lazycelery.model.profile import Profile
from lazycelery.model.reports import InFlight, QueueReport
from lazycelery.sources.protocols.broker import Broker
from lazycelery.sources.protocols.queues import PurgeResult
from lazycelery.sources.protocols.sifting import Sifting


@runtime_checkable
class Counts(Protocol):
    """Tells how deep queues are."""

    async def probe(self, names: Sequence[str]) -> list[QueueReport]:
        """As in `QueueOps`."""


@runtime_checkable
class Looks(Protocol):
    """Shows waiting messages."""

    free_looks: bool

    async def peek(self, queue: str, offset: int = 0, limit: int = 50, force: bool = False) -> PeekPage:
        """As in `QueueOps`."""


@runtime_checkable
class Searches(Protocol):
    """Finds the waiting message of a task."""

    async def find(self, ids: Sequence[str], limit: int = 10_000) -> dict[str, StoredMessage]:
        """As in `QueueOps`."""


@runtime_checkable
class ShowsInFlight(Protocol):
    """Shows messages that workers hold."""

    async def in_flight(self, limit: int = 200) -> list[InFlight]:
        """As in `QueueOps`."""


@runtime_checkable
class Sends(Protocol):
    """Appends messages, and puts them back."""

    fills_front: bool

    async def publish(self, messages: Sequence[StoredMessage]) -> int:
        """As in `QueueOps`."""

    async def put_back(self, messages: Sequence[StoredMessage]) -> int:
        """As in `QueueOps`."""


@runtime_checkable
class Purges(Protocol):
    """Empties a queue, and saves what was in it first."""

    async def purge(self, queue: str, save: Callable[[Sequence[StoredMessage]], None]) -> PurgeResult:
        """As in `QueueOps`."""


YES, NO = "yes", "–"


def _looks(broker: Broker) -> str:
    queues = broker.queues
    return (YES if queues.free_looks else "on request") if isinstance(queues, Looks) else NO


def _sends(broker: Broker) -> str:
    queues = broker.queues
    return ("in front" if queues.fills_front else "at the end") if isinstance(queues, Sends) else NO


def _has(capability: type) -> Callable[[Broker], str]:
    return lambda broker: YES if isinstance(broker.queues, capability) else NO


COLUMNS: tuple[tuple[str, Callable[[Broker], str]], ...] = (
    ("events", lambda broker: NO if broker.events is None else YES),
    ("control", lambda broker: NO if broker.mailbox is None else YES),
    ("depths", _has(Counts)),
    ("look at waiting", _looks),
    ("search waiting", _has(Searches)),
    ("held by workers", _has(ShowsInFlight)),
    ("restore puts", _sends),
    ("purge", _has(Purges)),
    ("move, delete", _has(Sifting)),
)


def table() -> str:
    """A Markdown table: a line a broker, a column a capability."""
    heads = ("broker", "URL", "needs", *(name for name, _ in COLUMNS), "tested on")
    lines = [_line(heads), "|" + "---|" * len(heads)]
    lines += [
        _line((*names, *(tell(broker) for _, tell in COLUMNS), tested))
        for names, broker, tested in _brokers()
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


REAL, UNTESTED = "a real server", "nothing: never met one"


def _brokers() -> list[tuple[tuple[str, str, str], Broker, str]]:
    """Title, URL and driver; a broker that is not connected; what its tests run against."""
    from lazycelery.sources import open_broker
    from lazycelery.sources.kombu.transports import TRANSPORTS

    found = [
        (("Redis, Valkey", "`redis://`", ""), open_broker(Profile(broker="redis://h")), REAL),
        (("RabbitMQ", "`amqp://`", ""), open_broker(Profile(broker="amqp://h")), REAL),
    ]
    for transport in TRANSPORTS:
        scheme = transport.others[0] if transport.scheme == "sqlalchemy" else transport.scheme
        title = transport.title
        if title.startswith("The "):
            title = title.removeprefix("The ").removesuffix(" transport").capitalize()
        needs = f"`{transport.needs}`" if transport.needs else ""
        url = f"{scheme}:///folder" if scheme == "filesystem" else f"{scheme}://"
        names = (title, f"`{scheme}{'+…' if scheme == 'sqla' else ''}://`", needs)
        found.append((names, open_broker(Profile(broker=url)), transport.tested or UNTESTED))
    return found


if __name__ == "__main__":
    print(table(), end="")  # noqa: T201
