"""Filtered and sorted lines, kept from one look to the next: only tasks that changed are looked at again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt

from lazycelery.store.coding import Words
from lazycelery.store.columns import Columns
from lazycelery.store.filter import parse
from lazycelery.store.filter.matching import Matcher, Slots

KEPT = 6
SLICE = 2048
"""Slots looked at in one go: a few milliseconds even where every text must be read."""
ROW_BITS = 33
_LAST_ROW = (1 << ROW_BITS) - 1
_UNKNOWN = (1 << 30) - 1

Keys = npt.NDArray[np.int64]
Steps = Generator[None, None, None]


class Order:
    """The tasks that match a filter, in a sort's order. `keys` ascend; `slots` are in step with them."""

    def __init__(self, columns: Columns, matcher: Matcher, sort: str, reverse: bool) -> None:
        self.columns = columns
        self.matcher = matcher
        self.sort = sort
        self.reverse = reverse
        self.keys: Keys = np.empty(0, dtype=np.int64)
        self.slots: Slots = np.empty(0, dtype=np.intp)
        self._key_of: Keys = np.zeros(columns.capacity, dtype=np.int64)
        """Key by slot; 0 where the task is not in."""
        self._seen = 0
        self._words = 0

    def update(self) -> Steps:
        """Take in what changed since the last time, in slices."""
        self._forget_when_names_came()
        until = self.columns.changes
        changed = np.flatnonzero(self.columns.vector("stamp") > self._seen)
        if len(changed):
            fresh = np.zeros(len(changed), dtype=np.int64)
            for start in range(0, len(changed), SLICE):
                part = changed[start : start + SLICE]
                matching = self.matcher.still(part)
                fresh[start : start + len(part)][matching] = self._keys(part[matching])
                if len(changed) > SLICE:
                    yield
            self._replace(changed, fresh)
        # What changed meanwhile has a higher stamp and comes next time.
        self._seen = until

    def lines(self, now: float) -> Slots:
        """The slots from the first line to the last."""
        slots = self.slots
        if self.matcher.moving:
            slots = slots[self.matcher.now(slots, now)]
        return slots[::-1] if self._flipped else slots

    @property
    def _flipped(self) -> bool:
        # Row numbers ascend with age, so newest first reads them backwards and new ones are appended.
        return self.sort == "newest" and not self.reverse

    def _replace(self, changed: Slots, fresh: Keys) -> None:
        old = self._key_of[changed]
        differs = old != fresh
        if not differs.any():
            return
        self._key_of[changed] = fresh
        gone = np.sort(old[differs & (old != 0)])
        if len(gone):
            keep = np.ones(len(self.keys), dtype=np.bool_)
            keep[np.searchsorted(self.keys, gone)] = False
            self.keys, self.slots = self.keys[keep], self.slots[keep]
        new = differs & (fresh != 0)
        if new.any():
            order = np.argsort(fresh[new])
            self._insert(fresh[new][order], changed[new][order])

    def _insert(self, keys: Keys, slots: Slots) -> None:
        if not len(self.keys) or keys[0] > self.keys[-1]:
            self.keys = np.concatenate([self.keys, keys])
            self.slots = np.concatenate([self.slots, slots])
            return
        places = np.searchsorted(self.keys, keys)
        self.keys = np.insert(self.keys, places, keys)
        self.slots = np.insert(self.slots, places, slots)

    def _keys(self, slots: Slots) -> Keys:
        """Unique numbers that ascend in the order of the lines; the newer of two equals comes first."""
        rows: Keys = self.columns.vector("row")[slots]
        if self.sort == "newest":
            return rows
        rank = self._rank(slots)
        return (rank << ROW_BITS) | (_LAST_ROW - (rows & _LAST_ROW))

    def _rank(self, slots: Slots) -> Keys:
        """0 to 2^30: the place by the sort alone. Unknown values are last, whichever way it goes."""
        values = self.columns.vector(self.sort)[slots]
        if self.sort in ("runtime", "wait"):
            # bits of a positive float ascend with it
            clipped = np.maximum(values, 0).astype(np.float32)
            rank = clipped.view(np.int32).astype(np.int64) >> 1
            unknown, backwards = np.isnan(values), True
        elif self.sort == "retries":
            rank, unknown, backwards = values.astype(np.int64), values < 0, True
        elif self.sort == "state":
            rank, unknown, backwards = values.astype(np.int64), values < 0, False
        else:
            rank, unknown, backwards = self._places()[values], values == 0, False
        if backwards != self.reverse:
            rank = _UNKNOWN - 1 - rank
        places: Keys = rank
        places[unknown] = _UNKNOWN
        return places

    def _places(self) -> Keys:
        """Alphabetic place by word number."""
        words = self._table()
        order = sorted(range(1, len(words)), key=lambda code: (words.texts[code] or "").lower())
        places = np.zeros(len(words), dtype=np.int64)
        places[order] = np.arange(1, len(words))
        return places

    def _table(self) -> Words:
        tables: dict[str, Words] = {
            "name": self.columns.names,
            "worker": self.columns.workers,
            "queue": self.columns.queues,
        }
        return tables[self.sort]

    def _forget_when_names_came(self) -> None:
        """A new name moves all alphabetic places: begin anew."""
        if self.sort not in ("name", "worker", "queue"):
            return
        if len(self._table()) != self._words:
            self._words = len(self._table())
            self.keys, self.slots = self.keys[:0], self.slots[:0]
            self._key_of[:] = 0
            self._seen = 0


class Orders:
    """The last few orders."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self._kept: OrderedDict[tuple[Any, ...], Order] = OrderedDict()

    def order(self, filter: str, sort: str, reverse: bool) -> Order:
        """The order of a filter and a sort, as it was when last updated. Raises `UsageError`."""
        key = (filter, sort, reverse)
        known = self._kept.pop(key, None)
        if known is None:
            known = Order(self.columns, Matcher(parse(filter), self.columns), sort, reverse)
        self._kept[key] = known
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return known
