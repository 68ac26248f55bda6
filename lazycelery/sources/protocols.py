"""What a transport can do, one Protocol a capability.

A capability that a transport lacks is a Protocol that it does not implement. Every method that waits
is a coroutine, may be cancelled, and raises only `LazyCeleryError` for what the outside did wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import msgspec

from lazycelery.model.beat import BeatEntry, SchedulerName
from lazycelery.model.canvas import Counter
from lazycelery.model.cluster import Link
from lazycelery.model.event import Event
from lazycelery.model.message import Message, PeekPage, StoredMessage
from lazycelery.model.reel import Reel, Turn
from lazycelery.model.reports import (
    InFlight,
    QueueReport,
    ResultReport,
    TaskLimits,
    TaskReport,
    WorkerReport,
)
from lazycelery.model.service import Deed, Service


class StatusChange(msgspec.Struct):
    """A source went up, down, or tries again."""

    state: Link
    reason: str = ""
    """In plain words, without credentials."""
    hint: str = ""
    next_try: float | None = None
    """Epoch seconds."""
    code: str = ""
    """Of the problem, where there is one."""


class EventBatch(msgspec.Struct):
    """Events as they left the socket together, with what could not be read."""

    events: list[Event]
    malformed: int = 0
    began: float | None = None
    """When reading them began, monotonic; `None` where nothing can wait behind them."""
    more: bool = False
    """Others were waiting behind them already."""


Deliver = Callable[[EventBatch], None]
DeliverResults = Callable[[list[ResultReport]], None]
TellStatus = Callable[[StatusChange], None]


class Reply(msgspec.Struct):
    """One worker's answer to one control call."""

    worker: str
    value: Any
    elapsed: float
    """Seconds after the call was sent."""


class Replies(msgspec.Struct):
    """The answers to one control call."""

    expected: int | None
    """How many mailboxes received it, where the broker tells; `None` otherwise."""
    replies: list[Reply]
    complete: bool
    """All expected answers came before the time ran out."""
    listeners: list[str] | None = None
    """Names of all mailboxes that were open when it was sent; `None` where the broker does not name them."""
    received: int | None = None
    """Mailboxes that received it, those of beats too, where the broker counts them and names none."""

    def by_worker(self) -> dict[str, Any]:
        """Values by worker name."""
        return {reply.worker: reply.value for reply in self.replies}


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


class SomeQueueOps(Protocol):
    """Some operations of `QueueOps`, each as it says; `capabilities` has a Protocol for each of them."""

    async def names(self) -> list[str]:
        """Queues that are known, sorted; own and reply queues left out."""


class EventStream(Protocol):
    """Celery events, in batches, for as long as it runs; reconnects by itself."""

    async def run(self, deliver: Deliver, status: TellStatus) -> None:
        """Read until cancelled. `deliver` must not wait; `status` tells each change of the link."""


class Mailbox(Protocol):
    """Celery's remote control (pidbox)."""

    async def call(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        destination: Sequence[str] | None = None,
        expect: int | None = None,
        timeout: float = 2.0,
    ) -> Replies:
        """Send a command and gather its replies.

        Returns as soon as all who received it (or `expect`, or all of `destination`) answered, or at
        `timeout` seconds with `complete` false.
        """

    async def cast(
        self,
        method: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        destination: Sequence[str] | None = None,
    ) -> int | None:
        """Send a command that is not answered; returns the number of receivers where known."""

    async def workers(self) -> list[str]:
        """Names of the mailboxes that exist (may be stale after a kill; beats are included)."""


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


GONE = ""
"""As the target of a message: it goes nowhere."""
Pick = Callable[[StoredMessage], str | None]
"""Where a message of a queue goes: another queue's name, `GONE`, or `None`: it stays. Must not wait."""
Save = Callable[[Sequence[StoredMessage]], None]
"""Returns when these messages are safe on disk."""


Settled = Callable[[Sequence[bool]], None]
"""Told of each message that was saved since the last call whether it is now where it was to be."""
HALTED = "stopped by hand"
"""The problem of what somebody stopped in between."""


class Pace(Protocol):
    """How fast a pass goes that is written down message by message, and whether it is to go on."""

    @property
    def halting(self) -> bool:
        """It is to stop: what is under way is finished, and nothing else is begun."""

    def page(self, most: int) -> int:
        """How many messages go together, `most` at most."""

    async def pace(self, number: int) -> None:
        """Wait until others may go, after so many."""


class Looked(msgspec.Struct, kw_only=True):
    """How far a look through a queue came."""

    total: int
    """Waiting when it began."""
    looked: int
    renewed: int = 0
    """Messages near the limit of their deliveries that went back as fresh copies (quorum queues)."""
    cut: str = ""
    """Why it ended before all were seen, as the end of a sentence; empty when it did not."""


class Shifted(Looked, kw_only=True):
    """What became of the messages that were picked."""

    done: dict[str, int] = {}
    """Messages by target; `GONE` counts those that were removed."""
    missed: int = 0
    """Picked, and no longer there a moment later: a worker has them."""
    rejected: int = 0
    """Picked, and not taken by their target: they are where they were."""
    unknown: int = 0
    """Sent, and the answer was lost: they are where they were, and perhaps at their target as well."""
    unproven: int = 0
    """Counted as done, and not proven to have left: should the broker forget that, they wait there too."""
    problem: str = ""
    """Why it stopped in the middle; empty when it did not."""


@runtime_checkable
class Sifting(Protocol):
    """What a `QueueOps` can do with some messages of a queue, while workers go on with it."""

    may_double: bool
    """Whether a message that was being moved when we were killed may be in both queues."""

    async def cost(self, queue: str) -> list[str]:
        """What looking through a queue does to the messages that stay, in sentences; empty: nothing."""

    async def look_through(self, queue: str, show: Callable[[StoredMessage], None], most: int) -> Looked:
        """Show waiting messages, next to run first. Bounded in messages and bytes."""

    async def shift(
        self,
        queue: str,
        pick: Pick,
        save: Save,
        settled: Settled,
        most: int,
        front: bool = False,
        pace: Pace | None = None,
    ) -> Shifted:
        """Move or remove the messages that `pick` picks, at most `most` looked at: bytes, headers,
        priority and order kept, to the end of their target that runs last (`front`: that runs next, where
        the transport can).

        With `pace` it can be halted in between (`HALTED` is its problem then), and ends when of a page none
        is taken by its target.

        `save` gets them before they are touched, and `settled` what became of them. Whatever happens to
        us, each message is in one of the two queues, or (RabbitMQ) those that were saved and not settled
        may be in both. An error says `nothing_done` only when certainly nothing was."""


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


class Results(Protocol):
    """A result backend, read only."""

    url: str
    """Without credentials."""

    async def get(self, ids: Sequence[str]) -> dict[str, ResultReport]:
        """Results by task id; ids without one are left out."""

    async def newest(self, limit: int = 200) -> list[ResultReport]:
        """Some of the newest results, by a bounded scan; best effort."""

    async def run(self, deliver: DeliverResults, status: TellStatus) -> None:
        """Deliver results as they are written, until cancelled. A backend that cannot returns at once."""

    def commands_sent(self) -> int:
        """Commands sent since the start."""

    async def close(self) -> None:
        """Let go of the connections."""


@runtime_checkable
class CountsChords(Protocol):
    """What a `Results` can do that tells how far chords are (Redis)."""

    async def counters(self, groups: Sequence[str]) -> dict[str, Counter]:
        """What is counted of these chords, a bounded number of parts each; one of which nothing is left is
        not among them."""


class ScheduleReport(msgspec.Struct, kw_only=True):
    """One look at a scheduler's own store."""

    entries: list[BeatEntry]
    total: int
    """How many there are."""
    present: bool = True
    """Whether there is a schedule at all."""
    locked: float | None = None
    """Seconds for which a beat still holds the scheduler's lock."""
    now: float | None = None
    """The store's clock."""
    note: str = ""
    """What to look at when it is not what was expected."""


class Schedules(Protocol):
    """Beat's schedule where a scheduler keeps it outside of the application."""

    name: SchedulerName
    url: str
    """Without credentials."""

    async def read(self) -> ScheduleReport:
        """All entries, a bounded number. Raises `ConnectionProblem`."""

    async def switch(self, name: str, on: bool) -> bool:
        """Enable or disable an entry, in one atomic step; false when it was so already.

        Raises `NothingFound` when it is not there, `Refused` when it was changed meanwhile."""

    def commands_sent(self) -> int:
        """Commands sent since the start."""

    async def close(self) -> None:
        """Let go of the connections."""


class Codec(Protocol):
    """What an action must know of a transport's message format to make a new one from an old."""

    def describe(self, raw: bytes, position: int = 0) -> Message:
        """A readable view of a raw message."""

    def identity(self, raw: bytes) -> bytes:
        """A digest that a message keeps when it is moved or delivered again. Never raises."""

    def copy(self, raw: bytes, *, queue: str, new_id: str, headers: Mapping[str, Any]) -> bytes:
        """An opaque copy under a new id: body, content type and encoding verbatim; retries, ETA and
        expiry reset; `headers` added. Raises `Refused` for a message whose id is inside its body
        (protocol 1)."""

    def build(
        self,
        *,
        task: str,
        args: Any,
        kwargs: Any,
        queue: str,
        new_id: str,
        headers: Mapping[str, Any],
        priority: int = 0,
        embed: Mapping[str, Any] | None = None,
    ) -> bytes:
        """A fresh JSON message (protocol 2); `embed`: its callbacks, errbacks, chain and chord."""


WorkerCommand = Literal[
    "pool_grow",
    "pool_shrink",
    "pool_restart",
    "autoscale",
    "add_consumer",
    "cancel_consumer",
    "rate_limit",
    "time_limit",
    "revoke_by_stamped_headers",
]
"""What a worker may be told by name. Never `election`: it ends a lone worker."""


class Census(msgspec.Struct, kw_only=True):
    """What all workers say they hold of some tasks, and whether these are all workers."""

    reports: list[TaskReport] = []
    answered: list[str] = []
    """Workers that answered, by name."""
    errors: list[str] = []
    """Those of them that could not tell."""
    silent: int | None = None
    """Workers that are connected and did not answer; `None` where the broker does not tell how many are."""
    named: list[str] = []
    """Workers that have a mailbox: it stays behind a killed one."""
    limited: list[str] = []
    """Task names with a rate limit: what it keeps back at a worker is in none of its lists."""


class Remote(Protocol):
    """The remote control commands that actions use; `lazycelery.sources.control.Control` is one."""

    async def revoke(
        self,
        ids: Sequence[str],
        *,
        terminate: bool = False,
        signal: str | None = None,
        destination: Sequence[str] | None = None,
        timeout: float = 2.0,
    ) -> Replies:
        """Tell workers to discard these tasks, or with `terminate` to end their processes."""

    async def query_tasks(self, ids: Sequence[str], *, timeout: float = 2.0) -> list[TaskReport]:
        """What workers hold of these tasks, with real arguments."""

    async def census(self, ids: Sequence[str], *, timeout: float = 2.0) -> Census:
        """Ask every worker which of these tasks it holds."""

    async def set_events(
        self, on: bool, *, destination: Sequence[str] | None = None, timeout: float = 2.0
    ) -> Replies:
        """Switch task events on or off."""

    async def tell(
        self,
        command: WorkerCommand,
        arguments: Mapping[str, Any],
        workers: Sequence[str],
        *,
        timeout: float = 2.0,
    ) -> Replies:
        """Tell these workers something. Without names it raises `UsageError`: nothing is ever broadcast."""

    async def shut_down(self, workers: Sequence[str]) -> None:
        """Ask these workers to stop warmly; nobody answers. Without names it raises `UsageError`."""

    async def look(
        self, workers: Sequence[str], what: Sequence[str], *, timeout: float = 2.0
    ) -> dict[str, WorkerReport]:
        """What these workers say now, by name; a silent one has `ping` False where that was asked, and is
        left out else."""

    async def limits(
        self, workers: Sequence[str], *, timeout: float = 2.0
    ) -> dict[str, dict[str, TaskLimits]]:
        """Rate and time limits in force, by worker and task; a silent worker is left out."""


class Ran(msgspec.Struct):
    """What became of a command."""

    code: int | None
    """Its exit code; `None` when it was ended because it took too long."""
    output: str
    """The end of what it printed, stdout and stderr; untrusted."""


class Commands(Protocol):
    """The commands by which a profile starts, stops and follows workers."""

    def known(self) -> dict[str, Service]:
        """Workers that the profile has commands for."""

    def shown(self, name: str, deed: Deed) -> str:
        """A command as a person would type it. Raises `Refused` when there is none."""

    async def run(self, name: str, deed: Deed, *, timeout: float = 60.0) -> Ran:
        """Run a command to its end. Raises `Refused` when it cannot be started."""
