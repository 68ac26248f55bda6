"""Traffic of days on a fake clock: rhythms, bursts, deployments, rare tasks; made ill on request."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lazycelery.insight.doctor import MODES
from lazycelery.insight.doctor.grouping import grouped
from lazycelery.insight.doctor.memory import Memory
from lazycelery.model.facts import NameFacts, TaskFacts
from lazycelery.model.finding import Finding
from lazycelery.model.limits import Limits
from lazycelery.store.habits import Habits
from lazycelery.store.rings import Cell
from lazycelery.store.sketch import bucket
from lazycelery.store.statistics import FAILED, STARTED, SUCCEEDED
from lazycelery.store.store import Store
from tests.doctor.seen import queue, seen

HOUR, DAY = 3600.0, 86_400.0
T0 = 1_800_000_000.0 - 1_800_000_000.0 % DAY
STEP = 5.0
LOOK = 60.0
"""Seconds between two looks of the doctor, on the fake clock."""
CODES = ("failure-spike", "task-slow", "waiting-long", "throughput-drop", "task-silent")


@dataclass
class Kind:
    """Tasks of one name."""

    name: str
    queue: str
    rate: Callable[[float], float]
    """Runs a second, by the second of the day."""
    runtime: float = 0.3
    spread: float = 0.6
    """Of the logarithm of the run time."""
    fails: Callable[[float], float] = lambda _: 0.01
    slow_share: float = 0.0
    """Of its runs that miss a cache, and take two hundred times as long."""
    heavier: Callable[[float], float] = lambda _: 1.0
    beat: float = 0.0
    """Seconds between two runs, where it comes by the clock."""


def sinus(most: float) -> Callable[[float], float]:
    """Ten times as much by day as by night."""
    return lambda day: most * (0.55 - 0.45 * math.cos(2 * math.pi * (day - 4 * HOUR) / DAY))


def office(rate: float) -> Callable[[float], float]:
    return lambda day: rate if 8 * HOUR <= day < 18 * HOUR else 0.0


def nightly(rate: float) -> Callable[[float], float]:
    return lambda day: rate if 2 * HOUR <= day < 2.7 * HOUR else 0.0


def flood(rate: float) -> Callable[[float], float]:
    """Two minutes at the beginning of each hour."""
    return lambda day: rate if day % HOUR < 120 else 0.0


KINDS = [
    Kind("shop.order", "default", sinus(1.2)),
    Kind("shop.page", "web", sinus(2.0), runtime=0.05, slow_share=0.3, heavier=lambda day: 1 + day / DAY),
    Kind("shop.stock", "default", lambda day: 0.4, runtime=1.5),
    Kind("shop.flaky", "default", lambda day: 0.2, fails=lambda day: 0.2 + 0.15 * math.sin(day / 2000)),
    Kind("shop.office", "default", office(0.3), runtime=2.0),
    Kind("shop.nightly", "batch", nightly(1.0), runtime=8.0),
    Kind("shop.mailing", "mail", flood(12.0), runtime=0.2),
    Kind("shop.rare", "default", lambda day: 1 / 500.0, runtime=20.0, spread=1.2),
    Kind("shop.weird", "default", lambda day: 0.1, runtime=1.0, spread=1.8),
    Kind("beat.minute", "beat", lambda day: 0.0, beat=60.0),
    Kind("beat.five", "beat", lambda day: 0.0, beat=300.0, runtime=4.0),
    Kind("beat.hour", "beat", lambda day: 0.0, beat=3600.0, runtime=60.0),
]


class Town:
    """A cluster's statistics, and its doctor."""

    def __init__(self, seed: int = 1, limits: Limits | None = None) -> None:
        self.store = Store(10)
        self.habits = Habits(self.store.figures)
        self.chance = np.random.default_rng(seed)
        self.now = T0 + 9 * HOUR
        self.limits = limits or Limits()
        self.memory = Memory()
        self.findings: list[Finding] = []
        self.held = 0.0
        """Seconds for which a deployment stopped all, and what waited since."""
        self.deployed = -1e9
        self.stopped: set[str] = set()
        self.slower: dict[str, float] = {}
        self.failing: dict[str, float] = {}
        self.late: dict[str, float] = {}
        self._lately: deque[tuple[float, str, int, int]] = deque()
        self._next_look = 0.0
        self._next_deploy = self.now + 5 * HOUR

    def past(self, hours: int) -> None:
        """Hours that an earlier monitor recorded, made at once."""
        began = self.now - self.now % HOUR
        for ago in range(1, hours + 1):
            at = began - ago * HOUR
            for minute in range(0, 3600, 60):
                day = (at + minute - T0) % DAY
                for kind in KINDS:
                    self._count(kind, day, float(self.chance.poisson(kind.rate(day) * 60)), 0.0, 60.0)
            step, ring = self.store.figures.seconds.step, self.store.figures.seconds
            self.store.figures.put_before(at, step)
            ring.step = {}
        self._lately.clear()

    def pass_by(self, seconds: float, looking: bool = True) -> set[tuple[str, str]]:
        """Time goes by; returns what was found meanwhile."""
        found: set[tuple[str, str]] = set()
        end = self.now + seconds
        while self.now < end:
            self._step()
            if looking and self.now >= self._next_look:
                self._next_look = self.now + LOOK
                found |= {(one.code, one.subject) for one in self.look()}
        return found

    def until(self, code: str, subject: str, within: float) -> tuple[float, Finding]:
        """Seconds until something is found, and what."""
        began = self.now
        while self.now - began < within:
            self._step()
            for one in self.look():
                if (one.code, one.subject) == (code, subject):
                    return self.now - began, one
        raise AssertionError(
            f"{code} of {subject} is not found; {[(f.code, f.subject) for f in self.findings]}"
        )

    def look(self) -> list[Finding]:
        self.habits.note_ill(self.memory.habits(MODES, self.now))
        counting = self.habits.take(self.now)
        while True:
            try:
                next(counting)
            except StopIteration as done:
                habits = done.value
                break
        snapshot = seen(
            now=self.now,
            habits=habits,
            day_known=self.habits.day_known(self.now),
            tasks=TaskFacts(names=self._names()),
            queues=[queue(name, 50 * (name in self.late)) for name in dict.fromkeys(k.queue for k in KINDS)],
            limits=self.limits,
            queue_of={kind.name: kind.queue for kind in KINDS}.get,
        )
        found = [one for code in CODES for one in MODES[code].check(snapshot)]
        self.findings = grouped(self.memory.note(found, MODES, self.now))
        return self.findings

    def _names(self) -> dict[str, NameFacts]:
        while self._lately and self._lately[0][0] < self.now - 120:
            self._lately.popleft()
        names: dict[str, NameFacts] = {}
        for at, name, ended, failed in self._lately:
            facts = names.setdefault(name, NameFacts(name=name, error="Boom()", worker="w1@a"))
            facts.ended += ended
            facts.failed += failed
            facts.first_failed = facts.first_failed or (at if failed else None)
        return {name: facts for name, facts in names.items() if facts.failed}

    def _step(self) -> None:
        if self.now >= self._next_deploy:
            self.deployed = self.now
            self.held = float(self.chance.integers(60, 240))
            self._next_deploy = self.now + float(self.chance.integers(4, 9)) * HOUR
        since = self.now - self.deployed
        if since >= self.held:
            # What waited meanwhile is worked off within the next minute.
            catching_up = since < self.held + 60
            for kind in KINDS:
                if kind.name not in self.stopped:
                    self._run(kind, self.held - (since - self.held) if catching_up else 0.0)
        self.now += STEP
        self.store.second(self.now)

    def _run(self, kind: Kind, waited: float) -> None:
        day = (self.now - T0) % DAY
        self._count(kind, day, self.chance.poisson(kind.rate(day) * STEP * (2.5 if waited else 1.0)), waited)

    def _count(self, kind: Kind, day: float, runs: float, waited: float, step: float = STEP) -> None:
        count = int(day // kind.beat != (day - step) // kind.beat) if kind.beat else int(runs)
        if not count:
            return
        figures = self.store.figures
        cells = [
            figures.seconds.step.setdefault(3 * figures.words("task").code(kind.name), Cell()),
            figures.seconds.step.setdefault(3 * figures.words("queue").code(kind.queue) + 2, Cell()),
        ]
        factor = kind.runtime * kind.heavier(day) * self.slower.get(kind.name, 1.0)
        times = factor * np.exp(self.chance.normal(0, kind.spread, count))
        times[self.chance.random(count) < kind.slow_share] *= 200
        failed = int((self.chance.random(count) < self.failing.get(kind.name, kind.fails(day))).sum())
        # A flood waits for its own end.
        queue_time = 60.0 * (day % HOUR) / 120 if kind.queue == "mail" else 0.0
        waits = waited + queue_time + self.late.get(kind.queue, 0.0) + self.chance.exponential(0.2, count)
        for cell in cells:
            cell.counts[STARTED] += count
            cell.counts[SUCCEEDED] += count - failed
            cell.counts[FAILED] += failed
            for time, wait in zip(times.tolist(), waits.tolist(), strict=True):
                for buckets, value in ((cell.runtime, time), (cell.wait, wait)):
                    place = bucket(value)
                    buckets[place] = buckets.get(place, 0) + 1
        self._lately.append((self.now, kind.name, count, failed))
