"""Which row of a history file is whose: by slot while a task is in the store, by identity after that."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from lazycelery.store.columns import Columns
from lazycelery.store.history.away import Away
from lazycelery.store.history.taking import Slots

Rows = npt.NDArray[np.int64]
TURNS = 40
"""Batches for which the number of a task that has left is known: no event and no row waits for more of them,
once they are written again."""


class Doubled(NamedTuple):
    """A task that got a second row, as its first one had not been read yet."""

    number: int
    """Of the first row, which is kept."""
    slot: int


class Numbers:
    """The number of the row that each slot's task has in a file; a slot's next task has another one. Used by
    the writer's thread; `learn` is for any other."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.file = ""
        """The name of the file that the numbers are of."""
        self._numbers: Rows = np.zeros(columns.capacity, dtype=np.int64)
        self._owners: Rows = np.zeros(columns.capacity, dtype=np.int64)
        self._learnt: deque[tuple[str, Slots, Rows, Rows]] = deque()
        self._gone: dict[int, int] = {}
        """By identity: of tasks whose slot is another one's by now."""
        self._turns: deque[list[int]] = deque([[]])
        self.away = Away()
        self.doubled: dict[int, Doubled] = {}
        """By the number of a row that is to go."""
        self._first: int | None = None
        """The first number that was free when we began to write to the file."""
        self._free = 0
        """What was given in this file ends before this number, where nothing was refused since."""
        self.events_before = 0
        """The number of its last events then."""

    def begin(self, file: str, last: int, events: int) -> None:
        """Numbers are those of this file from now on, in which the last task (that has a row, or of which
        events tell) and the last events have these ones."""
        if file != self.file:
            self._reset(file)
        if self._first is None:
            self._first, self.events_before = last + 1, events
            self._free = max(self._free, last + 1)

    def free_after(self, last: int) -> int:
        """The next number that is free, where the last row of the file has this one. What was given once is
        given to nobody else: events tell the number of a task before it has a row."""
        return max(last + 1, self._free)

    def void(self) -> None:
        """The file has gone, and all that was in it."""
        self._reset("")
        self._learnt.clear()

    def _reset(self, file: str) -> None:
        self.file, self._first, self._free = file, None, 0
        self._owners[:] = 0
        self._gone.clear()
        self.away.clear()
        self._turns = deque([[]])
        self.doubled.clear()

    def learn(self, file: str, slots: Slots, numbers: Rows, rows: Rows) -> None:
        """Rows that are in the file already; `rows` are the identities of the slots' tasks."""
        self._learnt.append((file, slots, numbers, rows))

    def settle(self) -> None:
        """Take in what was learnt, unless another file is being written by now."""
        while self._learnt:
            file, slots, numbers, rows = self._learnt.popleft()
            if self.file not in ("", file):
                continue
            self.file = file
            own = self._owners[slots] == rows
            # Who reads the file while it is written finds our own rows in it too.
            ours = own & (self._numbers[slots] >= self._given_from) & (numbers < self._given_from)
            for place in np.flatnonzero(ours).tolist():
                slot = int(slots[place])
                self.doubled[int(self._numbers[slot])] = Doubled(int(numbers[place]), slot)
            # Of two rows of before the newer one is gone on with.
            better = ours | ~own | (self._numbers[slots] < numbers)
            here = better & (own | (self.columns.rows_of(slots) == rows))
            self._give(slots[here], numbers[here], rows[here])
            for place in np.flatnonzero(better & ~here).tolist():
                row, number = int(rows[place]), int(numbers[place])
                given = self._gone.get(row, 0)
                if given >= self._given_from > number:
                    self.doubled[given] = Doubled(number, int(slots[place]))
                if not given or given >= self._given_from > number:
                    self._keep(row, number)

    @property
    def _given_from(self) -> int:
        return 1 << 62 if self._first is None else self._first

    def _keep(self, row: int, number: int) -> None:
        if row not in self._gone:
            self._turns[-1].append(row)
        self._gone[row] = number

    def _give(self, slots: Slots, numbers: Rows, rows: Rows) -> None:
        """These are the slots' tasks now; whose they were before is kept for a while."""
        before = self._owners[slots]
        left = np.flatnonzero((before != 0) & (before != rows))
        if len(left):
            gone = before[left].tolist()
            self._gone.update(zip(gone, self._numbers[slots[left]].tolist(), strict=True))
            self._turns[-1] += gone
        self._numbers[slots] = numbers
        self._owners[slots] = rows

    def written(self, free: int) -> None:
        """A batch is in the file, and the numbers below `free` are given."""
        self._free = free
        self.doubled.clear()
        self._turns.append([])
        if len(self._turns) > TURNS:
            for row in self._turns.popleft():
                self._gone.pop(row, None)

    def forget(self, first: int) -> None:
        """What was numbered from `first` on is in no file after all."""
        self._owners[self._numbers >= first] = 0
        for row in [row for row, number in self._gone.items() if number >= first]:
            del self._gone[row]
        self.away.forget(first)

    def of(self, slots: Slots, rows: Rows, free: int, ids: Sequence[str] | None = None) -> tuple[Rows, int]:
        """The number of each task (`rows` are their identities), and the next one that is free. `ids` are
        theirs, where the caller has read them."""
        fresh = slots[self._owners[slots] != rows]
        if len(fresh):
            fresh, places = np.unique(slots, return_index=True)
            new = self._owners[fresh] != rows[places]
            fresh, owners = fresh[new], rows[places][new]
            # In the order of first sight, so that the newest are last.
            order = np.argsort(owners)
            fresh, owners = fresh[order], owners[order]
            if ids is None:
                own = self._ids(fresh, owners)
            else:
                own = [ids[place] for place in places[new][order].tolist()]
            numbers, free = self._numbered(own, free)
            self._give(fresh, numbers, owners)
        return self._numbers[slots], free

    def of_gone(self, slots: Slots, rows: Rows, free: int, ids: Sequence[str]) -> tuple[Rows, int]:
        """The same for tasks that have left these slots."""
        found = self.known(slots, rows)
        places = np.flatnonzero(found == 0)
        if len(places):
            found[places], free = self._numbered([ids[place] for place in places.tolist()], free)
            for row, number in zip(rows[places].tolist(), found[places].tolist(), strict=True):
                self._keep(row, number)
        return found, free

    def _numbered(self, ids: Sequence[str], free: int) -> tuple[Rows, int]:
        """Numbers for tasks that have none: of one that had been away the one that it had."""
        numbers = self.away.back(ids)
        fresh = np.flatnonzero(numbers == 0)
        numbers[fresh] = np.arange(free, free + len(fresh))
        return numbers, free + len(fresh)

    def _ids(self, slots: Slots, rows: Rows) -> list[str]:
        """The ids of slots' tasks, "" of one that has left by now."""
        ids = [self.columns.id[slot] for slot in slots.tolist()]
        for place in np.flatnonzero(self.columns.rows_of(slots) != rows).tolist():
            ids[place] = ""
        return ids

    def known(self, slots: Slots, rows: Rows) -> Rows:
        """The numbers of tasks that may have left these slots; 0 where nobody knows."""
        found: Rows = np.where(self._owners[slots] == rows, self._numbers[slots], 0)
        for place in np.flatnonzero(found == 0).tolist():
            found[place] = self._gone.get(int(rows[place]), 0)
        return found


def learnt(columns: Columns, ids: list[str], numbers: list[int]) -> tuple[Slots, Rows, Rows]:
    """Slots, numbers and identities of those of these tasks that the store knows, as `Numbers.learn` takes
    them. The store changes meanwhile."""
    slots = _slots(columns, ids)
    rows = columns.rows_of(slots)
    same = (rows != 0) & (_slots(columns, ids) == slots) & (columns.rows_of(slots) == rows)
    return slots[same], np.array(numbers, dtype=np.int64)[same], rows[same]


def _slots(columns: Columns, ids: list[str]) -> Slots:
    return np.array([-1 if slot is None else slot for slot in columns.slots.many(ids)], dtype=np.intp)
