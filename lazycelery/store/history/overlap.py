"""The events that another monitor has written last: who takes over has heard them too."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lazycelery.store.history import events as packing

SPAN = 15.0
"""Seconds before the last one: more than passes between two looks whether the other one has gone."""
LAST = 256
"""Batches among which the last moment is looked for."""
Key = tuple[int | str, float, int, int]
"""Its kind, the sender's clock, and the file's numbers of worker and task."""
Stray = tuple[int | str, float, int]
"""The same of an event whose task got no row: who wrote it was killed before. Ours has another number."""


class Overlap:
    """Those of one file."""

    def __init__(self, database: sqlite3.Connection, now: float) -> None:
        """Raises `sqlite3.Error`."""
        query = "SELECT last FROM events WHERE typeof(last) = 'real' ORDER BY n DESC LIMIT ?"
        told = [float(last) for (last,) in database.execute(query, (LAST,))]
        self.until = max([last for last in told if last <= now] or told, default=0.0)
        """When the last one was received, epoch seconds. What stands there may be of later than now: damaged,
        or told by a clock that was ahead."""
        self.since = 0
        """The number of the batch before those that count."""
        self._keys = set[Key]()
        self._strays: dict[Stray, list[int]] = {}
        self._numbers: dict[int, int] = {}
        """What strays tell a task of ours as."""
        self._told = set[int]()
        self._settled: dict[int, int] = {}
        numbers, near = list[int](), (self.until - SPAN,)
        for n, body in database.execute("SELECT n, body FROM events WHERE last >= ? AND last > 0", near):
            numbers.append(n)
            try:
                self._keys.update(zip(*packing.columns_of(body), strict=True))
            except (ValueError, IndexError, TypeError):
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
        keys = [*zip(kinds, at, workers, tasks, strict=True)]
        fresh = set(keys) - self._keys if self._strays else ()
        alike = Counter(key[:3] for key in fresh if key[:3] in self._strays)
        places = [
            place
            for place, key in enumerate(keys)
            if key not in self._keys and not (key[:3] in alike and self._strayed(key, alike[key[:3]]))
        ]
        return np.array(places, dtype=np.intp)

    def _strayed(self, key: Key, alike: int) -> bool:
        """Whether this event, which so many of ours are `alike`, is a stray. What may be one of several is
        told twice rather than lost."""
        strays, task = self._strays[key[0], key[1], key[2]], key[3]
        number = self._numbers.get(task)
        if number is None and task and len(strays) == alike == 1 and strays[0] not in self._told:
            number = self._numbers[task] = strays[0]
            self._told.add(number)
        if number is None or number not in strays:
            return False
        strays.remove(number)
        self._settled[number] = task
        return True

    def settled(self) -> dict[int, int]:
        """The rows of the tasks of which events told numbers without one, once each."""
        settled, self._settled = self._settled, {}
        return settled
