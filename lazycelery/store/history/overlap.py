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


class Overlap:
    """Those of one file."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Raises `sqlite3.Error`."""
        self.until: float = database.execute("SELECT max(last) FROM events").fetchone()[0] or 0.0
        """When the last one was received, epoch seconds."""
        self._keys = set[Key]()
        since = self.until - SPAN
        for (body,) in database.execute("SELECT body FROM events WHERE last >= ? AND last > 0", (since,)):
            try:
                self._keys.update(zip(*packing.columns_of(body), strict=True))
            except (ValueError, IndexError):
                continue

    def over(self, received: float) -> bool:
        """Whether none of those that came from this moment on can be there."""
        return not self._keys or received > self.until + SPAN

    def fresh(
        self,
        kinds: Sequence[int | str],
        at: Sequence[float],
        workers: Sequence[int],
        tasks: Sequence[int],
    ) -> npt.NDArray[np.intp]:
        """The places of those that are not there."""
        keys = zip(kinds, at, workers, tasks, strict=True)
        return np.array([place for place, key in enumerate(keys) if key not in self._keys], dtype=np.intp)
