"""Who holds a task by what events told, and whether that is news: for messages that nobody acknowledged."""

from __future__ import annotations

from lazycelery.model.states import FINISHED, State
from lazycelery.store.columns import Columns
from lazycelery.store.marks import RUN_LOST

HELD = (State.RECEIVED, State.SCHEDULED, State.STARTED)
OVER = FINISHED | {State.RETRY}


class Holding:
    """Looks at single tasks by id."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def holder(self, id: str) -> tuple[str | None, float | None]:
        """The worker that told to have a task and has not told its end, and since when; also of a run that
        was lost with it."""
        slot = self._columns.slots.get(id)
        if slot is None:
            return None, None
        if self._columns.state[slot] not in HELD and not self._columns.marks[slot] & RUN_LOST:
            return None, None
        return self._columns.workers.texts[self._columns.worker[slot]], self._columns.since[slot]

    def fate_told(self, id: str) -> bool:
        """Whether anybody told who took a task, or what became of it: its message alone tells neither."""
        columns, slot = self._columns, self._columns.slots.get(id)
        return slot is not None and (columns.state[slot] not in HELD or bool(columns.worker[slot]))

    def moved_since(self, id: str, at: float, ended: float) -> bool:
        """Whether it was told that a task was taken by a worker since one moment, or ended since another."""
        columns, slot = self._columns, self._columns.slots.get(id)
        if slot is None or columns.marks[slot] & RUN_LOST:
            return False
        if columns.state[slot] in HELD:
            return bool(columns.worker[slot]) and columns.since[slot] > at
        return columns.state[slot] in OVER and columns.since[slot] > ended
