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
from lazycelery.store.filter.matching import SLICE, Mask, Matcher
from lazycelery.store.searching import Search
from lazycelery.store.sorting import (
    LAST_ROW,
    ROW_BITS,
    Keys,
    Pair,
    Slots,
    in_pieces,
    merged,
    sort_in_steps,
    without,
)

KEPT = 6
REBUILD = 131_072
"""Changes from which on it is cheaper to begin anew."""
SCATTERED = 512
"""Tasks that changed whose texts are looked at in one go: each by itself, as they lie in many blocks."""
_UNKNOWN = (1 << 30) - 1
_INFINITE = 0x7F80_0000
"""Bits of the largest number of 32 bits; those above it tell none."""

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
        self._key_of: Keys = np.zeros(0, dtype=np.int64)
        """Key by slot; 0 where the task is not in."""
        self.built = False
        """Whether all lines are kept."""
        self._seen = 0
        self._words = 0
        """Words whose places are known."""
        self._sorted = 0
        """Words whose places the keys were made of."""
        self._places: Keys = np.zeros(1, dtype=np.int64)
        """Alphabetic place by word number."""
        self.search: Search | None = None
        """The look at all tasks that is under way."""

    def update(self, now: float) -> Steps:
        """Take in what changed since the last time, in slices."""
        searched = False
        while True:
            self.look_at_names()
            if self.search is not None or not self.built:
                search, searched = self.begun(now), True
                while self.search is search:
                    search.advance(now)
                    yield
                continue  # What changed meanwhile is little.
            if self._sorted != self._words:  # A new name moves all alphabetic places.
                self.search = Search(self, now, self._as_before(), self._seen)
                continue
            # What changes meanwhile has a higher stamp and comes next time.
            base, until = self.keys, self.columns.changes
            changed = np.flatnonzero(self.columns.vector("stamp") > self._seen)
            if len(changed) > REBUILD and not self.matcher.dear and not searched:
                self.search = Search(self, now)
                continue
            if not len(changed):
                return
            fresh = yield from self._look(changed)
            keys, slots = yield from self._replaced(changed, fresh)
            if self.keys is base and self._sorted == self._words:
                break
            # Another look at this order was faster: what is left is little.
        self._key_of[changed] = fresh
        self.keys, self.slots, self._seen = keys, slots, until

    @property
    def at_once(self) -> int:
        """Slots to look at in one go."""
        return self.matcher.at_once if self.matcher.dear else SLICE

    def begun(self, now: float) -> Search:
        """The look at all tasks that is under way; begins one where there is none."""
        if self.search is None:
            self.look_at_names()
            self.search = Search(self, now)
        return self.search

    def end_search(self) -> None:
        """Give up the look at all tasks; who still waits for it begins another one."""
        if self.search is not None:
            self.search.end()
            self.search = None

    def put(self, keys: Keys, slots: Slots, key_of: Keys, seen: int, words: int) -> None:
        """All lines, as a search found them: of the tasks with stamps up to `seen`, with so many words."""
        self.keys, self.slots, self._key_of, self._seen, self._sorted = keys, slots, key_of, seen, words
        self.built, self.search = True, None

    def _as_before(self) -> Slots:
        """Slots that are in and have not changed."""
        used = self.columns.used
        inside = (self._key_of[:used] != 0) & (self.columns.vector("stamp") <= self._seen)
        return np.flatnonzero(inside)

    def lines(self, now: float) -> Generator[None, None, Slots]:
        """The slots from the first line to the last, in slices where time decides."""
        slots = self.slots
        if self.matcher.moving:
            found, count = np.empty_like(slots), 0
            for start in range(0, len(slots), SLICE):
                part = slots[start : start + SLICE]
                part = part[self.matcher.now(part, now)]
                found[count : count + len(part)] = part
                count += len(part)
                yield
            slots = found[:count]
        return slots[::-1] if self._flipped else slots

    def line(self, slot: int) -> int | None:
        """The line of a task, where time does not decide."""
        key = self._key_of[slot] if self.built else 0
        if not key:
            return None
        place = int(np.searchsorted(self.keys, key))
        return len(self.keys) - 1 - place if self._flipped else place

    @property
    def _flipped(self) -> bool:
        # Row numbers ascend with age, so newest first reads them backwards and new ones are appended.
        return self.sort == "newest" and not self.reverse

    def _look(self, changed: Slots) -> Generator[None, None, Keys]:
        """The keys of slots as they are now; 0 where a task is not in (any more)."""
        fresh = np.zeros(len(changed), dtype=np.int64)
        step = min(self.matcher.at_once, SCATTERED) if self.matcher.dear else SLICE
        for start in range(0, len(changed), step):
            part = changed[start : start + step]
            matching = self.matcher.still(part)
            fresh[start : start + len(part)][matching] = self.sort_keys(part[matching])
            if len(changed) > step:
                yield
        return fresh

    def _replaced(self, changed: Slots, fresh: Keys) -> Generator[None, None, Pair]:
        """Keys and slots with the fresh keys in the place of the old ones."""
        pair = self.keys, self.slots
        old = self._key_of[changed]
        differs = old != fresh
        gone = old[differs & (old != 0)]
        new = np.flatnonzero(differs & (fresh != 0))
        if len(gone):
            pair = yield from without(pair, gone)
            yield
        if len(new):
            came = yield from sort_in_steps(in_pieces((fresh[new], changed[new])))
            yield
            pair = yield from merged(pair, came)
        return pair

    def keys_of(self, slots: Slots) -> Keys:
        """Numbers that ascend from the first line to the last."""
        keys = self.sort_keys(slots)
        return -keys if self._flipped else keys

    def may_be_before(self, bound: int, where: slice) -> Mask:
        """Which slots may have a number of `keys_of` up to `bound`, seen by one column alone."""
        before: Mask
        if self.sort == "newest":
            rows: Keys = self.columns.vector("row")[where]
            before = rows >= -bound if self._flipped else rows <= bound
            return before
        rank = bound >> ROW_BITS
        if self.sort not in ("runtime", "wait") or rank == _UNKNOWN:
            return self._rank(np.arange(where.start, where.stop)) <= rank
        values: npt.NDArray[np.float64] = self.columns.vector(self.sort)[where]
        # Rounded to the next number that a rank can tell; negative ones have that of nought.
        if self.reverse:
            before = values <= np.nextafter(_number(min(2 * rank + 1, _INFINITE)), np.float32(np.inf))
        elif rank == _UNKNOWN - 1:
            before = ~np.isnan(values)
        else:
            before = values >= np.nextafter(_number(2 * (_UNKNOWN - 1 - rank)), np.float32(-1))
        return before

    def sort_keys(self, slots: Slots | slice) -> Keys:
        """Unique numbers that ascend in the order of the lines; the newer of two equals comes first."""
        rows: Keys = self.columns.vector("row")[slots]
        if self.sort == "newest":
            # A slice is the column itself, in which other tasks take their places meanwhile.
            return rows.copy() if isinstance(slots, slice) else rows
        keys = self._rank(slots).astype(np.int64)
        keys <<= ROW_BITS
        keys += LAST_ROW
        keys -= rows
        return keys

    def _rank(self, slots: Slots | slice) -> npt.NDArray[np.int32]:
        """0 to 2^30: the place by the sort alone. Unknown values are last, whichever way it goes."""
        values = self.columns.vector(self.sort)[slots]
        if self.sort in ("runtime", "wait"):
            short = values.astype(np.float32)
            unknown, backwards = np.isnan(short), True
            # Bits of a positive float ascend with it; with a sign they are a negative number.
            rank = short.view(np.int32)
            np.maximum(rank, 0, out=rank)
            rank >>= 1
        elif self.sort == "retries":
            rank, unknown, backwards = values.astype(np.int32), values < 0, True
        elif self.sort == "state":
            rank, unknown, backwards = values.astype(np.int32), values < 0, False
        else:
            # A word that has no place yet came just now: its task is looked at again.
            rank = np.take(self._places, values, mode="clip").astype(np.int32)
            unknown, backwards = values == 0, False
        if backwards != self.reverse:
            rank = np.subtract(np.int32(_UNKNOWN - 1), rank, out=rank)
        places: npt.NDArray[np.int32] = rank
        if unknown.any():
            places[unknown] = _UNKNOWN
        return places

    def _table(self) -> Words:
        tables: dict[str, Words] = {
            "name": self.columns.names,
            "worker": self.columns.workers,
            "queue": self.columns.queues,
        }
        return tables[self.sort]

    def look_at_names(self) -> int:
        """How many words there are to sort by, with their places taken in; 0 where they do not matter."""
        if self.sort not in ("name", "worker", "queue"):
            return 0
        words = self._table()
        if len(words) != self._words:
            self._words = len(words)
            self._places = _places(words)
        return self._words


def _number(bits: int) -> npt.NDArray[np.float32]:
    """The number with these bits."""
    return np.array(bits, dtype=np.uint32).view(np.float32)


def _places(words: Words) -> Keys:
    order = sorted(range(1, len(words)), key=lambda code: (words.texts[code] or "").lower())
    places = np.zeros(len(words), dtype=np.int64)
    places[order] = np.arange(1, len(words))
    return places


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
            self._kept.popitem(last=False)[1].end_search()
        return known
