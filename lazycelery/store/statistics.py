"""Counts and quantiles by task name, worker and queue, kept as events arrive, in time rings.

A minute of seconds, an hour of minutes, two days of hours. A step holds only what had traffic in it,
and all steps together hold a bounded number of cells: the oldest and finest leave first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from itertools import chain, islice

from lazycelery.model.statistics import Kind, Statistics, StatisticsRow
from lazycelery.store.coding import Words
from lazycelery.store.columns import Columns
from lazycelery.store.sketch import Buckets, bucket, merge, quantiles

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
SECONDS, MINUTES, HOURS = 60, 60, 48
"""Steps kept of each size."""
MAX_CELLS = 60_000
"""In all rings together; a cell takes about a kilobyte."""
MAX_STEP = 3_000
"""Cells of one step: names that somebody makes up are not counted one by one for ever."""
AT_ONCE = 200
"""Cells read in one go."""
USUAL = HOURS * 3600.0
SHARES = (0.5, 0.95, 0.99)


class Cell:
    """What happened to one task name, worker or queue within one step."""

    __slots__ = ("counts", "runtime", "wait")

    def __init__(self) -> None:
        self.counts = [0] * len(COUNTED)
        self.runtime: Buckets = {}
        self.wait: Buckets = {}

    def merge(self, other: Cell) -> None:
        """Take in a shorter step."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        merge(self.runtime, other.runtime)
        merge(self.wait, other.wait)


Step = dict[int, Cell]
"""Cells by key: three times the word's number, and the place of its kind in `KINDS`."""


class Ring:
    """Finished steps of one size, newest last."""

    def __init__(self, size: int) -> None:
        self.steps: deque[tuple[float, Step]] = deque(maxlen=size)
        """When each began, and its cells."""

    def cells(self) -> int:
        """Cells in all of its steps."""
        return sum(len(step) for _, step in self.steps)


class Figures:
    """Fed with every task event that the store has taken in, and told once a second that it is over."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.left_out = 0
        self.began: float | None = None
        """When counting began."""
        self._second: Step = {}
        self._minute: Step = {}
        self._hour: Step = {}
        self._second_at = self._minute_at = self._hour_at = 0.0
        self._seconds, self._minutes, self._hours = Ring(SECONDS), Ring(MINUTES), Ring(HOURS)

    # writing

    def count(self, type: str, slot: int, worker: int, at: float) -> None:
        """Count an event of a task, by the sender's clock `at`, as the columns have it now."""
        index = COUNTED.get(type)
        if index is None:
            return
        columns, step = self.columns, self._second
        place = -1
        if index == STARTED:
            wait = columns.wait[slot]
            if wait == wait and columns.started[slot] == at:
                place = bucket(wait)
        elif index in (SUCCEEDED, FAILED):
            runtime = columns.runtime[slot]
            if runtime == runtime and columns.finished[slot] == at:
                place = bucket(runtime)
        for key in (3 * columns.name[slot], 3 * worker + 1, 3 * columns.queue[slot] + 2):
            if key < 3:
                continue  # Nobody told.
            cell = step.get(key)
            if cell is None:
                if len(step) >= MAX_STEP:
                    self.left_out += 1
                    continue
                cell = step[key] = Cell()
            cell.counts[index] += 1
            if place >= 0:
                buckets = cell.wait if index == STARTED else cell.runtime
                buckets[place] = buckets.get(place, 0) + 1

    def tick(self, now: float) -> None:
        """A second is over. A clock that jumps ends the steps under way, and does no more harm."""
        if self.began is None:
            self.began = self._second_at = self._minute_at = self._hour_at = now - 1.0
        self._seconds.steps.append((self._second_at, self._second))
        self.left_out += _add(self._minute, self._second)
        self._second, self._second_at = {}, now
        if now // 60 != self._minute_at // 60:
            self._minutes.steps.append((self._minute_at, self._minute))
            self.left_out += _add(self._hour, self._minute)
            self._minute, self._minute_at = {}, now
        if now // 3600 != self._hour_at // 3600:
            self._hours.steps.append((self._hour_at, self._hour))
            self._hour, self._hour_at = {}, now
        self._stay_bounded()

    def _stay_bounded(self) -> None:
        total = sum(ring.cells() for ring in (self._seconds, self._minutes, self._hours))
        for ring in (self._seconds, self._minutes, self._hours):
            while total > MAX_CELLS and len(ring.steps) > 1:
                total -= len(ring.steps.popleft()[1])

    # reading

    def read(self, kind: Kind, window: float, now: float) -> Generator[None, None, Statistics]:
        """All rows of a kind over the last `window` seconds, as far as they are kept; in slices of a few
        milliseconds, between which counting may go on."""
        offset = KINDS.index(kind)
        since, under_way, finished = self._steps(window, now)
        cells: dict[int, Cell] = {}
        for number, step in enumerate((*under_way, *finished), 1):
            for key, cell in step.items():
                if key % 3 == offset:
                    cells.setdefault(key, Cell()).merge(cell)
            if number >= len(under_way):  # Of these each second's end moves cells from one to the next.
                yield
        words = self._words(kind)
        span = max(1.0, now - since)
        rows: list[StatisticsRow] = []
        for number, (key, cell) in enumerate(cells.items(), 1):
            rows.append(_row(kind, words.texts[key // 3] or "", cell, span))
            if number % AT_ONCE == 0:
                yield
        rows.sort(key=lambda row: (-row.ended, -row.received, row.key))
        return Statistics(kind=kind, window=window, since=since, until=now, rows=rows, left_out=self.left_out)

    def one(self, kind: Kind, key: str, window: float, now: float) -> StatisticsRow | None:
        """One task name, worker or queue; `None` when nothing was seen of it in that time."""
        code = self._words(kind).codes.get(key)
        if not code:
            return None
        number = 3 * code + KINDS.index(kind)
        since, under_way, finished = self._steps(window, now)
        total: Cell | None = None
        for step in (*under_way, *finished):
            cell = step.get(number)
            if cell is not None:
                total = total or Cell()
                total.merge(cell)
        return None if total is None else _row(kind, key, total, max(1.0, now - since))

    def _words(self, kind: Kind) -> Words:
        columns = self.columns
        return {"task": columns.names, "worker": columns.workers, "queue": columns.queues}[kind]

    def _steps(self, window: float, now: float) -> tuple[float, list[Step], list[Step]]:
        """From when on, and every step that belongs to a window: those under way, and the finished ones,
        which change no more."""
        start = now - window
        under_way: list[tuple[float, Step]] = [(self._second_at, self._second)]
        if window <= SECONDS:
            ring, size = self._seconds, 1.0
        elif window <= MINUTES * 60:
            ring, size = self._minutes, 60.0
            under_way.append((self._minute_at, self._minute))
        else:
            ring, size = self._hours, 3600.0
            under_way += [(self._minute_at, self._minute), (self._hour_at, self._hour)]
        # Steps are counted whole: the first one may have begun a little before the window.
        kept = [(at, step) for at, step in ring.steps if at > start - size]
        began = [at for at, _ in chain(kept, under_way) if at]
        since = min(began, default=now)
        return since, [step for _, step in under_way], [step for _, step in kept]

    def hours(self, newest: int = HOURS) -> Iterator[tuple[float, int, Cell]]:
        """Cells of finished hours and of the one under way, oldest first, with when their hour began and
        their key, for who keeps them. Counting may go on in between."""
        finished = list(islice(self._hours.steps, max(0, len(self._hours.steps) - newest), None))
        for at, step in finished:
            for key, cell in step.items():
                yield at, key, cell
        for key in list(dict.fromkeys(chain(self._hour, self._minute, self._second))):
            total = Cell()
            for step in (self._hour, self._minute, self._second):  # As they are by now.
                if key in step:
                    total.merge(step[key])
            yield self._hour_at, key, total

    def put_before(self, at: float, step: Step) -> None:
        """An hour that an earlier monitor counted; the newest first."""
        if len(self._hours.steps) < HOURS:
            self._hours.steps.appendleft((at, step))


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


def _row(kind: Kind, key: str, cell: Cell, seconds: float) -> StatisticsRow:
    row = StatisticsRow(kind=kind, key=key, **dict(zip(_FIELDS, cell.counts, strict=True)))
    row.rate = row.ended / seconds
    if decided := row.succeeded + row.failed:
        row.failure_share = row.failed / decided
    if row.ended:
        row.retry_share = row.retried / row.ended
    row.runtime_p50, row.runtime_p95, row.runtime_p99 = quantiles(cell.runtime, SHARES)
    row.wait_p50, row.wait_p95, row.wait_p99 = quantiles(cell.wait, SHARES)
    return row
