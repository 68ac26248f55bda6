"""Counts and quantiles in two bounded rings: a value a second, and a value a minute.

Of a live cluster the seconds are ours. Those of a recording come as it plays: many in one of ours, or none.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from lazycelery.model.metrics import LEVELS, RATES, TIMES, Metrics, Series
from lazycelery.store.rings import Cell
from lazycelery.store.sketch import quantiles
from lazycelery.store.statistics import COUNTED

FINE, COARSE = 300, 240
"""Values kept: five minutes of seconds, four hours of minutes."""
MINUTE = 60
PLACES = {name.removeprefix("task-"): place for name, place in COUNTED.items()}


NOTHING: dict[str, float | None] = dict.fromkeys((*RATES, *TIMES, *LEVELS))
"""Of a second that nobody saw."""


class Levels(NamedTuple):
    """How things stand at one moment; `None` is unknown."""

    backlog: float | None
    unacked: float | None
    workers: float | None
    active: float | None
    lag: float | None


UNKNOWN = Levels(None, None, None, None, None)


def _values(cell: Cell, seconds: float, levels: Levels) -> dict[str, float | None]:
    """One value for every series."""
    found: dict[str, float | None] = {name: cell.counts[PLACES[name]] / seconds for name in RATES}
    for name, buckets in (("runtime", cell.runtime), ("wait", cell.wait)):
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

    def amend(self, values: dict[str, float | None]) -> None:
        """The newest step's value of some series is another one."""
        for name, value in values.items():
            if self.values[name]:
                self.values[name][-1] = value

    def copy(self) -> Ring:
        """Another one, which goes its own way."""
        made = Ring(self.step, 0)
        made.end = self.end
        made.values = {name: ring.copy() for name, ring in self.values.items()}
        return made

    def read(self) -> Series:
        """A copy."""
        return Series(
            step=self.step, end=self.end, values={name: list(ring) for name, ring in self.values.items()}
        )


class Meter:
    """Told of each second what was counted within it, and how things stand."""

    def __init__(self) -> None:
        self._minute = Cell()
        self._seconds = 0
        self._fine, self._coarse = Ring(1.0, FINE), Ring(MINUTE, COARSE)
        self._levels, self._looked = UNKNOWN, 0.0
        """As a recording's moment was looked at last, and which moment it was."""

    def tick(self, now: float, counted: Cell, levels: Levels) -> None:
        """A second is over."""
        self._fine.append(_values(counted, 1.0, levels), now)
        self._minute.merge(counted)
        self._seconds += 1
        if self._seconds >= MINUTE:
            self._coarse.append(_values(self._minute, MINUTE, levels), now)
            self._minute, self._seconds = Cell(), 0

    def played(self, at: float, counted: Cell, most: float) -> None:
        """A second of a recording is over. Its levels are those of the last look, if that was at most `most`
        seconds of the recording ago: nobody looks at each of its seconds."""
        away = max(0, round(at - self._fine.end) - 1) if self._fine.end else 0
        for ring, steps in ((self._fine, min(away, FINE)), (self._coarse, min(away // MINUTE, COARSE))):
            for _ in range(steps):
                ring.append(NOTHING, at)  # Its maker was away.
        self.tick(at, counted, self._levels if at - self._looked <= most else UNKNOWN)

    def looked(self, at: float, levels: Levels) -> None:
        """How a moment of a recording stands: so ends its newest second."""
        self._levels, self._looked = levels, at
        if at - self._fine.end < 1.0:
            self._fine.amend(levels._asdict())

    def copy(self) -> Meter:
        """As it is now: for a moment of a recording that is kept."""
        made = Meter()
        made._minute.merge(self._minute)
        made._seconds = self._seconds
        made._fine, made._coarse = self._fine.copy(), self._coarse.copy()
        return made

    def recent(self, name: str) -> int:
        """How many events of a rate's series the last minutes saw."""
        return round(sum(filter(None, self._fine.values[name])))

    def read(self) -> Metrics:
        """Both rings."""
        return Metrics(fine=self._fine.read(), coarse=self._coarse.read())
