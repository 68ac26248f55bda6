"""The events that another monitor has written last: who takes over has heard them too."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lazycelery.store.history import events as packing

SPAN = 15.0
"""Seconds before the last one: more than passes between two looks whether the other one has gone."""
Key = tuple[int | str, float, int, int]
"""Its kind, the sender's clock, and the file's numbers of worker and task."""
Stray = tuple[int | str, float, int]
"""The same of an event whose task got no row: who wrote it was killed before. Ours has another number."""


class Overlap:
    """Those of one file."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Raises `sqlite3.Error`."""
        self.until: float = database.execute("SELECT max(last) FROM events").fetchone()[0] or 0.0
        """When the last one was received, epoch seconds."""
        self.since = 0
        """The number of the batch before those that count."""
        self._keys = set[Key]()
        self._strays: dict[Stray, list[int]] = {}
        self._settled: dict[int, int] = {}
        numbers, near = list[int](), (self.until - SPAN,)
        for n, body in database.execute("SELECT n, body FROM events WHERE last >= ? AND last > 0", near):
            numbers.append(n)
            try:
                self._keys.update(zip(*packing.columns_of(body), strict=True))
            except (ValueError, IndexError):
                continue
        if not self._keys:
            return
        self.since = min(numbers) - 1
        tasks = {key[3] for key in self._keys if key[3]}
        rows = database.execute("SELECT n FROM tasks WHERE n >= ?", (min(tasks),)) if tasks else ()
        tasks.difference_update(n for (n,) in rows)
        for key in [key for key in self._keys if key[3] in tasks]:
            self._keys.remove(key)
            self._strays.setdefault(key[:3], []).append(key[3])

    def over(self, received: float) -> bool:
        """Whether none of those that came from this moment on can be there."""
        return not (self._keys or self._strays) or received > self.until + SPAN

    def fresh(
        self,
        kinds: Sequence[int | str],
        at: Sequence[float],
        workers: Sequence[int],
        tasks: Sequence[int],
    ) -> npt.NDArray[np.intp]:
        """The places of those that are not there."""
        places = []
        for place, key in enumerate(zip(kinds, at, workers, tasks, strict=True)):
            if key in self._keys:
                continue
            if key[3] and (strays := self._strays.get(key[:3])):
                self._settled[strays.pop()] = key[3]
                continue
            places.append(place)
        return np.array(places, dtype=np.intp)

    def settled(self) -> dict[int, int]:
        """The rows of the tasks of which events told numbers without one, once each."""
        settled, self._settled = self._settled, {}
        return settled
