"""What keys did in the same clock hour some days ago, out of hours that are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from lazycelery.store.rings import Cell, Kept

HOUR, DAY, WEEK = 3600.0, 86_400.0, 604_800.0
WATCHED = 0.5
"""Share of a minute or hour that must have been seen: else nothing is said of it."""
ENDED = (3, 4, 5)
"""Counts of runs that ended: succeeded, failed, retried."""


def ended(cell: Cell | None) -> int:
    """Runs that ended, whichever way a worker ends one."""
    return sum(cell.counts[place] for place in ENDED) if cell else 0


class Ago:
    """Runs a second by key, `apart` seconds ago: a day is 24 hours, also where clocks are set in between."""

    def __init__(self, hours: Callable[[], Iterable[Kept]], apart: float) -> None:
        self._hours, self._apart = hours, apart
        self._known: dict[float, tuple[float, Counter[int]]] = {}
        """Seconds that were watched of an hour, and runs by key."""

    def forget(self) -> None:
        """The hours have changed."""
        self._known.clear()

    def rates(self, key: int, now: float) -> tuple[float | None, float | None]:
        """In this clock hour then, and in the one after it; `None` was not watched."""
        return self._rate(key, now), self._rate(key, now + HOUR)

    def seen(self, at: float) -> float:
        """Seconds that were watched of the hour that lies so long before `at`."""
        return sum(kept.seen for kept in self._steps(at))

    def _rate(self, key: int, at: float) -> float | None:
        hour = (at - self._apart) // HOUR
        known = self._known.get(hour)
        if known is None:
            seen, cells = self.seen(at), [kept.cells for kept in self._steps(at)]
            counts: Counter[int] = Counter()
            for step in cells if seen >= WATCHED * HOUR else ():
                for each, cell in step.items():
                    counts[each] += ended(cell)
            if len(self._known) > 4:
                self._known.clear()
            known = self._known[hour] = seen, counts
        seen, counts = known
        return counts[key] / seen if seen >= WATCHED * HOUR else None

    def _steps(self, at: float) -> list[Kept]:
        hour = (at - self._apart) // HOUR
        return [kept for kept in self._hours() if kept.at // HOUR == hour]
