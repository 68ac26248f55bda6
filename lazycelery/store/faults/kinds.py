"""Which kind of failure each task has, by its slot: read when it is asked for, and again after a change."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lazycelery.model.states import State
from lazycelery.store.faults.fault import REST, Fault, Reader, coarse

if TYPE_CHECKING:
    from lazycelery.store.columns import Columns

MOST = 10_000
"""Kinds that are told apart; beyond that by exception and place alone, and once there are as many again, not
at all."""
AT_ONCE = 48
"""Failures read in one go: a few milliseconds."""
FAILED = (int(State.FAILURE), int(State.RETRY))
AGAIN = (int(State.WAITING), int(State.RECEIVED), int(State.SCHEDULED))
"""States in which the next try waits: workers take its message at once, and keep it until its time."""

Slots = npt.NDArray[np.intp]
Codes = npt.NDArray[np.int32]


class Kinds:
    """Numbers of kinds; 0 is a task that did not fail."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.faults: list[Fault | None] = [None]
        """By number."""
        self._numbers: dict[str, int] = {}
        self._reader = Reader()

    def veil(self, hide: Callable[[str], str]) -> None:
        """From now on secrets are taken out of texts by `hide`, before anything is made of them."""
        self._reader = Reader(hide)

    def known(self, slots: Slots) -> Codes:
        """Numbers of these slots; what was not read yet is read now."""
        columns = self._columns
        stale = np.flatnonzero(columns.vector("faulted")[slots] != columns.vector("stamp")[slots])
        for slot in slots[stale].tolist():
            self._read(slot)
        found: Codes = columns.vector("fault")[slots]
        return found

    def read(self, slots: Slots) -> Generator[None, None, Codes]:
        """The same in slices of a few milliseconds; a task that changes meanwhile is read again."""
        for start in range(0, len(slots), 16 * AT_ONCE):
            part = slots[start : start + 16 * AT_ONCE]
            stale = part[self._columns.vector("faulted")[part] != self._columns.vector("stamp")[part]]
            for first in range(0, len(stale), AT_ONCE):
                self.known(stale[first : first + AT_ONCE])
                yield
        return self.known(slots)

    def _read(self, slot: int) -> None:
        columns = self._columns
        number = 0
        if columns.state[slot] in FAILED or self._is_tried_again(slot):
            error, traceback = columns.sealed.text("error", slot), columns.traceback.get(slot)
            number = self._number(self._reader.read(error, traceback))
        columns.fault[slot] = number
        columns.faulted[slot] = columns.stamp[slot]

    def _is_tried_again(self, slot: int) -> bool:
        """Whether what waits is the next try after a failure that was seen."""
        columns = self._columns
        if columns.state[slot] not in AGAIN or not columns.attempt[slot]:
            return False
        extra = columns.extra.get(slot)
        return extra is not None and bool(extra.past) and extra.past[-1].state == State.RETRY

    def _number(self, fault: Fault) -> int:
        number = self._numbers.get(fault.id)
        if number is None:
            if len(self.faults) > MOST:
                fault = coarse(fault)
                if len(self.faults) > 2 * MOST and fault.id not in self._numbers:
                    fault = REST
            number = self._numbers.get(fault.id) or self._add(fault)
        return number

    def _add(self, fault: Fault) -> int:
        self.faults.append(fault)
        self._numbers[fault.id] = len(self.faults) - 1
        return len(self.faults) - 1
