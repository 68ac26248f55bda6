"""The whole cluster at a glance, and how well we see it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from lazycelery.model.finding import Finding, Kind
from lazycelery.model.history import HistoryStatus
from lazycelery.model.reel import Reel
from lazycelery.model.relief import Relief

Link = Literal["connecting", "connected", "lost", "refused", "off"]


class SourceHealth(msgspec.Struct, kw_only=True):
    """One of the four sources, and how it does."""

    name: str
    """broker, events, control, results"""
    state: Link = "connecting"
    since: float = 0.0
    reason: str = ""
    hint: str = ""
    code: str = ""
    """The kind of the problem, as `LazyCeleryError.code` has it."""
    next_try: float | None = None
    """When it tries again, epoch seconds."""
    gaps: int = 0
    """How often it broke and came back: what happened meanwhile may be missing."""
    last: float | None = None
    """Last data, epoch seconds."""


class Notice(msgspec.Struct, kw_only=True):
    """Something a person should know now, with the cure: a finding in few fields, or a remark."""

    code: str
    severity: Literal["info", "warning", "critical"]
    title: str
    subject: str = ""
    hint: str = ""
    since: float | None = None
    kind: Kind = "cluster"
    """What the subject is."""


class TapeStatus(msgspec.Struct, kw_only=True):
    """A recording that is made (`--record`)."""

    path: str
    missing: int = 0
    """Events that are not in it, as they could not be written in time."""
    problem: str = ""
    """Why it has ended; "" while it goes on."""


class Load(msgspec.Struct, kw_only=True):
    """What we cost, measured."""

    commands_per_second: float | None = None
    """Broker commands we sent, mean of the last 10 s."""
    cpu: float | None = None
    """Share of one core, 0 to 1, engine process."""
    rss: int | None = None


Awaited = Literal["", "answers", "workers"]


class Overview(msgspec.Struct, kw_only=True):
    """The header line, the badges and the counts."""

    stamp: int = 0
    now: float = 0.0
    profile: str = ""
    broker: str = ""
    """The URL without credentials."""
    transport: str = ""
    production: bool = False
    read_only: bool = True
    allowed: list[str] = []
    """Permissions open now."""
    may_unlock: list[str] = []
    """Permissions `W` would open; empty: the profile does not permit unlocking."""
    sources: list[SourceHealth] = []
    connected: bool = False
    ever_connected: bool = False
    events_per_second: float = 0.0
    events_seen: int = 0
    events_malformed: int = 0
    """Events left out because they cannot be read, or make no sense."""
    lag: float | None = None
    """Median seconds from an event's timestamp to us, skew taken out."""
    loss: float | None = None
    load: Load = msgspec.field(default_factory=Load)
    relief: Relief = msgspec.field(default_factory=Relief)
    """What is let go, because more comes in than can be taken."""
    workers_online: int = 0
    workers_total: int = 0
    queues_total: int = 0
    tasks_total: int = 0
    tasks_by_state: dict[str, int] = {}
    backlog: int | None = None
    """Messages that wait in the queues whose depth is known; `None` when none is."""
    failures: int | None = None
    """Failures heard of in the last five minutes (or since `first_seen`); `None` when nobody tells of any."""
    events_enabled: bool = False
    """True while this session holds task events switched on."""
    notices: list[Notice] = []
    """The findings in short, and remarks of the connection."""
    findings: list[Finding] = []
    """What the doctor finds, most severe first."""
    snoozed: list[Finding] = []
    """What it finds too, and somebody put off."""
    lacks: dict[str, str] = {}
    """What the broker's transport does not have, and why: events, control, peek, purge …"""
    history: HistoryStatus = msgspec.field(default_factory=HistoryStatus)
    recording: TapeStatus | None = None
    """What this engine records; `None` where it was not told to."""
    reel: Reel | None = None
    """Where the recording is that plays; `None` for a cluster that lives."""
    awaited: Awaited = ""
    """In the first seconds: the first answers, or workers that are known to be starting."""
    speed: float = 1.0
    """How fast `now` goes: another number in a replay, 0 where it has ended."""
    first_seen: float | None = None
    """When this engine began to watch."""


class LogLine(msgspec.Struct, kw_only=True):
    """One event for the live log and `lazycelery events`."""

    seq: int
    at: float
    """The sender's clock, epoch seconds."""
    received: float
    type: str
    worker: str
    id: str | None = None
    name: str | None = None
    text: str = ""
    """Error, result or run time in one short line."""
    event: dict[str, Any] = {}
    """The event's own fields, redacted; only on request."""


class LogPage(msgspec.Struct, kw_only=True):
    """Events after a sequence number."""

    lines: list[LogLine] = []
    last: int = 0
    missed: int = 0
    """Events that left the ring before they could be read."""


class Tick(msgspec.Struct, kw_only=True):
    """What changed since a face last looked: compare, then ask for what is shown."""

    stamp: int = 0
    tasks: int = 0
    workers: int = 0
    queues: int = 0
    log: int = 0
    status: int = 0
    """Changes with connection, badges, notices."""
