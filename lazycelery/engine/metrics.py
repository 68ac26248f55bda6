"""Counts and quantiles in two bounded rings: a value a second, and a value a minute."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from lazycelery.model.event import Event
from lazycelery.model.metrics import LEVELS, RATES, TIMES, Metrics, Series
from lazycelery.store.sketch import Buckets, bucket, merge, quantiles

FINE, COARSE = 300, 240
"""Values kept: five minutes of seconds, four hours of minutes."""
MINUTE = 60
RATE_OF = {
    "task-sent": "sent",
    "task-received": "received",
    "task-started": "started",
    "task-succeeded": "succeeded",
    "task-failed": "failed",
    "task-retried": "retried",
    "task-revoked": "revoked",
}


class Levels(NamedTuple):
    """How things stand at one moment; `None` is unknown."""

    backlog: float | None
    unacked: float | None
    workers: float | None
    active: float | None
    lag: float | None


class Step:
    """What happened within one second, or one minute."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.runtime: Buckets = {}
        self.wait: Buckets = {}

    def merge(self, other: Step) -> None:
        """Take in a shorter step."""
        self.counts.update(other.counts)
        merge(self.runtime, other.runtime)
        merge(self.wait, other.wait)

    def values(self, seconds: float, levels: Levels) -> dict[str, float | None]:
        """One value for every series."""
        found: dict[str, float | None] = {name: self.counts[name] / seconds for name in RATES}
        for name, buckets in (("runtime", self.runtime), ("wait", self.wait)):
            found[f"{name}_p50"], found[f"{name}_p95"] = quantiles(buckets, (0.5, 0.95))
        return {**found, **levels._asdict()}


class Ring:
    """The last values of every series."""

    def __init__(self, step: float, size: int) -> None:
        self.step = step
        self.end = 0.0
        self.values: dict[str, deque[float | None]] = {
            name: deque(maxlen=size) for name in (*RATES, *TIMES, *LEVELS)
        }

    def append(self, values: dict[str, float | None], end: float) -> None:
        """Add a step's values."""
        self.end = end
        for name, ring in self.values.items():
            ring.append(values[name])

    def read(self) -> Series:
        """A copy."""
        return Series(
            step=self.step, end=self.end, values={name: list(ring) for name, ring in self.values.items()}
        )


class Meter:
    """Fed with every event, and once a second with how things stand."""

    def __init__(self, wait_of: Callable[[str], float | None]) -> None:
        self._wait_of = wait_of
        self._second, self._minute = Step(), Step()
        self._seconds = 0
        self._fine, self._coarse = Ring(1.0, FINE), Ring(MINUTE, COARSE)

    def count(self, events: Iterable[Event]) -> None:
        """Count events that the store has already taken in."""
        step = self._second
        for event in events:
            name = RATE_OF.get(event.type)
            if name is None:
                continue
            step.counts[name] += 1
            if event.type == "task-succeeded" and isinstance(event.runtime, float):
                _add(step.runtime, event.runtime)
            elif event.type == "task-started" and event.uuid:
                wait = self._wait_of(event.uuid)
                if wait is not None:
                    _add(step.wait, wait)

    def tick(self, now: float, levels: Levels) -> None:
        """A second is over."""
        self._fine.append(self._second.values(1.0, levels), now)
        self._minute.merge(self._second)
        self._second = Step()
        self._seconds += 1
        if self._seconds >= MINUTE:
            self._coarse.append(self._minute.values(MINUTE, levels), now)
            self._minute, self._seconds = Step(), 0

    def recent(self, name: str) -> int:
        """How many events of a rate's series the last minutes saw; the second under way is among them."""
        return round(sum(filter(None, self._fine.values[name]))) + self._second.counts[name]

    def read(self) -> Metrics:
        """Both rings."""
        return Metrics(fine=self._fine.read(), coarse=self._coarse.read())


def _add(buckets: Buckets, seconds: float) -> None:
    place = bucket(seconds)
    buckets[place] = buckets.get(place, 0) + 1
