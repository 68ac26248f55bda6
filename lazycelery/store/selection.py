"""The first lines of an order, found without sorting all: of a million tasks in a few milliseconds.

A bound is kept of what can still be among them; nearly all tasks are put aside by one comparison.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lazycelery.store.filter.matching import Mask
from lazycelery.store.sorting import Keys, Slots

if TYPE_CHECKING:
    from lazycelery.store.orders import Order

SLICE = 65_536
"""Tasks looked at in one go: a fraction of a millisecond, once there is a bound."""
FIRST = 4096
"""Tasks looked at first, to have a bound soon: each of them needs a key."""
FEW = 16
"""Where no more than one in so many matches, their keys cost less than a look at all."""
LINES = 1024
"""Lines that are found at most: several screens."""


class Selected(NamedTuple):
    """The first lines, and how many there are in all."""

    slots: Slots
    matched: int


class Best:
    """The first lines of those tasks that were shown to it."""

    def __init__(self, order: Order, lines: int) -> None:
        self._order = order
        self._lines = lines
        self._keys: Keys = np.empty(0, dtype=np.int64)
        self.slots: Slots = np.empty(0, dtype=np.intp)
        """Up to twice as many as there are lines, unsorted."""
        self._bound: int | None = None
        """Keys above this one are not among the first lines."""

    def possible(self, mask: Mask, start: int, stop: int, matched: int) -> Slots:
        """Those of some tasks, of which so many match, that may have a key below the bound."""
        if self._bound is not None and matched > (stop - start) // FEW:
            mask = mask & self._order.may_be_before(self._bound, slice(start, stop))
        return start + np.flatnonzero(mask)

    def take(self, slots: Slots) -> None:
        """Keep those of some tasks that are among the first lines."""
        keys = self._order.keys_of(slots)
        if self._bound is not None:
            near = keys <= self._bound
            keys, slots = keys[near], slots[near]
        self._keys = np.concatenate([self._keys, keys])
        self.slots = np.concatenate([self.slots, slots])
        if len(self._keys) > 2 * self._lines or self._bound is None:
            self._cut()

    def lines(self) -> Slots:
        """The first lines, in order."""
        self._cut()
        return self.slots[np.argsort(self._keys)]

    def _cut(self) -> None:
        if len(self._keys) >= self._lines:
            kept = np.argpartition(self._keys, self._lines - 1)[: self._lines]
            self._keys, self.slots = self._keys[kept], self.slots[kept]
            self._bound = int(self._keys.max())


class Selection:
    """One look at the tasks in an order. Nothing of it is kept."""

    def __init__(self, order: Order, lines: int) -> None:
        self._order = order
        self._best = Best(order, lines)

    def steps(self, now: float) -> Generator[None, None, Selected]:
        """Find them, in slices of a few milliseconds. Not for filters that read texts."""
        order, matched = self._order, 0
        order.look_at_names()
        # Backwards: the newest are at the end as a rule, and then the bound is known at once.
        stop = order.columns.used
        while stop:
            start = max(0, stop - (SLICE if stop < order.columns.used else FIRST))
            mask = order.matcher.between(start, stop)
            if order.matcher.moving:
                some = np.flatnonzero(mask)
                mask[some] = order.matcher.now(start + some, now)
            found = int(np.count_nonzero(mask))
            matched += found
            self._best.take(self._best.possible(mask, start, stop, found))
            stop = start
            yield
        return Selected(self._best.lines(), matched)
