"""The workers, as heartbeats, task events and control replies tell them."""

from __future__ import annotations

import re

from lazycelery.model.event import Event
from lazycelery.model.facts import Whole
from lazycelery.model.reports import ActiveQueue, TaskLimits, TaskReport, WorkerReport, WorkerStats
from lazycelery.store.loss import Loss
from lazycelery.store.skew import Skew
from lazycelery.store.way import Way

PUBLISHER = re.compile(r"gen\d+@")
"""Clients that publish name themselves so: they are no workers."""
MAX_WORKERS = 10_000


class WorkerRecord:
    """What is known of one worker."""

    def __init__(self, name: str, way: Way) -> None:
        self.name = name
        self.code = 0
        """The columns' number of its name, once it has sent a task event."""
        self.stamp = 0
        self.last_seen: float | None = None
        self.heartbeat: float | None = None
        """Last one, our clock."""
        self.freq: float | None = None
        self.active: int | None = None
        self.active_at = 0.0
        self.loadavg: list[float] | None = None
        self.software: str | None = None
        self.system: str | None = None
        """Its operating system, as Python's `platform.system` names it."""
        self.pid: int | None = None
        self.goodbye: float | None = None
        self.online = 0.0
        """When it last said that it has started, our clock."""
        self.began = 0.0
        """The same, but only where it is another process, and not one that connected again."""
        self.failed = 0
        self.last_start = 0.0
        self.last_end = 0.0
        """Newest start and end of a task that events told, the worker's clock."""
        self.skew = Skew(way)
        self.lag: float | None = None
        """Seconds by which its newest heartbeat (or batch) came late, skew taken out."""
        self.loss = Loss()
        self.blind: float | None = None
        """Since when we hear no events, our clock; `None` while we do."""
        # control
        self.control: float | None = None
        """Last answer, our clock."""
        self.silent: float | None = None
        """Asked at this moment and did not answer; `None` after an answer."""
        self.listening: float | None = None
        """When it was silent last although its mailbox had a listener."""
        self.shut: float | None = None
        """When it was silent last and its mailbox had none: two looks at that prove it gone."""
        self.gone: float | None = None
        """When its connection was found to have ended; any later sign of life takes it back."""
        self.back: float | None = None
        """When the connection came back after a gap: it may take a while to come back too."""
        self.stats: WorkerStats | None = None
        self.stats_at: float | None = None
        self.queues: list[ActiveQueue] | None = None
        self.registered: list[str] | None = None
        self.limits: dict[str, TaskLimits] = {}
        self.conf: dict[str, object] = {}
        self.conf_at: float | None = None
        self.lists: dict[str, list[TaskReport]] = {}
        self.lists_at: dict[str, float] = {}
        self.whole: Whole | None = None
        """All that it held, where all of it was told in one round."""
        self.errors: dict[str, str] = {}

    def time(self, timestamp: float, at: float, waiting: bool) -> float:
        """Note both times of an event; returns how late it came, in seconds. `waiting`: others waited behind
        it to be read."""
        self.lag = self.skew.take(timestamp, at, waiting)
        return self.lag


class Workers:
    """All known workers."""

    def __init__(self) -> None:
        self.known: dict[str, WorkerRecord] = {}
        self.changes = 0
        self.waiting = False
        """Whether others wait to be read behind the events that are taken in."""
        self.way = Way()
        self._ordered: list[WorkerRecord] = []

    def runs(self, name: str | None) -> tuple[float, set[str]] | None:
        """When a worker told last what it runs, our clock, and the ids; `None` while it has not."""
        record = self.known.get(name or "")
        if record is None or "active" not in record.lists:
            return None
        return record.lists_at["active"], {one.id for one in record.lists["active"]}

    def seen(self, event: Event) -> WorkerRecord | None:
        """The worker that sent an event; `None` for a publisher."""
        record = self.known.get(event.hostname) or self._add(event.hostname)
        if record is not None:
            record.last_seen = max(record.last_seen or 0.0, event.received or event.timestamp)
            record.gone = None
        return record

    def event(self, event: Event) -> None:
        """worker-online, worker-heartbeat, worker-offline; others of the kind are signs of life only."""
        record = self.seen(event)
        if record is None:
            return
        at = event.received or event.timestamp
        record.time(event.timestamp, at, self.waiting)
        if event.type == "worker-offline":
            record.goodbye = at
        elif event.type in ("worker-online", "worker-heartbeat"):
            self._beat(record, event, at)
        self.touch(record)

    def _beat(self, record: WorkerRecord, event: Event, at: float) -> None:
        if event.type == "worker-online" and _other_process(record, event):
            record.began = at
        if event.type == "worker-online" or record.goodbye is not None:
            record.silent = record.listening = record.shut = None  # Who was silent was the one before it.
        record.goodbye = None
        record.heartbeat = at
        record.pid = event.pid if event.pid is not None else record.pid
        # a heartbeat on demand (remote control) says 5 and counts nothing: not its true pace
        if event.freq is not None and event.processed is not None:
            record.freq = event.freq
        if event.active is not None:
            record.active, record.active_at = event.active, at
        if event.loadavg is not None:
            record.loadavg = [float(load) for load in event.loadavg[:3]]
        if event.sw_ident is not None:
            record.software = f"{event.sw_ident} {event.sw_ver or ''}".strip()
        record.system = event.sw_sys or record.system
        if event.type == "worker-online":
            record.loss.reset()
            record.online = at
        if event.processed is not None:
            record.loss.beat(event.processed)

    def report(self, report: WorkerReport) -> WorkerRecord | None:
        """What a round of control calls told."""
        record = self.known.get(report.worker) or self._add(report.worker)
        if record is None:
            return None
        at = report.at
        record.errors.update(report.errors)
        if report.ping is False and _could_hear(record, report):
            record.silent = record.silent if record.silent is not None else at
            record.listening = at if report.listening else None
            record.shut = at if report.listening is False else None
        elif _answered(report) and not _left_since(record, report):
            record.control, record.silent, record.goodbye = at, None, None
            record.listening = record.shut = record.gone = None
            record.last_seen = max(record.last_seen or 0.0, at)
        self._keep(record, report)
        self.touch(record)
        return record

    def _keep(self, record: WorkerRecord, report: WorkerReport) -> None:
        if report.stats is not None:
            record.stats, record.stats_at = report.stats, report.at
            record.pid = report.stats.pid if report.stats.pid is not None else record.pid
        record.queues = report.queues if report.queues is not None else record.queues
        if report.registered is not None:
            record.registered, record.limits = report.registered, report.limits
        if report.conf is not None:
            record.conf, record.conf_at = report.conf, report.at
        for phase in ("active", "reserved", "scheduled"):
            listed: list[TaskReport] | None = getattr(report, phase)
            if listed is not None:
                record.lists[phase] = listed
                record.lists_at[phase] = report.at
                record.errors.pop(phase, None)
        told = (report.active, report.reserved, report.scheduled)
        if all(tasks is not None for tasks in told):
            record.whole = Whole(
                at=report.at, ids=frozenset(task.id for tasks in told for task in tasks or ())
            )

    def by_name(self) -> list[WorkerRecord]:
        """All of them in the order of their names; not to be changed."""
        if not self._ordered:
            self._ordered = sorted(self.known.values(), key=lambda record: record.name)
        return self._ordered

    def forget(self, name: str) -> None:
        """Know it no more."""
        del self.known[name]
        self._ordered = []
        self.changes += 1

    def touch(self, record: WorkerRecord) -> None:
        """Note that a worker changed."""
        self.changes += 1
        record.stamp = self.changes

    def _add(self, name: str) -> WorkerRecord | None:
        if not name or PUBLISHER.match(name) or len(self.known) >= MAX_WORKERS:
            return None
        record = self.known[name] = WorkerRecord(name, self.way)
        self._ordered = []
        return record


def _other_process(record: WorkerRecord, event: Event) -> bool:
    """A worker says that it is online also when it comes back to its broker, or when events are switched on:
    what it has processed goes on then."""
    if record.pid is None or event.pid is None or event.pid != record.pid:
        return True
    return event.processed is not None and event.processed < (record.loss.processed or 0)


def _left_since(record: WorkerRecord, report: WorkerReport) -> bool:
    """Whether it said goodbye, or was seen to be gone, after it was asked: a round lasts seconds where one is
    silent, and who answered first may have stopped by its end."""
    went = max(record.goodbye or 0.0, record.gone or 0.0)
    return report.asked is not None and report.asked <= went <= report.at


def _could_hear(record: WorkerRecord, report: WorkerReport) -> bool:
    """Whether a question that got no answer proves silence: not one from before the worker came, or from
    before the broker came back."""
    return report.asked is None or report.asked >= max(record.online, record.back or 0.0)


def _answered(report: WorkerReport) -> bool:
    return bool(report.ping) or any(
        told is not None
        for told in (
            report.stats,
            report.queues,
            report.registered,
            report.active,
            report.reserved,
            report.scheduled,
        )
    )
