"""The real program for long, at the highest rate that it takes whole, with somebody at its keys.

    python -m tests.benchmarks soak                    # 20 minutes
    LAZYCELERY_SOAK=180 python -m tests.benchmarks soak

Screen and engine are the program's own processes in a terminal, with history; the generator is another one.
All settings are the default ones but `max_tasks`, so that the store is full within the first tenth and tasks
leave as they come. Memory must stay flat and keys be answered at once, all the time. A line a minute on
stderr tells how it goes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.benchmarks.figure import Figure, progress
from tests.benchmarks.filling import fresh
from tests.benchmarks.painting import at_share, echoes
from tests.benchmarks.person import LATE as LATEST
from tests.benchmarks.person import Person
from tests.benchmarks.pouring import Sent, pour, sent
from tests.benchmarks.telling import FILE, Report, latest, reports
from tests.benchmarks.terminal import Terminal
from tests.support.broker import RedisServer

SECONDS = float(os.environ.get("LAZYCELERY_SOAK", "1200"))
KEPT = int(min(200_000, max(20_000, 170 * SECONDS)))
"""Tasks that the store holds: full within a tenth of the run from 5,000 events a second on."""
RATES = (2_000, 4_000, 7_000, 10_000, 15_000, 20_000, 25_000, 30_000, 40_000, 50_000)
"""Events a second that are tried, until one is too much."""
TRIED = 10.0
"""Seconds for which each is tried."""
CALM = 90.0
"""Seconds that are waited for at most until nothing is let go any more."""
LATE = 0.5
"""Seconds by which events may be late."""
SETTLED = 1 / 3
"""Share of the run after which memory must not grow any more."""
FULL = 0.98
"""Share of `KEPT` from which the store counts as full: tasks leave in chunks."""
MINUTE = 60.0
MB = 1e6
CONFIGURATION = """default_profile = "soak"
[profiles.soak]
broker = "{broker}"
max_tasks = {kept}
"""


class Sample(NamedTuple):
    """Resident memory of both processes, bytes."""

    at: float
    engine: int
    screen: int


def soak_figures(home: Path) -> Iterator[Figure]:
    server = RedisServer().start()
    try:
        configuration = home / "soak.toml"
        configuration.write_text(CONFIGURATION.format(broker=server.url, kept=KEPT))
        configuration.chmod(0o600)
        told = home / "told.ndjson"
        module, environment = "tests.benchmarks.telling", {FILE: str(told)}
        terminal = Terminal("--config", str(configuration), home=home, module=module, environment=environment)
        try:
            assert terminal.read(60, lambda came: b"Workers" in came), "no frame was painted"
            soak = Soak(terminal, server.url, told)
            soak.find()
            yield from soak.run()
        finally:
            terminal.end()
    finally:
        server.remove()


class Soak:
    """One program, and one generator after the other."""

    def __init__(self, terminal: Terminal, url: str, told: Path) -> None:
        self._terminal, self._url, self._told = terminal, url, told
        self._screen = psutil.Process(terminal.process.pid)
        self._engine = max(self._screen.children(), key=lambda one: one.memory_info().rss)
        self.rate = RATES[0]
        self.why = ""
        """What was wrong at the next higher rate."""

    def find(self) -> None:
        """The rate to run at. What only just fits for some seconds does not fit for long, so it is one step
        below the highest that was taken whole."""
        whole = [RATES[0]]
        for rate in RATES:
            problem = self._too_much(rate)
            progress(f"soak: {rate:,} events/s for {TRIED:.0f} s: {problem or 'taken whole'}")
            if problem:
                self.rate, self.why = whole[max(0, len(whole) - 2)], f"at {rate:,} {problem}"
                return
            whole.append(rate)
        self.rate = RATES[-1]

    def _too_much(self, rate: int) -> str:
        """What goes wrong at a rate, or "". Keys are pressed meanwhile: painting takes its part, too."""
        before = self._calm()
        made = self._pressing(rate, TRIED, Person(self._terminal), lambda: None)
        after = fresh(self._terminal, self._told)
        heard = self._between(before, after)
        lost = made.events - (after.events - before.events)
        late = max(one.lag or 0.0 for one in heard)
        if after.gaps > before.gaps:
            return f"the connection was lost, {lost:,} events were not heard"
        if after.let_go > before.let_go:
            return f"{after.let_go - before.let_go:,} texts and tasks were let go"
        if lost:
            return f"{lost:,} events were not heard"
        if late > LATE:
            return f"events were late by {1000 * late:.0f} ms"
        return made.short(rate).strip("; ")

    def run(self) -> Iterator[Figure]:
        """For `SECONDS` at that rate."""
        progress(f"soak: {self.rate:,} events/s for {SECONDS / MINUTE:.1f} minutes, {KEPT:,} tasks kept")
        before = self._calm()
        person = Person(self._terminal)
        memory: list[Sample] = [self._sample()]
        began = told = time.monotonic()

        def each() -> None:
            nonlocal told
            if time.monotonic() - memory[-1].at >= 1.0:
                memory.append(self._sample())
            if time.monotonic() - told >= MINUTE:
                told = time.monotonic()
                self._tell(told - began, person, memory[-1], before)

        made = self._pressing(self.rate, SECONDS, person, each)
        after = fresh(self._terminal, self._told)
        heard = self._between(before, after)
        echo = sorted(echoes())
        yield from _memory(memory, began, self._name(made), f"; {self.why}" if self.why else "")
        yield _full([one for one in heard if one.at >= began], began)
        yield from _keys(
            person, f"a bare echo: p50 {at_share(echo, 0.5):.1f} ms, p99 {at_share(echo, 0.99):.1f} ms"
        )
        yield from _events(made, before, after, heard)

    def _name(self, made: Sent) -> str:
        rate = f"{made.rate:,.0f} a second{made.short(self.rate)}"
        return f"{made.events:,} events in {made.seconds:.0f} s, {rate}"

    def _pressing(self, rate: float, seconds: float, person: Person, each: Callable[[], None]) -> Sent:
        """Send, with somebody at the keys until all is sent; `each` is called after each key."""
        process = pour(self._url, rate, seconds)
        try:
            while process.poll() is None:
                for _ in person.round():
                    each()
                    if process.poll() is not None:
                        break
            return sent(process)
        finally:
            process.kill()

    def _calm(self) -> Report:
        """Once nothing is let go any more, and all is written."""
        end = time.monotonic() + CALM
        while True:
            report = fresh(self._terminal, self._told)
            if (not report.stage and not report.behind) or time.monotonic() > end:
                return report

    def _between(self, before: Report, after: Report) -> list[Report]:
        return [one for one in reports(self._told) if before.at < one.at <= after.at]

    def _sample(self) -> Sample:
        engine, screen = (each.memory_info().rss for each in (self._engine, self._screen))
        return Sample(time.monotonic(), engine, screen)

    def _tell(self, lasted: float, person: Person, memory: Sample, before: Report) -> None:
        report = latest(self._told)
        recent = sorted(one.took for one in person.strokes if one.at > time.monotonic() - MINUTE)
        if report is None or not recent:
            return
        parts = (
            f"{lasted / MINUTE:.0f} of {SECONDS / MINUTE:.0f} minutes",
            f"engine {memory.engine / MB:.0f} MB, screen {memory.screen / MB:.0f} MB, {report.tasks:,} tasks",
            f"keys p50 {at_share(recent, 0.5):.1f}, p99 {at_share(recent, 0.99):.1f} ms",
            f"late by {1000 * (report.lag or 0.0):.0f} ms",
            f"let go {report.let_go - before.let_go:,}, {report.gaps - before.gaps} connections lost",
            f"{report.behind:,} events wait for the history",
        )
        progress("soak: " + "; ".join(parts))


def _memory(memory: Sequence[Sample], began: float, name: str, why: str) -> Iterator[Figure]:
    took = memory[-1].at - began
    settled = [one for one in memory if one.at - began >= SETTLED * took]
    part = max(1, len(settled) // 5)
    for process, numbers, limit in (
        ("engine", [one.engine for one in settled], 5.0),
        ("screen", [one.screen for one in settled], 5.0),
    ):
        first, last = median(numbers[:part]), median(numbers[-part:])
        # From the middle of the first fifth to the middle of the last one.
        hour = (last - first) / MB / max(1e-9, 0.8 * (settled[-1].at - settled[0].at)) * 3600
        note = f"at {last / MB:.0f} MB, most {max(numbers) / MB:.0f} MB; {hour:+.0f} MB an hour; {name}"
        share = 100 * (last - first) / first
        yield Figure(f"soak: memory of the {process} grows after a third", share, "%", limit, note + why)
        why = ""


def _full(heard: Sequence[Report], began: float) -> Figure:
    """Without a store that is full, nothing leaves, and flat memory would say nothing."""
    full = next((one.at - began for one in heard if one.tasks >= FULL * KEPT), SECONDS)
    share = 100 * max(0.0, full) / SECONDS
    held = median([one.tasks for one in heard])
    return Figure(
        "soak: the store is full after a share of the run", share, "%", 10.0, f"{held:,} tasks held"
    )


def _keys(person: Person, echo: str) -> Iterator[Figure]:
    took = sorted(one.took for one in person.strokes)
    pages = sorted(person.pages)
    late = sum(one >= LATEST for one in took)
    worst = max(person.strokes, key=lambda one: one.took)
    note = f"{len(took)} keys, worst {1000 * worst.took:.0f} ms in {worst.where}, {late} not answered; {echo}"
    third = len(person.strokes) // 3
    last = sorted(one.took for one in person.strokes[-third:] or person.strokes)
    yield Figure("soak: key answered (cursor), p50", at_share(took, 0.5), "ms", 5.0, note)
    yield Figure("soak: key answered (cursor), p99", at_share(took, 0.99), "ms", 16.0, note)
    in_the_end = f"p50 {at_share(last, 0.5):.1f} ms"
    yield Figure("soak: the same in the last third, p99", at_share(last, 0.99), "ms", 16.0, in_the_end)
    yield Figure("soak: a task's page opened, p99", at_share(pages, 0.99), "ms", 100.0, f"{len(pages)} pages")


def _events(made: Sent, before: Report, after: Report, heard: Sequence[Report]) -> Iterator[Figure]:
    lags = sorted(one.lag for one in heard if one.lag is not None)
    waits = max(one.behind for one in heard)
    yield Figure("soak: events are late by, p99", at_share(lags, 0.99), "ms", 1000 * LATE)
    yield Figure("soak: events lost", made.events - (after.events - before.events), "", 0)
    yield Figure("soak: texts and tasks let go", after.let_go - before.let_go, "", 0)
    yield Figure("soak: connections lost", after.gaps - before.gaps, "", 0)
    missing = after.dropped - before.dropped
    yield Figure("soak: events missing in the history", missing, "", 0, f"at most {waits:,} waited for it")


def median(numbers: Sequence[int]) -> int:
    return sorted(numbers)[len(numbers) // 2]
