"""What task names and queues do now, and what is usual for each: read from the statistics' rings by key."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple

from lazycelery.model.statistics import Kind
from lazycelery.store.ago import DAY, WATCHED, WEEK, Ago, ended
from lazycelery.store.rings import Cell, Kept, after
from lazycelery.store.sketch import merge, quantiles
from lazycelery.store.statistics import HOUR, KINDS, MINUTES, Figures

LATELY = 5
"""Finished minutes that are not usual yet."""
FRESH = 600.0
"""Seconds for which what is usual is good enough."""
AT_ONCE = 8
"""Keys of which the usual is counted anew at one look: a millisecond or two each."""
ENOUGH = 40
"""Runs in the last half minute that are judged alone."""
MOST = 2000
"""Keys that are looked after."""
SLICE = 25
WORKER = KINDS.index("worker")


class StepFacts(NamedTuple):
    """One hour (or minute) of a key."""

    at: float
    runs: int
    failure_share: float | None
    runtime_p50: float | None
    runtime_p95: float | None
    wait_p95: float | None


class Usual(NamedTuple):
    """What a key usually does."""

    at: float
    """When it was counted."""
    since: float
    seen: float
    """Seconds that were watched."""
    runs: int
    steps: list[StepFacts]
    """Those with events, oldest first; with the hours of a week ago, where they are known."""
    runtime: list[float | None]
    """Of all: half, three quarters and 95 % took less; seconds."""
    wait: list[float | None]
    failed: int
    """Of `runs`."""


class Habit(NamedTuple):
    """A task name or queue, now and usually."""

    kind: Kind
    name: str
    now: Cell | None
    """The last half minute."""
    few: Cell | None
    """The last five minutes; where `now` has enough to be judged, the same as it."""
    minutes: deque[int]
    """Runs that ended in each of the last two hours' minutes, oldest first; -1 was not watched. While
    something is found of it, also the two hours before that."""
    hours: list[int]
    """Likewise of each hour of two days."""
    day: tuple[float | None, float | None]
    """Runs a second in this clock hour a day ago, and in the one after it; `None` was not watched."""
    usual: Usual | None
    """As it was before what is found of it now."""
    week: tuple[float | None, float | None] = (None, None)
    """As `day`, a week ago."""
    ill: int = 0
    """Minutes since something was found of it; 0 where nothing is."""


class Habits:
    """Keeps what is usual by key, as long as it is fresh."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._minute: Kept | None = None
        """The last one that is in the rows."""
        self._known: tuple[float, ...] = ()
        """Which hours are in the rows."""
        self._minutes: dict[int, deque[int]] = {}
        self._seen: deque[bool] = deque(maxlen=MINUTES)
        self._hours: dict[int, list[int]] = {}
        self._few: dict[int, Cell] = {}
        self._usual: dict[int, Usual] = {}
        self._week: Sequence[Kept] = ()
        self._days = Ago(lambda: figures.hourly.steps, DAY)
        self._weeks = Ago(lambda: self._week, WEEK)
        self._ill: dict[int, float] = {}
        """Since when something is found of a key."""

    def put_week(self, hours: Sequence[Kept]) -> None:
        """Recorded hours of a week ago, around this time of the day."""
        self._week = sorted(hours, key=lambda kept: kept.at)
        self._weeks.forget()

    def note_ill(self, since: Mapping[tuple[str, str], float]) -> None:
        """Of what something is found, by kind and name, and since when: what is usual for it, and its minutes
        before that, are kept until it is over. Else what lasts would be usual by itself."""
        ill = {}
        for (kind, name), at in since.items():
            if kind in KINDS and (code := self._figures.words(kind).codes.get(name)):
                key = 3 * code + KINDS.index(kind)
                ill[key] = at
        for key in ill.keys() ^ self._ill.keys():
            row = self._minutes.get(key)
            if row is not None:
                self._minutes[key] = deque(row, maxlen=None if key in ill else MINUTES)
        self._ill = ill

    def take(self, now: float) -> Generator[None, None, list[Habit]]:
        """All of them, in slices of a few milliseconds; writers may run in between."""
        figures = self._figures
        yield from self._count_minutes()
        yield from self._count_hours()
        yield
        # A few seconds that end meanwhile are in the minute then, and count once.
        under_way, minute = figures.fews.step, figures.minutes.step
        recent = [under_way, *(kept.cells for kept in figures.fews.steps)]
        budget = AT_ONCE
        found: list[Habit] = []
        # Those that run now come first: their usual is wanted first too.
        keys = dict.fromkeys((*chain.from_iterable(recent), *self._few, *self._minutes, *self._hours))
        for number, key in enumerate(islice(keys, MOST), 1):
            if key % 3 == WORKER:
                continue
            cell = _sum(key, [step[key] for step in recent if key in step])
            few = cell
            if ended(cell) < ENOUGH:
                moving = [under_way, minute] if figures.fews.step is under_way else [minute]
                few = _sum(key, [step[key] for step in (self._few, *moving) if key in step])
            usual = self._usual.get(key)
            stale = usual is None or (key not in self._ill and not 0 <= now - usual.at < FRESH)
            if few and budget and stale:
                budget -= 1
                usual = self._count_usual(key, now)
                yield
            found.append(self._habit(key, now, cell, few, usual))
            if number % SLICE == 0:
                yield
        return found

    def day_known(self, now: float) -> bool:
        """Whether this hour of a day ago was watched."""
        return self._days.seen(now) > WATCHED * HOUR

    def _habit(self, key: int, now: float, cell: Cell | None, few: Cell | None, usual: Usual | None) -> Habit:
        kind = KINDS[key % 3]
        return Habit(
            kind=kind,
            name=self._figures.words(kind).texts[key // 3] or "",
            now=cell,
            few=few,
            minutes=self._minutes.get(key) or deque(),
            hours=self._hours.get(key, []),
            day=self._days.rates(key, now),
            usual=usual,
            week=self._weeks.rates(key, now),
            ill=max(0, int((now - self._ill[key]) // 60)) if key in self._ill else 0,
        )

    def _count_minutes(self) -> Generator[None, None, None]:
        """Rows get the minutes that ended since the last look."""
        steps = self._figures.minutes.steps
        fresh = after(steps, self._minute)
        if not fresh:
            return
        self._minute = fresh[-1]
        for kept in fresh:
            seen = kept.seen >= WATCHED * 60
            for key, row in self._minutes.items():
                if key not in kept.cells:
                    row.append(0 if seen else -1)
            for key, cell in kept.cells.items():
                row = self._minutes.get(key)  # type: ignore[assignment]
                if row is None and key % 3 != WORKER and len(self._minutes) < MOST:
                    row = self._minutes[key] = deque((0 if was else -1 for was in self._seen), maxlen=MINUTES)
                if row is not None:
                    row.append(ended(cell))
            self._seen.append(seen)
            yield
        for key in [key for key, row in self._minutes.items() if not any(runs > 0 for runs in row)]:
            del self._minutes[key]
        self._few = {}
        for kept in list(steps)[-LATELY + 1 :]:
            for key, cell in kept.cells.items():
                if key % 3 != WORKER:
                    self._few.setdefault(key, Cell()).merge(cell)
            yield

    def _count_hours(self) -> Generator[None, None, None]:
        steps = list(self._figures.hourly.steps)
        known = (len(steps), steps[0].at, steps[-1].at) if steps else ()
        if known == self._known:
            return
        self._known = known
        self._usual = {key: usual for key, usual in self._usual.items() if key in self._ill}
        self._days.forget()
        hours: dict[int, list[int]] = {}
        for place, kept in enumerate(steps):
            for key, cell in kept.cells.items():
                if key % 3 == 0:
                    row = hours.get(key)
                    if row is None:
                        row = hours[key] = [0 if was.seen >= WATCHED * HOUR else -1 for was in steps]
                    row[place] = ended(cell)
            yield
        self._hours = hours

    def _count_usual(self, key: int, now: float) -> Usual | None:
        figures = self._figures
        steps = list(figures.hourly.steps)
        if sum(key in kept.cells for kept in steps) < 3:
            # Not long enough known by the hour: the minutes of before.
            steps = list(figures.minutes.steps)[:-LATELY]
        cells = [(kept.at, kept.cells[key]) for kept in steps if key in kept.cells]
        if not cells:
            return None
        weekly = [_facts(kept.at, kept.cells[key]) for kept in self._week if key in kept.cells]
        total = Cell()
        for _, cell in cells:
            total.merge(cell)
        usual = self._usual[key] = Usual(
            at=now,
            since=steps[0].at,
            seen=sum(kept.seen for kept in steps),
            runs=ended(total),
            steps=weekly + [_facts(at, cell) for at, cell in cells],
            runtime=quantiles(total.runtime, (0.5, 0.75, 0.95)),
            wait=quantiles(total.wait, (0.5, 0.75, 0.95)),
            failed=total.counts[4],
        )
        return usual


def _facts(at: float, cell: Cell) -> StepFacts:
    decided = cell.counts[3] + cell.counts[4]
    p50, p95 = quantiles(cell.runtime, (0.5, 0.95))
    return StepFacts(
        at=at,
        runs=ended(cell),
        failure_share=cell.counts[4] / decided if decided else None,
        runtime_p50=p50,
        runtime_p95=p95,
        wait_p95=quantiles(cell.wait, (0.95,))[0],
    )


def _sum(key: int, cells: list[Cell]) -> Cell | None:
    """Together: of task names counts and run times, of queues counts and waits. One alone is itself."""
    if len(cells) < 2:
        return cells[0] if cells else None
    total = Cell()
    total.counts = [sum(column) for column in zip(*(cell.counts for cell in cells), strict=True)]
    for cell in cells:
        if key % 3:
            merge(total.wait, cell.wait)
        else:
            merge(total.runtime, cell.runtime)
    return total
