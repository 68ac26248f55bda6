"""Counts and quantiles in two bounded rings: a value a second, and a value a minute."""

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


class Levels(NamedTuple):
    """How things stand at one moment; `None` is unknown."""

    backlog: float | None
    unacked: float | None
    workers: float | None
    active: float | None
    lag: float | None


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

    def read(self) -> Series:
        """A copy."""
        return Series(
            step=self.step, end=self.end, values={name: list(ring) for name, ring in self.values.items()}
        )


class Meter:
    """Told once a second what was counted within it, and how things stand."""

    def __init__(self) -> None:
        self._minute = Cell()
        self._seconds = 0
        self._fine, self._coarse = Ring(1.0, FINE), Ring(MINUTE, COARSE)

    def tick(self, now: float, counted: Cell, levels: Levels) -> None:
        """A second is over."""
        self._fine.append(_values(counted, 1.0, levels), now)
        self._minute.merge(counted)
        self._seconds += 1
        if self._seconds >= MINUTE:
            self._coarse.append(_values(self._minute, MINUTE, levels), now)
            self._minute, self._seconds = Cell(), 0

    def recent(self, name: str) -> int:
        """How many events of a rate's series the last minutes saw."""
        return round(sum(filter(None, self._fine.values[name])))

    def read(self) -> Metrics:
        """Both rings."""
        return Metrics(fine=self._fine.read(), coarse=self._coarse.read())
