"""A worker, as all sources together tell it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

WorkerState = Literal["online", "offline", "busy", "deaf", "unknown"]
SILENT = "silent"
"""How the `why` of a worker begins that beats or listens, and answers no question."""


class Worker(msgspec.Struct, kw_only=True):
    """Field names are the JSON contract of `lazycelery workers`. Unknown is `None`, never 0."""

    name: str
    state: WorkerState = "unknown"
    pool: str | None = None
    concurrency: int | None = None
    processes: list[int] = []
    queues: list[str] = []
    active: int | None = None
    reserved: int | None = None
    scheduled: int | None = None
    processed: int | None = None
    failed: int | None = None
    """Failures seen since we watch."""
    prefetch: int | None = None
    pid: int | None = None
    uptime: float | None = None
    loadavg: list[float] | None = None
    rss: int | None = None
    software: str | None = None
    heartbeat_age: float | None = None
    clock_skew: float | None = None
    """Its clock minus ours, seconds."""
    lag: float | None = None
    """Seconds by which its newest event came late here, skew taken out."""
    loss: float | None = None
    """Share of its finished tasks whose events never reached us, 0 to 1."""
    why: str | None = None
    """The verdict in one sentence, when it is not simply online."""
    events: bool | None = None
    """Whether it sends task events, as far as seen."""
    last_seen: float | None = None
    """Any sign of life, our clock, epoch seconds."""
    stopped: float | None = None
    """When it said goodbye, or was found lost."""
    lost: bool = False
    """Offline without goodbye."""
    sources: dict[str, str] = {}
    control_age: float | None = None
    """Seconds since it last answered a control call."""
    freq: float | None = None
    """Seconds between its heartbeats."""
    registered: int | None = None
    """Number of task types it knows."""
    stamp: int = 0

    @property
    def word(self) -> str:
        """The state as people read it: `busy` are its slots, `silent` is one that is there and answers
        nobody (in JSON `busy` too)."""
        silent = self.state == "busy" and (self.why or "").startswith(SILENT)
        return SILENT if silent else self.state


class WorkerLoad(NamedTuple):
    """The few facts of a worker that are measured each second, in the order in which they are recorded."""

    state: WorkerState
    active: int | None
    processed: int | None
    loadavg: float | None
    """Of one minute."""


class WorkerDetail(msgspec.Struct, kw_only=True):
    """A worker with the lists behind its numbers."""

    worker: Worker
    active: list[dict[str, object]] = []
    """{id, name, args, since, pid, age}; args is a short text."""
    reserved: list[dict[str, object]] = []
    scheduled: list[dict[str, object]] = []
    registered: list[str] = []
    conf: dict[str, object] = {}
    totals: dict[str, int] = {}
    errors: dict[str, str] = {}
    at: float | None = None
    """When the oldest of the lists was fetched, epoch seconds; `None` while one never was."""


class Pulse(msgspec.Struct, kw_only=True):
    """How a worker answers now. Times in seconds, memory in bytes; unknown is `None`."""

    worker: str
    ping: float | None = None
    """From the question to its answer; `None`: it did not answer in time."""
    clock: int | None = None
    """Its logical (Lamport) clock."""
    memory: int | None = None
    """Resident memory of its main process now; it tells it only where psutil is installed."""
    peak: int | None = None
    """The most that its main process ever took."""
    uptime: float | None = None
    pid: int | None = None
    why: str | None = None
    """What is missing, in words."""
