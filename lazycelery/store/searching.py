"""One look at all tasks for an order, newest first. It may be left, told of half-way, and gone on with."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lazycelery.store.columns import Columns
from lazycelery.store.selection import LINES, Best
from lazycelery.store.sorting import PART, Keys, Piece, Slots, sort_in_steps
from lazycelery.store.untouched import untouched

if TYPE_CHECKING:
    from lazycelery.store.orders import Order

Steps = Generator[None, None, None]


class Search:
    """Whoever wants its order takes steps; several may, and nobody need take the last one."""

    def __init__(self, order: Order, now: float, known: Slots | None = None, began: int = 0) -> None:
        """With `known`, slots that matched at the stamp `began`, no task is looked at."""
        columns = order.columns
        self.order = order
        self.began = columns.changes if known is None else began
        """The store's changes at the beginning: a slot with a higher stamp is to be looked at again."""
        self.matched = 0
        """Tasks found so far."""
        self._now = now
        self._best = Best(order, LINES)
        self._found: dict[int, Slots] = {}
        """What was found, by the slot at which each look began."""
        self._starts: Sequence[int] = []
        if known is None:
            oldest_first = order.sort == "newest" and order.reverse
            self._starts = _starts(columns, order.at_once, oldest_first)
        else:
            self._found[0] = known
        self._used = columns.used
        self._looked = 0
        self._begin_keys(0 if order.matcher.picks else columns.used)
        self._steps = self._run()

    @property
    def searched(self) -> float:
        """Share of the tasks that were looked at; below 1 for as long as the order is not there."""
        return min(0.99, self._looked / max(1, len(self._starts)))

    def advance(self, now: float) -> None:
        """A step of a few milliseconds. The last one puts what was found into the order."""
        self._now = now
        try:
            next(self._steps, None)
        except BaseException:
            self.order.search = None  # It cannot go on: the next one begins anew.
            raise

    def end(self) -> None:
        """No more steps. They hold this, and this holds them: what was found, megabytes in a large store,
        would stay until all of the memory is looked through."""
        self._steps.close()

    def first_lines(self) -> Slots:
        """The first lines of what was found so far, as these tasks are now."""
        slots = self._best.slots
        same = self.order.columns.vector("stamp")[slots] <= self.began
        if not same.all():
            same[~same] = self.order.matcher.still(slots[~same])
            slots = slots[same]
        return slots[np.argsort(self.order.keys_of(slots))][:LINES]

    def _run(self) -> Steps:
        matcher, step = self.order.matcher, self.order.at_once
        for start in self._starts:
            stop = min(start + step, self._used)
            if matcher.dear:
                slots = np.arange(start, stop)
                found = slots[matcher.still(slots)]
                self._note(found)
                self._found[start] = found
            else:
                mask = matcher.between(start, stop)
                self._key(slice(start, stop) if mask.all() else start + np.flatnonzero(mask))
            self._looked += 1
            yield
        yield from self._finish()

    def _note(self, found: Slots) -> None:
        if self.order.matcher.moving:
            found = found[self.order.matcher.now(found, self._now)]
        self.matched += len(found)
        self._best.take(found)

    def _finish(self) -> Steps:
        order = self.order
        if self._found:
            yield from self._key_all(np.concatenate([self._found[start] for start in sorted(self._found)]))
        while True:
            keys, slots = yield from sort_in_steps(self._pieces)
            if order.look_at_names() == self._words:
                break
            # A new name came, and moved all alphabetic places.
            again = np.sort(slots)
            yield
            yield from self._key_all(again)
        order.put(keys, slots, self._key_of, self.began, self._words)

    def _key_all(self, slots: Slots) -> Steps:
        """Keys of what was found, in ascending order of slots; some have left meanwhile."""
        self._begin_keys(len(slots))
        for start in range(0, len(slots), PART):
            some = slots[start : start + PART]
            self._key(some[self.order.columns.vector("row")[some] != 0])
            yield

    def _begin_keys(self, expected: int) -> None:
        self._words = self.order.look_at_names()
        self._pieces: list[Piece] = []
        self._key_of: Keys = untouched(self.order.columns.capacity, np.int64, expected)

    def _key(self, where: Slots | slice) -> None:
        keys = self.order.sort_keys(where)
        self._key_of[where] = keys
        # Of slots in a row the keys are read where they are kept: fresh memory costs more than all the rest.
        self._pieces.append((self._key_of[where] if isinstance(where, slice) else keys, where))


def _starts(columns: Columns, step: int, oldest_first: bool) -> list[int]:
    """The slots at which looks begin, those with the newest tasks first; without those that hold none."""
    rows = columns.vector("row")
    if not len(rows):
        return []
    starts = np.arange(0, len(rows), step)
    newest = np.maximum.reduceat(rows, starts)
    order = np.argsort(newest, kind="stable")
    order = order[newest[order] != 0]
    found: list[int] = starts[order if oldest_first else order[::-1]].tolist()
    return found
