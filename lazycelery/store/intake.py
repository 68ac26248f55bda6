"""Events in batches: put in order, mended where they are wrong, handed to tasks, workers and queues."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from lazycelery.model.event import Event
from lazycelery.store.columns import Columns
from lazycelery.store.loss import Lag, Rate
from lazycelery.store.marks import PAST, SOURCES
from lazycelery.store.merge import EventMerge
from lazycelery.store.queues import Queues
from lazycelery.store.statistics import Figures
from lazycelery.store.values import bounded
from lazycelery.store.workers import Workers

MAX_ID = 512
EVENT = SOURCES["event"]
_TEXTS = (
    *("name", "args", "kwargs", "root_id", "parent_id", "eta", "expires", "queue", "exchange", "routing_key"),
    *("result", "exception", "traceback", "sw_ident", "sw_ver", "sw_sys"),
)
_NUMBERS = ("runtime", "freq")
_COUNTS = ("pid", "clock", "retries", "active", "processed")


class Intake:
    """Takes events in, whatever they hold."""

    def __init__(self, columns: Columns, merge: EventMerge, workers: Workers, queues: Queues) -> None:
        self.columns = columns
        self.merge = merge
        self.workers = workers
        self.queues = queues
        self.figures = Figures(columns)
        self.seen = 0
        self.malformed = 0
        self.received = 0
        """Starts that events told."""
        self.sent = 0
        """Sendings that events told."""
        self.rate = Rate()
        self.lag = Lag()
        self.latest = 0.0
        """Arrival of the newest batch, our clock."""

    def apply(self, events: Sequence[Event]) -> None:
        """Take in a batch."""
        if not events:
            return
        for event in in_order(events):
            try:
                self._one(event)
            except (TypeError, ValueError, OverflowError, AttributeError):
                self._mended(event)
        self.seen += len(events)
        self._measure(events[-1], len(events))

    def _mended(self, event: Event) -> None:
        better = mend(event)
        try:
            if better is not None:
                self._one(better)
                return
        except (TypeError, ValueError, OverflowError, AttributeError):
            pass
        self.malformed += 1

    def _measure(self, event: Event, count: int) -> None:
        at = event.received
        if not isinstance(at, float) or not isinstance(event.timestamp, (float, int)):
            return
        self.latest = at
        self.rate.add(at, count)
        record = self.workers.known.get(event.hostname) if isinstance(event.hostname, str) else None
        if record is not None:
            record.skew.add(event.timestamp, at)
            self.lag.add(event.timestamp, at, record.skew.seconds or 0.0)

    def _one(self, event: Event) -> None:
        kind = event.type
        handler = self.merge.handlers.get(kind)
        if handler is not None:
            self._task(event, handler(_checked(event)))
        elif kind.startswith("worker-"):
            self.workers.event(event)
        elif event.uuid is not None and (kind.startswith("task-") or event.uuid in self.columns.slots):
            slot = self.merge.custom(_checked(event))
            self.columns.seen[slot] = event.received or event.timestamp
            self.columns.touch(slot)

    def _task(self, event: Event, slot: int) -> None:
        columns = self.columns
        columns.seen[slot] = event.received or event.timestamp
        columns.sources[slot] |= EVENT
        if columns.marks[slot] & PAST:
            columns.marks[slot] &= ~PAST
        columns.changes += 1
        columns.stamp[slot] = columns.changes
        kind = event.type
        if kind == "task-sent":
            self.sent += 1
            self.figures.count(kind, slot, 0, event.timestamp)
            queue = columns.queue[slot]
            if queue:
                self.queues.record(columns.queues.texts[queue] or "").sent += 1
            return
        known = self.workers.known.get(event.hostname)
        record = known if known is not None else self.workers.seen(event)
        if record is None:
            return
        self.figures.count(kind, slot, columns.workers.code(event.hostname), event.timestamp)
        record.last_seen = event.received or event.timestamp
        record.loss.task_event()
        if kind == "task-started":
            record.loss.started += 1
            record.last_start = event.timestamp
            self.received += 1
            queue = columns.queue[slot]
            if queue:
                self.queues.record(columns.queues.texts[queue] or "").taken += 1
        elif kind != "task-received":
            record.last_end = event.timestamp
            if kind == "task-failed":
                record.failed += 1
                self.workers.touch(record)


def in_order(events: Sequence[Event]) -> Sequence[Event]:
    """The batch with the events of each sender in the order of its clock, each sender in its old places."""
    last: dict[str, int] = {}
    try:
        for event in events:
            clock = event.clock
            if clock is not None:
                if last.get(event.hostname, clock) > clock:
                    return _sorted(events)
                last[event.hostname] = clock
    except (TypeError, AttributeError):
        pass
    return events


def _sorted(events: Sequence[Event]) -> list[Event]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, event in enumerate(events):
        # custom events come from child processes with clocks of their own
        if event.clock is not None and event.type.startswith(("task-", "worker-")) and event.extra is None:
            places[event.hostname].append(place)
    ordered = list(events)
    for own in places.values():
        for place, source in zip(own, sorted(own, key=lambda place: events[place].clock or 0), strict=True):
            ordered[place] = events[source]
    return ordered


def mend(event: Event) -> Event | None:
    """A copy with every field of its right type, or unknown; `None` when nothing sensible is left."""
    if not isinstance(event.type, str) or not _finite(event.timestamp):
        return None
    fields: dict[str, Any] = {
        "type": event.type,
        "hostname": event.hostname[:MAX_ID] if isinstance(event.hostname, str) else "",
        "timestamp": float(event.timestamp),
        "received": float(event.received) if _finite(event.received) else 0.0,
        "uuid": event.uuid if isinstance(event.uuid, str) and len(event.uuid) <= MAX_ID else None,
    }
    if fields["uuid"] is None and event.type.startswith("task-"):
        return None
    for name in _TEXTS:
        value = getattr(event, name)
        fields[name] = None if value is None else bounded(value)
    for name in _NUMBERS:
        fields[name] = float(getattr(event, name)) if _finite(getattr(event, name)) else None
    for name in _COUNTS:
        fields[name] = _count(getattr(event, name))
    for name in ("terminated", "expired", "requeue"):
        fields[name] = getattr(event, name) is True
    if isinstance(event.loadavg, list) and all(_finite(load) for load in event.loadavg):
        fields["loadavg"] = [float(load) for load in event.loadavg[:3]]
    return Event(**fields, extra=event.extra if isinstance(event.extra, dict) else None)


def _checked(event: Event) -> Event:
    """The event itself when its own fields have their types. Raises `TypeError`."""
    uuid = event.uuid
    if type(uuid) is not str or len(uuid) > MAX_ID or type(event.hostname) is not str:
        raise TypeError("not a task event")
    if not math.isfinite(event.timestamp):
        raise ValueError("not a time")
    return event


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _count(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 62:
        return value
    return None
