"""Counts and quantiles by task name, worker and queue, kept as events arrive, in time rings.

A minute of seconds, two hours of minutes, two days of hours.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from itertools import chain, islice
from operator import add

import numpy as np
import numpy.typing as npt

from lazycelery.model.statistics import BY_MINUTES, Kind, Span, Statistics, StatisticsRow
from lazycelery.store.coding import Words
from lazycelery.store.columns import Columns
from lazycelery.store.rings import EVENTS, MAX_STEP, Cell, Kept, Rings, Step, after, together, within
from lazycelery.store.sketch import LEAST, MOST, SCALE, SHIFT, quantiles
from lazycelery.store.sums import Sums
from lazycelery.store.told import LATEST, NO_SPAN, NOTHING_TOLD, Matrix

KINDS: tuple[Kind, ...] = ("task", "worker", "queue")
COUNTED = {
    "task-sent": 0,
    "task-received": 1,
    "task-started": 2,
    "task-succeeded": 3,
    "task-failed": 4,
    "task-retried": 5,
    "task-revoked": 6,
    "task-rejected": 7,
}
_FIELDS = tuple(kind.removeprefix("task-") for kind in COUNTED)
STARTED, SUCCEEDED, FAILED = 2, 3, 4
SECONDS, FEWS, MINUTES, HOURS = 60, 7, round(BY_MINUTES / 60), 48
"""Steps kept of each size."""
FEW = 5.0
MANY = 600
"""Cells of a minute that are not summed up before somebody asks."""
AT_ONCE = 200
"""Cells read in one go."""
HOUR = 3600.0
USUAL = HOURS * HOUR
SHARES = (0.5, 0.95, 0.99)
A_RATE = 0.5
"""Seconds that must have been watched for a rate to be told."""
SETTLED = 4096
"""Events that wait to be counted: then it is time; one to four milliseconds, as names and spans vary."""
DENSE = 2048
"""Words' numbers below it are counted all, whether they came or not."""
NAMED = 5

Numbers = npt.NDArray[np.int64]


class Figures:
    """Fed with every task event that the store has taken in, and told once a second that it is over."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.rings = Rings(self.settle, (1.0, SECONDS), (FEW, FEWS), (60.0, MINUTES), (HOUR, HOURS))
        self.seconds, self.fews, self.minutes, self.hourly = self.rings.all
        self.left_out = 0
        self._total = Cell()
        self._waiting: list[Matrix] = []
        """What is still to be counted."""
        self._size = 0
        """Events in it."""
        self.named: list[float] = []
        """What is to be counted of tasks without a slot: of each event its kind, the columns' numbers of its
        name, worker and queue, and its span."""
        self._sums = Sums()

    # writing

    def count(self, told: Matrix) -> None:
        """Count events, soon. `told` is as of `Told`."""
        self._waiting.append(told)
        self._size += len(told)
        if self._size + len(self.named) // NAMED > SETTLED:
            self.settle()

    def measured(self, kind: int, slot: int, at: float) -> float:
        """Seconds that a task waited or ran, where an event of that kind, by the sender's clock, tells it;
        else `NO_SPAN`."""
        columns, span = self.columns, NO_SPAN
        if kind == STARTED:
            if columns.started[slot] == at:
                span = columns.wait[slot]
        elif kind in (SUCCEEDED, FAILED) and columns.finished[slot] == at:
            span = columns.runtime[slot]
        return span if 0 <= span < LATEST else NO_SPAN

    def settle(self) -> None:
        """Count what waits, all of it at once. Names and queues are those that the slots have now."""
        if not self._size and not self.named:
            return
        columns, total = self.columns, self._total
        told = np.concatenate([NOTHING_TOLD, *self._waiting])
        told = told[told[:, 0] < EVENTS]
        named = np.fromiter(self.named, dtype=np.float64, count=len(self.named)).reshape(-1, NAMED)
        self._waiting.clear()
        self.named.clear()
        self._size = 0
        slots = told[:, 1].astype(np.int64)
        kinds = np.concatenate([told[:, 0], named[:, 0]]).astype(np.int64)
        spans = np.concatenate([told[:, 3], named[:, 4]])
        if not len(kinds):
            return
        for kind, count in enumerate(np.bincount(kinds, minlength=EVENTS).tolist()):
            total.counts[kind] += count
        timed = np.flatnonzero(spans >= 0)
        places, starts = _buckets(spans[timed]), kinds[timed] == STARTED
        self._spans([total], np.zeros(len(timed), dtype=np.int64), starts, places)
        words = columns.vector("name")[slots], told[:, 2], columns.vector("queue")[slots]
        for offset, known in enumerate(words):
            codes = np.concatenate([known, named[:, 1 + offset]]).astype(np.int64)
            if codes.max() < DENSE:
                # To count all numbers there are is faster than to sort those that came.
                counts = np.bincount(codes * EVENTS + kinds, minlength=EVENTS * (int(codes.max()) + 1))
                counts = counts.reshape(-1, EVENTS)
                keys = np.flatnonzero(counts.any(axis=1))
                each, counts = np.searchsorted(keys, codes[timed]), counts[keys]
            else:
                keys, places_of = np.unique(codes, return_inverse=True)
                counts = np.bincount(places_of * EVENTS + kinds, minlength=len(keys) * EVENTS)
                each, counts = places_of[timed], counts.reshape(-1, EVENTS)
            cells = [self._cell(3 * key + offset) if key else None for key in keys.tolist()]
            rows = counts.tolist()
            for key, cell, counted in zip(keys.tolist(), cells, rows, strict=True):
                if cell is not None:
                    cell.counts = list(map(add, cell.counts, counted))
                elif key:
                    self.left_out += sum(counted)
            self._spans(cells, each, starts, places)

    def _cell(self, key: int) -> Cell | None:
        """The cell of a key in the second under way; `None` where there is no room for another."""
        step = self.seconds.step
        cell = step.get(key)
        if cell is None and len(step) < MAX_STEP:
            cell = step[key] = Cell()
        return cell

    @staticmethod
    def _spans(
        cells: list[Cell | None], each: Numbers, starts: npt.NDArray[np.bool_], places: Numbers
    ) -> None:
        """Count spans of time by bucket: waits of starts, run times of ends."""
        kinds, counts = np.unique((each * 2 + starts) * MOST + places, return_counts=True)
        for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True):
            cell = cells[kind // (2 * MOST)]
            if cell is not None:
                found = cell.wait if kind // MOST % 2 else cell.runtime
                place = kind % MOST
                found[place] = found.get(place, 0) + count

    @property
    def total(self) -> Cell:
        """Everything since it was last taken away, whatever its name."""
        self.settle()
        return self._total

    def taken(self) -> Cell:
        """Everything counted since this was last asked."""
        total, self._total = self.total, Cell()
        return total

    def tick(self, now: float, seeing: bool = True, held: float = 0.0) -> None:
        """A second is over; `seeing`: events could be seen in it, `held` as for `Rings.tick`."""
        self.settle()
        before = self.minutes.at
        self.rings.tick(now, seeing, held)
        if self.minutes.at != before and self.minutes.steps and len(self.minutes.steps[-1].cells) < MANY:
            for _ in self._sums.of(0, HOUR).follow(self._steps(HOUR, now)[1]):
                pass  # What is asked for most is always there.

    def apart(self) -> None:
        """What is counted from now on is told apart from what was before, in the hour under way too."""
        self.settle()
        if self.rings.began is not None:
            self.rings.tick(self.seconds.at, False, apart=True)

    # reading

    def read(self, kind: Kind, window: float, now: float) -> Generator[None, None, Statistics]:
        """All rows of a kind over the last `window` seconds, as far as they are kept; in slices of a few
        milliseconds, between which counting may go on."""
        kept = self._sums.of(KINDS.index(kind), window)
        yield from kept.follow(self._steps(window, now)[1])
        under_way, finished = self._steps(window, now)
        for _ in kept.follow(finished):
            pass  # A step or two that ended meanwhile: now it fits to those under way.
        since = _since(under_way, finished, now)
        told = [Kept(now, 0.0, dict(kept.cells))]
        seen = seen_in((*under_way, *finished))
        rows = yield from self._rows(kind, under_way, told, seen)
        left_out = self.left_out + self.rings.left_out
        return Statistics(
            kind=kind, window=window, since=since, until=now, seen=seen, rows=rows, left_out=left_out
        )

    def span(self, kind: Kind, when: Span) -> Generator[None, None, list[StatisticsRow]]:
        """All rows of a kind between two moments; what is kept of that time is noted in `when`. Minutes
        where they reach, else whole hours."""
        under_way = [step for step in self.rings.under_way() if when.since <= step.at < when.until]
        # The hour under way holds minutes that are counted here already.
        minutes = [step for step in self.minutes.steps if when.since <= step.at < when.until]
        kept = [*(step for step in under_way if step.cells is not self.hourly.step), *minutes]
        hours = [*under_way, *touching(self.hourly.steps, when.since, when.until)]
        if 2 * seen_in(kept) < min(seen_in(hours), when.until - when.since):
            kept = hours
        return (yield from self.rows(kind, when, kept))

    def rows(self, kind: Kind, when: Span, steps: list[Kept]) -> Generator[None, None, list[StatisticsRow]]:
        """All rows of a kind over some steps; their time is noted in `when`."""
        when.seen = seen_in(steps)
        if not when.seen:
            return []
        when.since = min(kept.at for kept in steps)
        moving = [ring.step for ring in self.rings.all]
        under_way = [kept for kept in steps if any(kept.cells is step for step in moving)]
        finished = [kept for kept in steps if not any(kept.cells is step for step in moving)]
        return (yield from self._rows(kind, under_way, finished, when.seen))

    def _rows(
        self, kind: Kind, under_way: list[Kept], finished: list[Kept], seconds: float
    ) -> Generator[None, None, list[StatisticsRow]]:
        offset = KINDS.index(kind)
        cells: dict[int, Cell] = {}
        for number, (_, _, step) in enumerate((*under_way, *finished), 1):
            for key, cell in step.items():
                if key % 3 == offset:
                    cells.setdefault(key, Cell()).merge(cell)
            if number >= len(under_way):  # Of these each second's end moves cells from one to the next.
                yield
        texts = self.words(kind).texts
        rows: list[StatisticsRow] = []
        for number, (key, cell) in enumerate(cells.items(), 1):
            rows.append(row_of(kind, texts[key // 3] or "", cell, seconds))
            if number % AT_ONCE == 0:
                yield
        rows.sort(key=lambda row: (-row.ended, -row.received, row.key))
        return rows

    def one(self, kind: Kind, key: str, window: float, now: float) -> StatisticsRow | None:
        """One task name, worker or queue; `None` when nothing was seen of it in that time."""
        code = self.words(kind).codes.get(key)
        if not code:
            return None
        under_way, finished = self._steps(window, now)
        steps = (*under_way, *finished)
        total = together(steps, 3 * code + KINDS.index(kind))
        return None if total is None else row_of(kind, key, total, seen_in(steps))

    def words(self, kind: Kind) -> Words:
        """The names of a kind."""
        columns = self.columns
        return {"task": columns.names, "worker": columns.workers, "queue": columns.queues}[kind]

    def _steps(self, window: float, now: float) -> tuple[list[Kept], list[Kept]]:
        """Every step that belongs to a window: those under way, and the finished ones, which change no
        more."""
        start = now - window
        if window <= SECONDS:
            number = 1
        elif window <= MINUTES * 60:
            number = 3
        else:
            number = 4
        ring = self.rings.all[number - 1]
        # Steps are counted whole: the first one may have begun a little before the window.
        kept = within(ring.steps, start - ring.size, now)
        return self.rings.under_way()[:number], kept

    def hours(self, newest: int = HOURS) -> Iterator[tuple[float, int, Cell]]:
        """Cells of finished hours and of the one under way, oldest first, with when their hour began and
        their key, for who keeps them. Counting may go on in between."""
        for at, _, step in self._finished(newest):
            for key, cell in step.items():
                yield at, key, cell
        self.settle()
        yield from self._under_way(chain.from_iterable(ring.step for ring in self.rings.all))

    def lately(self, last: Kept | None) -> Iterator[tuple[float, int, Cell]]:
        """Cells of the hour under way of which something was counted after this second, as `hours` gives
        them."""
        self.settle()
        cells = [kept.cells for kept in after(self.seconds.steps, last)]
        yield from self._under_way(chain.from_iterable((*cells, self.seconds.step)))

    def _under_way(self, keys: Iterable[int]) -> Iterator[tuple[float, int, Cell]]:
        at = self.hourly.at
        for key in list(dict.fromkeys(keys)):
            total = together(self.rings.under_way(), key)  # As they are by now.
            if total is not None and at == self.hourly.at:
                yield at, key, total

    def hours_seen(self, newest: int = HOURS) -> list[tuple[float, float]]:
        """When these hours began, and how many seconds of each were watched."""
        under_way = sum(ring.seen for ring in self.rings.all)
        return [*((at, seen) for at, seen, _ in self._finished(newest)), (self.hourly.at, under_way)]

    def _finished(self, newest: int) -> list[Kept]:
        steps = self.hourly.steps
        return list(islice(steps, max(0, len(steps) - newest), None))

    def put_before(self, at: float, step: Step, seen: float = HOUR) -> None:
        """An hour that an earlier monitor counted; the newest first."""
        if len(self.hourly.steps) < HOURS:
            self.hourly.steps.appendleft(Kept(at, seen, step))


def _buckets(seconds: npt.NDArray[np.float64]) -> Numbers:
    """The bucket of each duration, as `sketch.bucket`."""
    return (np.log(np.maximum(seconds, LEAST)) * SCALE + SHIFT).astype(np.int64)


def seen_in(steps: Iterable[Kept]) -> float:
    """Seconds of steps in which events could be seen."""
    return sum(kept.seen for kept in steps)


def _since(under_way: list[Kept], finished: list[Kept], now: float) -> float:
    """When the first of these steps began."""
    return min((kept.at for kept in (*under_way, *finished) if kept.at), default=now)


def touching(hours: Iterable[Kept], since: float, until: float) -> list[Kept]:
    """Hours that have a part in a span of time, whole."""
    return [kept for kept in hours if kept.at < until and (kept.at // HOUR + 1) * HOUR > since]


def row_of(kind: Kind, key: str, cell: Cell, seconds: float) -> StatisticsRow:
    """A cell in words: counts, and what follows from them; `seconds` is the time that was seen."""
    row = StatisticsRow(kind=kind, key=key, **dict(zip(_FIELDS, cell.counts, strict=True)))
    if seconds >= A_RATE:
        row.rate = row.ended / seconds
    if decided := row.succeeded + row.failed:
        row.failure_share = row.failed / decided
    if row.ended:
        row.retry_share = row.retried / row.ended
    row.runtime_p50, row.runtime_p95, row.runtime_p99 = quantiles(cell.runtime, SHARES)
    row.wait_p50, row.wait_p95, row.wait_p99 = quantiles(cell.wait, SHARES)
    return row
