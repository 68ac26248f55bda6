"""Targets and their budgets, counted from the statistics' rings and from recorded hours.

burn rate = (missed / counted) / (1 - share): 1 spends the budget exactly within its window.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple, cast

from lazycelery.insight.anomalies import above, durations
from lazycelery.model.sla import BURNS, SHARE, WINDOW, Aim, Burn, Objective
from lazycelery.store.rings import Cell, Kept, after, within
from lazycelery.store.statistics import FAILED, HOUR, MINUTES, SUCCEEDED, Figures

AIMS: tuple[Aim, ...] = ("wait", "runtime", "success")
WORST = 3


class Aimed(NamedTuple):
    """One aim of one target."""

    pattern: str
    aim: Aim
    target: float | None
    share: float
    window: float


class Tally(NamedTuple):
    """What was counted in one step of time: per aim, events and misses."""

    at: float
    seen: float
    counts: tuple[tuple[int, int], ...]


class Book:
    """Counts every finished minute and hour once."""

    def __init__(self, sla: Mapping[str, Mapping[str, float]], figures: Figures) -> None:
        self.aims = [
            Aimed(
                pattern,
                aim,
                target[aim] if aim != "success" else None,
                target["success"] if aim == "success" else target.get("share", SHARE),
                target.get("window", WINDOW),
            )
            for pattern, target in sla.items()
            for aim in AIMS
            if aim in target
        ]
        self._figures = figures
        self._mine: dict[int, list[int]] = {}
        """Places of the aims that a key's name falls under."""
        self._minutes: deque[Tally] = deque(maxlen=MINUTES)
        self._hours: deque[Tally] = deque()
        self._minute: Kept | None = None
        self._hour: Kept | None = None
        """The last ones that were counted."""

    @property
    def window(self) -> float:
        """Seconds of the longest budget."""
        return max((aim.window for aim in self.aims), default=0.0)

    def put_before(self, hours: Sequence[Kept]) -> Generator[None, None, None]:
        """Hours that were recorded before this monitor began, in slices of a few milliseconds."""
        for kept in sorted(hours, key=lambda one: -one.at):
            self._hours.appendleft(self._tally([kept]))
            yield

    def take(self, now: float) -> list[Objective]:
        """How every aim is kept by now."""
        if not self.aims:
            return []
        figures = self._figures
        for kept in after(figures.minutes.steps, self._minute):
            self._minute = kept
            self._minutes.append(self._tally([kept]))
        for kept in after(figures.hourly.steps, self._hour):
            if self._hour is not None or kept.at >= (figures.rings.began or now):
                self._hour = kept
                self._hours.append(self._tally([kept]))
        while self._hours and self._hours[0].at < now - self.window - 2 * HOUR:
            self._hours.popleft()
        present = self._tally(figures.rings.under_way()[:3])
        hour = self._tally(figures.rings.under_way())
        worst = self._worst()
        return [self._objective(place, aim, now, present, hour, worst) for place, aim in enumerate(self.aims)]

    def _objective(
        self, place: int, aim: Aimed, now: float, present: Tally, hour: Tally, worst: list[Counter[str]]
    ) -> Objective:
        budget = 1 - aim.share
        hours = [*self._hours, hour]
        kept = within(hours, now - aim.window - HOUR, now)
        events, bad = _sum(kept, place)
        part = bad / events if events else None
        burns = {}
        for name, seconds in BURNS.items():
            steps = [*self._minutes, present] if seconds <= HOUR else hours
            size = 60.0 if seconds <= HOUR else HOUR
            steps = within(steps, now - seconds - size / 2, now)
            counted, missed = _sum(steps, place)
            burns[name] = Burn(
                rate=missed / counted / budget if counted else None,
                events=counted,
                bad=missed,
                seen=min(sum(one.seen for one in steps), seconds),
            )
        return Objective(
            pattern=aim.pattern,
            aim=aim.aim,
            target=aim.target,
            share=aim.share,
            window=aim.window,
            seen=min(sum(one.seen for one in kept), aim.window),
            since=max(min((one.at for one in kept if one.seen), default=now), now - aim.window - HOUR),
            events=events,
            bad=bad,
            kept=None if part is None else 1 - part,
            budget_left=None if part is None else 1 - part / budget,
            burn=burns,
            names=[name for name, _ in worst[place].most_common(WORST)],
        )

    def _tally(self, steps: Iterable[Kept]) -> Tally:
        counts = [[0, 0] for _ in self.aims]
        at, seen = 0.0, 0.0
        for kept in steps:
            at, seen = kept.at, seen + kept.seen
            for key, cell in kept.cells.items():
                for place in self._places(key):
                    events, bad = _counted(self.aims[place], cell)
                    counts[place][0] += events
                    counts[place][1] += bad
        return Tally(at, seen, tuple((events, bad) for events, bad in counts))

    def _places(self, key: int) -> list[int]:
        if key % 3:
            return []
        known = self._mine.get(key)
        if known is None:
            name = self._figures.words("task").texts[key // 3] or ""
            known = self._mine[key] = [
                place for place, aim in enumerate(self.aims) if fnmatchcase(name, aim.pattern)
            ]
        return known

    def _worst(self) -> list[Counter[str]]:
        """Misses by name, in the minute under way and the last finished one."""
        found: list[Counter[str]] = [Counter() for _ in self.aims]
        texts = self._figures.words("task").texts
        for kept in (*self._figures.rings.under_way()[:3], *list(self._figures.minutes.steps)[-5:]):
            for key, cell in kept.cells.items():
                for place in self._places(key):
                    _, bad = _counted(self.aims[place], cell)
                    if bad:
                        found[place][texts[key // 3] or ""] += bad
        return found


def _counted(aim: Aimed, cell: Cell) -> tuple[int, int]:
    if aim.aim == "success":
        return cell.counts[SUCCEEDED] + cell.counts[FAILED], cell.counts[FAILED]
    buckets = cell.wait if aim.aim == "wait" else cell.runtime
    return durations(buckets), above(buckets, cast("float", aim.target))


def _sum(tallies: Iterable[Tally], place: int) -> tuple[int, int]:
    found = [tally.counts[place] for tally in tallies]
    return sum(events for events, _ in found), sum(bad for _, bad in found)
