"""Who leaves when the store is full."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from lazycelery.model.states import State
from lazycelery.store.columns import Columns

CHUNK = 1024
PLAN = 32_768

RANK = np.zeros(len(State), dtype=np.uint8)
"""By state: what leaves first has the lowest rank; the oldest first within one rank."""
for _state, _rank in {
    State.SUCCESS: 0,
    State.REVOKED: 0,
    State.FAILURE: 1,
    State.REJECTED: 1,
    State.LOST: 1,
    State.UNKNOWN: 2,
    State.WAITING: 2,
    State.SCHEDULED: 3,
    State.RECEIVED: 3,
    State.RETRY: 3,
    State.STARTED: 4,
}.items():
    RANK[_state] = _rank


class Eviction:
    """Removes tasks in chunks. The candidates are found for many chunks at once: the search is dear."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.evicted = 0
        self._candidates: deque[tuple[int, int, int]] = deque()

    def make_room(self) -> None:
        """Take a chunk of tasks out, at least one."""
        room = max(1, min(CHUNK, self.columns.max_tasks // 16))
        while room:
            if not self._candidates:
                self._plan()
            room -= self._remove(*self._candidates.popleft())

    def _remove(self, slot: int, row: int, rank: int) -> int:
        """1 when the task was still there and no worse a choice than when it was chosen."""
        columns = self.columns
        if columns.row[slot] != row or RANK[columns.state[slot]] != rank:
            return 0
        columns.remove(slot)
        self.evicted += 1
        return 1

    def _plan(self) -> None:
        rows = self.columns.vector("row")
        ranks = np.where(rows == 0, 255, RANK[self.columns.vector("state")])
        lowest = int(ranks.min())
        slots = np.flatnonzero(ranks == lowest)
        # Of the kinds that should stay only as many are chosen as must leave now.
        wanted = max(1, min(PLAN if lowest == 0 else CHUNK, self.columns.max_tasks // 16))
        slots = _oldest(slots, rows, wanted)
        self._candidates.extend((int(slot), int(rows[slot]), lowest) for slot in slots)


def _oldest(slots: npt.NDArray[np.intp], rows: npt.NDArray[np.int64], wanted: int) -> npt.NDArray[np.intp]:
    if len(slots) > wanted:
        slots = slots[np.argpartition(rows[slots], wanted - 1)[:wanted]]
    return slots[np.argsort(rows[slots])]
