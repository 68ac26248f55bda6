"""What happened in a window of finished steps, kept in step with it: a step that ends is added, one that
leaves is taken away. To add sixty minutes up for each question takes longer than all its quantiles."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator, Sequence

from lazycelery.store.rings import Cell, Kept, Step
from lazycelery.store.sketch import Buckets

SUMS = 4
"""Windows that are kept; the one that was not asked for the longest leaves."""
AT_ONCE = 2
"""Steps that are added in one go."""


class Sum:
    """The cells of one kind over some steps. A cell never changes; another one takes its place."""

    def __init__(self, offset: int) -> None:
        self._offset = offset
        self._steps: list[Kept] = []
        self.cells: Step = {}

    def follow(self, steps: Sequence[Kept]) -> Generator[None, None, None]:
        """Make it the sum of these steps, in slices; with few changes since the last time in one."""
        there = {id(kept) for kept in steps}
        gone = [kept for kept in self._steps if id(kept) not in there]
        known = {id(kept) for kept in self._steps}
        came = [kept for kept in steps if id(kept) not in known]
        if len(gone) > len(steps):
            self.cells, self._steps, gone, came = {}, [], [], list(steps)
        for number, (kept, sign) in enumerate(
            [*((kept, 1) for kept in came), *((kept, -1) for kept in gone)]
        ):
            if number and number % AT_ONCE == 0:
                yield
            self._change(kept, sign)

    def _change(self, kept: Kept, sign: int) -> None:
        if (sign > 0) == any(kept is one for one in self._steps):
            return  # Another one who asks was faster.
        if sign > 0:
            self._steps.append(kept)
        else:
            self._steps = [one for one in self._steps if one is not kept]
        for key, cell in kept.cells.items():
            if key % 3 != self._offset:
                continue
            changed = _with(self.cells.get(key), cell, sign)
            if any(changed.counts):
                self.cells[key] = changed
            else:
                self.cells.pop(key, None)


class Sums:
    """The sums that were asked for lately."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, float], Sum] = OrderedDict()

    def of(self, offset: int, window: float) -> Sum:
        """The sum of a window, empty where it is new."""
        known = self._kept.pop((offset, window), None) or Sum(offset)
        self._kept[offset, window] = known
        while len(self._kept) > SUMS:
            self._kept.popitem(last=False)
        return known


def _with(known: Cell | None, other: Cell, sign: int) -> Cell:
    """A cell and another one, or without it."""
    cell = Cell()
    if known is not None:
        cell.counts, cell.runtime, cell.wait = known.counts, dict(known.runtime), dict(known.wait)
    cell.counts = [mine + sign * theirs for mine, theirs in zip(cell.counts, other.counts, strict=True)]
    for mine, theirs in ((cell.runtime, other.runtime), (cell.wait, other.wait)):
        _add(mine, theirs, sign)
    return cell


def _add(into: Buckets, other: Buckets, sign: int) -> None:
    for place, count in other.items():
        total = into.get(place, 0) + sign * count
        if total:
            into[place] = total
        else:
            into.pop(place, None)
