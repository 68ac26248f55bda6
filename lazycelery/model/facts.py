"""What checks look at, beside workers and queues. References into the store: never written."""

from __future__ import annotations

from typing import Any

import msgspec

from lazycelery.model.reports import TaskLimits, TaskReport
from lazycelery.model.worker import Worker

SAME = 2.0
"""Seconds by which two clocks may tell the same moment."""


class Whole(msgspec.Struct, frozen=True):
    """What a worker held, by all of its lists told in one round; our clock."""

    at: float
    ids: frozenset[str]


class WorkerFacts(msgspec.Struct, kw_only=True):
    """A worker, and what it told of itself. `None`: it was not asked, or did not answer."""

    worker: Worker
    conf: dict[str, Any] | None = None
    """Its settings that differ from Celery's own."""
    active: list[TaskReport] | None = None
    reserved: list[TaskReport] | None = None
    scheduled: list[TaskReport] | None = None
    at: dict[str, float] = {}
    """When each list was told, our clock."""
    queues: list[str] | None = None
    registered: list[str] | None = None
    limits: dict[str, TaskLimits] = {}
    """Limits in force of tasks that have one, by name, as told with `registered`."""
    silent: float | None = None
    """Asked at this moment and has not answered since, our clock."""
    answered: float | None = None
    """Last answer, our clock."""
    began: float | None = None
    """When its process said that it started, where it came while we watched; else, about, by its uptime;
    our clock."""
    whole: Whole | None = None
    """All that it held when it was last asked for all of it: single lists are told more often."""
    listening: bool = False
    """Silent, although the broker counts a listener at its mailbox."""
    shut: bool = False
    """Silent, and the broker counted no listener at its mailbox when it was asked last."""
    closed: bool = False
    """Its mailbox was seen closed, and nothing was heard of it since: its connection has ended."""
    errors: dict[str, str] = {}

    @property
    def name(self) -> str:
        """The worker's name."""
        return self.worker.name

    def rate_of(self, task: str | None) -> str | None:
        """The rate limit by which it takes tasks of a name."""
        limits = self.limits.get(task or "")
        return limits.rate if limits is not None and limits.rate not in ("0", None) else None

    def took(self, flight: Flight) -> bool:
        """Whether this process may have taken a message: not what was delivered to the one before it."""
        since = flight.delivered or flight.since
        return self.began is None or since is None or since > self.began - SAME

    @property
    def alive(self) -> bool:
        """Whether it can still take messages, as far as seen."""
        return self.worker.state in ("online", "busy")


class TaskSeen(msgspec.Struct, kw_only=True):
    """A task in a few fields."""

    id: str
    name: str | None = None
    worker: str | None = None
    queue: str | None = None
    since: float | None = None
    """When it came into its state; for a running one its start. Epoch seconds."""
    attempts: int = 0
    retries: int = 0
    usual: float | None = None
    """95 % of the ended runs of its name took less, seconds."""
    runs: int = 0
    """Runs from which `usual` is known."""
    error: str | None = None
    eta: float | None = None
    """Epoch seconds."""
    said: bool = False
    """Of a running one: the result backend alone says so, which keeps that it began."""


class NameFacts(msgspec.Struct, kw_only=True):
    """How tasks of one name went lately, and before."""

    name: str
    ended: int = 0
    """Ended within the last minutes."""
    failed: int = 0
    retried: int = 0
    """Runs of the last minutes that are a second try, or wait for one."""
    first_failed: float | None = None
    usual_ended: int = 0
    """Ended before."""
    usual_failed: int = 0
    error: str | None = None
    """The newest error."""
    worker: str | None = None
    """Where it was raised."""


class TaskFacts(msgspec.Struct, kw_only=True):
    """The tasks, counted by columns."""

    window: float = 120.0
    """Seconds that count as lately."""
    running: list[TaskSeen] = []
    """The longest running, oldest first."""
    scheduled: list[TaskSeen] = []
    """Those that workers hold until an ETA, the latest ETA first."""
    held: list[TaskSeen] = []
    """Those that workers have received and not started, by their events, oldest first."""
    lost: list[TaskSeen] = []
    lost_beyond: dict[str | None, int] = {}
    """How many more, by worker."""
    again: list[TaskSeen] = []
    """Delivered again and again, lately."""
    names: dict[str, NameFacts] = {}
    """Names with failures or retries lately."""
    unknown: list[TaskSeen] = []
    """Failed lately because their worker does not know the name."""
    waiting: dict[tuple[str, str], int] = {}
    """Waiting tasks by name and queue, as far as we have seen their messages."""
    received: int = 0
    """Starts that events told."""
    sent: int = 0
    """Sendings that events told."""


class Flight(msgspec.Struct, kw_only=True):
    """A message that was delivered and not acknowledged."""

    id: str | None
    task: str | None
    queue: str
    delivered: float | None
    """Epoch seconds."""
    worker: str | None = None
    """Who told to have received it, and no end since."""
    since: float | None = None
    """When it did; epoch seconds."""
    moved: bool = False
    """Its task was taken or ended since it was seen: by now it may be acknowledged, or with somebody else."""


class Flights(msgspec.Struct, kw_only=True):
    """A bounded page of them, oldest first."""

    at: float
    messages: list[Flight] = []
    cut: bool = False


class Chord(msgspec.Struct, kw_only=True):
    """A chord that waits for some of its members."""

    group: str
    done: int
    size: int
    members: list[str] = []
    """Ids of some members that are done."""
    names: list[str] = []
    """Their names, as far as known."""
    since: float = 0.0
    """When a member was done last, as far as we saw; epoch seconds."""


class BrokerFacts(msgspec.Struct, kw_only=True):
    """What the broker tells of itself. `None`: it does not tell, or may not."""

    at: float
    began: float | None = None
    """When the server started, where what was delivered before outlives that; epoch seconds, rather early."""
    memory: int | None = None
    """Bytes in use."""
    memory_limit: int | None = None
    """Bytes; 0 means none."""
    policy: str | None = None
    """What Redis does when memory is full."""
    evicted: int | None = None
    """Keys it has thrown away since its start."""
    machine: int | None = None
    """Bytes of memory of its machine."""
    reply_queues: int | None = None
    """Reply queues that bindings name."""
    blocked: str | None = None
    """Why it takes no messages, where it says so."""
    event_backlog: dict[str, int] = {}
    """Messages in queues of other monitors, by queue."""
    tells_alarms: bool = False
    """Whether it says when it takes no messages."""
    tells_events: bool = False
    """Whether queues of monitors are counted."""
    tells_queues: bool = True
    """Whether it names every queue there is."""
    tells_letters: bool = False
    """Whether it is known where dead letters go."""
    management: str | None = None
    """Why the management API that the profile names does not answer; `None` also when none is named."""
    management_cure: str = ""
    """What a person can do about that."""
    elsewhere: list[str] = []
    """Other databases with keys, or other virtual hosts, on the same server; asked where nothing is here."""
    refused: str | None = None
    """Why it did not tell."""
