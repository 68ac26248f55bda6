"""Who leaves when the store is full."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lazycelery.model.states import State
from lazycelery.store.columns import Columns

CHUNK = 1024
"""Tasks that leave at once: about two milliseconds. What waits to be counted is counted before: of few, that
would be dear."""
PLAN, PLANNED = 16_384, 64
"""Tasks that one search is for: so many, or one in so many of the store, whichever is less. Twice as many are
noted, as some change before their turn comes."""
CROWD = 4
"""A rank gives room only where it fills more than this part of the store: else failures would stay until
nothing but failures is left, and so would tasks whose end was never told."""
SAMPLED = 8192
"""Slots looked at to guess how old a task must be to leave."""

RANK = np.zeros(len(State), dtype=np.uint8)
"""By state: what leaves first has the lowest rank, the oldest first within one rank (see `CROWD`)."""
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

Slots = npt.NDArray[np.intp]
Rows = npt.NDArray[np.int64]


class Eviction:
    """Removes tasks in chunks. The candidates are found for many chunks at once: the search is dear."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.evicted = 0
        self._slots: Slots = np.empty(0, dtype=np.intp)
        self._rows: Rows = np.empty(0, dtype=np.int64)
        self._rank = 0
        """Of all candidates, when they were chosen."""

    def make_room(self) -> None:
        """Take a chunk of tasks out, at least one."""
        columns = self.columns
        room = max(1, min(CHUNK, columns.max_tasks // 16))
        while room > 0:
            if not len(self._slots):
                self._plan()
            slots, self._slots = self._slots[:room], self._slots[room:]
            rows, self._rows = self._rows[:room], self._rows[room:]
            # Still there, and no worse a choice than when they were chosen.
            same = (columns.vector("row")[slots] == rows) & (
                RANK[columns.vector("state")[slots]] == self._rank
            )
            slots = slots[same]
            columns.remove(slots)
            self.evicted += len(slots)
            room -= len(slots)

    def _plan(self) -> None:
        columns = self.columns
        counted = {state: columns.by_state[state] for state in State if columns.by_state[state]}
        self._rank, total = self._crowded(counted)
        wanted = max(1, min(PLAN, columns.max_tasks // PLANNED))
        rows = columns.vector("row")
        fitting = _among(columns.vector("state"), [state for state in counted if RANK[state] == self._rank])
        fitting &= rows != 0
        if total > 4 * wanted:
            fitting &= rows <= _youngest(rows, fitting, wanted / total)
        slots = np.flatnonzero(fitting)
        order = np.argsort(rows[slots])[: 2 * wanted]
        self._slots = slots[order]
        self._rows = rows[self._slots]

    def _crowded(self, counted: dict[State, int]) -> tuple[int, int]:
        """The rank that gives room, and how many tasks have it."""
        totals: dict[int, int] = {}
        for state, count in counted.items():
            totals[int(RANK[state])] = totals.get(int(RANK[state]), 0) + count
        for rank, total in sorted(totals.items()):
            if total > self.columns.max_tasks // CROWD:
                return rank, total
        return max(totals.items(), key=lambda item: item[1])


def _among(numbers: npt.NDArray[np.uint8], wanted: list[State]) -> npt.NDArray[np.bool_]:
    found = np.zeros(len(numbers), dtype=np.bool_)
    for state in wanted:
        found |= numbers == state
    return found


def _youngest(rows: Rows, fitting: npt.NDArray[np.bool_], share: float) -> int:
    """The row number below which about that share of the fitting ones lies. To sort all would be dear."""
    step = max(1, len(rows) // SAMPLED)
    sample = np.sort(rows[::step][fitting[::step]])
    if not len(sample):
        return int(rows.max())
    return int(sample[min(len(sample) - 1, int(len(sample) * share))])
