"""What happened by task name, worker and queue in steps of time: seconds, five seconds, minutes, hours.

A step holds only what had traffic in it, and all steps together hold a bounded number of cells: the
oldest and finest leave first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from operator import add
from sys import getsizeof
from typing import NamedTuple, Protocol, TypeVar

from lazycelery.store.sketch import Buckets, merged, packed, unpacked

EVENTS = 8
"""Kinds of events that are counted."""
SUSPENDED = 5.0
"""Seconds between two ends of a second, beyond which the machine slept, or we were held: nobody watched then,
unless the connection outlives it."""
MAX_CELLS = 60_000
"""In all rings together."""
MAX_BYTES = 128_000_000
"""The same. A cell takes a kilobyte where durations are alike; each different bucket of a duration takes 10
bytes of a packed cell and about 90 of another: with 600 for run and wait each, 12 and 100 kilobytes."""
CELL, NUMBER = 600, 28
"""Bytes of a cell without its durations, and of a number."""
PACKED = 60.0
"""Seconds: steps from this size on are packed when they are finished."""
NAMED = 3600.0
"""Seconds: steps of this size are hours of the day."""
MAX_STEP = 3_000
"""Cells of one step: names that somebody makes up are not counted one by one for ever."""


class Cell:
    """What happened to one task name, worker or queue within one step."""

    __slots__ = ("_runtime", "_wait", "counts")

    def __init__(self) -> None:
        self.counts = [0] * EVENTS
        self._runtime: Buckets | bytes = {}
        self._wait: Buckets | bytes = {}

    @property
    def runtime(self) -> Buckets:
        """How long it ran. Of a packed cell a copy."""
        return unpacked(self._runtime)

    @runtime.setter
    def runtime(self, buckets: Buckets) -> None:
        self._runtime = buckets

    @property
    def wait(self) -> Buckets:
        """How long it waited. Of a packed cell a copy."""
        return unpacked(self._wait)

    @wait.setter
    def wait(self, buckets: Buckets) -> None:
        self._wait = buckets

    def pack(self) -> None:
        """Nothing more happens to it."""
        self._runtime, self._wait = packed(self.runtime), packed(self.wait)

    def size(self) -> int:
        """About how many bytes it takes."""
        return CELL + _size(self._runtime) + _size(self._wait)

    def merge(self, other: Cell) -> None:
        """Take in a shorter step."""
        self.counts = list(map(add, self.counts, other.counts))
        self._runtime = merged(self._runtime, other._runtime)
        self._wait = merged(self._wait, other._wait)


def _size(told: Buckets | bytes) -> int:
    return getsizeof(told) if type(told) is bytes else getsizeof(told) + NUMBER * len(told)


Step = dict[int, Cell]
"""Cells by key: three times the word's number, and the place of its kind in `KINDS`."""


class Kept(NamedTuple):
    """A step of time."""

    at: float
    """When it began, epoch seconds."""
    seen: float
    """Seconds of it in which events could be seen."""
    cells: Step

    def pack(self) -> None:
        """Its cells change no more, and are seldom read: they take an eighth of the room."""
        for cell in self.cells.values():
            cell.pack()


class Ring:
    """Steps of one size: the finished ones, newest last, and the one under way."""

    def __init__(self, size: float, steps: int) -> None:
        self.size = size
        self.steps: deque[Kept] = deque(maxlen=steps)
        self.at, self.seen = 0.0, 0.0
        self.step: Step = {}

    def begin(self, at: float) -> None:
        """The first step begins."""
        self.at = at

    def take(self, shorter: Kept) -> int:
        """Add a shorter step to the one under way; returns the events of those without room."""
        self.seen += shorter.seen
        return _add(self.step, shorter.cells)

    def turn(self, now: float) -> Kept:
        """The step under way is finished."""
        finished = Kept(self.at, self.seen, self.step)
        self.steps.append(finished)
        self.at, self.seen, self.step = now, 0.0, {}
        return finished

    def set(self, by: float) -> None:
        """The clock was set: what happened stays as long ago as it was."""
        self.at += by
        for place, kept in enumerate(self.steps):
            self.steps[place] = kept._replace(at=kept.at + by)

    def under_way(self) -> Kept:
        """The step under way, as it is."""
        return Kept(self.at, self.seen, self.step)

    def cells(self) -> int:
        """Cells in all finished steps."""
        return sum(len(kept.cells) for kept in self.steps)


class Rings:
    """Rings of growing steps: each finished step is added to the next longer one."""

    def __init__(self, settle: Callable[[], None], *sizes: tuple[float, int]) -> None:
        self._settle = settle
        """Called before the steps under way are read: something may still wait to be counted."""
        self.all = [Ring(size, steps) for size, steps in sizes]
        self.left_out = 0
        """Events for which there was no room."""
        self.began: float | None = None
        self._sizes: dict[int, int] = {}
        """Bytes of each finished step."""

    def set(self, by: float) -> None:
        """The clock was set ahead by so many seconds, or back: what happened stays as long ago as it was.
        Hours keep their names, by which they are recorded."""
        if self.began is None:
            return
        for ring in self.all:
            if ring.size < NAMED:
                ring.set(by)

    def tick(self, now: float, seeing: bool, held: float = 0.0, apart: bool = False) -> None:
        """A second is over. A clock that jumps ends the steps under way, and does no more harm; so does
        `apart`. `held`: seconds of a longer one before, in which events were seen after all."""
        first = self.all[0]
        if self.began is None:
            self.began = now - 1.0
            for ring in self.all:
                ring.begin(self.began)
        if now < first.at:
            self.set(now - 1.0 - first.at)
        passed = now - first.at
        first.seen = passed if seeing and 0 < passed <= SUSPENDED else 0.0
        if held:  # No more than there is of the hour under way, to which it is counted.
            first.seen += min(held, max(0.0, first.at - self.all[-1].at))
        finished, done = first.turn(now), []
        for ring in self.all[1:]:
            self.left_out += ring.take(finished)
            if now // ring.size == ring.at // ring.size and not apart:
                break
            finished = ring.turn(now)
            if ring.size >= PACKED:
                done.append(finished)
        for kept in done:
            kept.pack()
        self._stay_bounded()

    def _stay_bounded(self) -> None:
        cells = sum(ring.cells() for ring in self.all)
        # A finished step changes no more: each is measured once.
        known = self._sizes
        self._sizes = sizes = {
            id(kept.cells): known.get(id(kept.cells)) or sum(cell.size() for cell in kept.cells.values())
            for ring in self.all
            for kept in ring.steps
        }
        size = sum(sizes.values())
        for ring in self.all:
            while (cells > MAX_CELLS or size > MAX_BYTES) and len(ring.steps) > 1:
                gone = ring.steps.popleft().cells
                cells -= len(gone)
                size -= sizes.pop(id(gone), 0)

    def under_way(self) -> list[Kept]:
        """The steps that are not finished, the shortest first: together the time since the last hour."""
        self._settle()
        return [ring.under_way() for ring in self.all]


def after(steps: Sequence[Kept], last: Kept | None) -> list[Kept]:
    """Steps that were finished after one of them, whatever the clock did; all, where it has left."""
    found: list[Kept] = []
    for kept in reversed(steps):
        if last is not None and kept.cells is last.cells:  # It may have been re-dated since.
            break
        found.append(kept)
    return found[::-1]


class Dated(Protocol):
    """When something began, and for how long it was watched."""

    @property
    def at(self) -> float:
        """Epoch seconds."""

    @property
    def seen(self) -> float:
        """Seconds."""


D = TypeVar("D", bound=Dated)


def within(steps: Sequence[D], since: float, now: float) -> list[D]:
    """Those that began after a moment, in their order. One that is still to come is of a clock that was
    wrong: it is as old as what was watched after it."""
    found: list[D] = []
    watched = 0.0
    for each in reversed(steps):
        if each.at > since and (each.at <= now or watched < now - since):
            found.append(each)
        watched += each.seen
    return found[::-1]


def together(steps: Iterable[Kept], key: int) -> Cell | None:
    """One key over several steps; `None` when nothing happened to it."""
    total: Cell | None = None
    for _, _, cells in steps:
        cell = cells.get(key)
        if cell is not None:
            total = total or Cell()
            total.merge(cell)
    return total


def _add(into: Step, other: Step) -> int:
    """Add a shorter step; returns the events of those for whom there is no room."""
    left_out = 0
    for key, cell in other.items():
        known = into.get(key)
        if known is None:
            if len(into) >= MAX_STEP:
                left_out += sum(cell.counts)
                continue
            known = into[key] = Cell()
        known.merge(cell)
    return left_out
