"""How many events a second the engine takes whole, for how long, and what it says when there are more.

    python -m tests.benchmarks sustained                        # 20 seconds at the highest rate
    LAZYCELERY_SUSTAINED=600 python -m tests.benchmarks sustained

The generator is another process, and so is the engine, with history, as behind a screen. Each part has an
engine of its own, so that none begins in what the one before has left. What was tried is told on stderr.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from lazycelery.engine.api import EngineApi
from lazycelery.engine.client import spawn
from lazycelery.model.cluster import Overview
from lazycelery.model.profile import Profile
from tests.benchmarks.figure import Figure, guarded, progress
from tests.benchmarks.pouring import Sent, pour, sent
from tests.support.broker import RedisServer

SECONDS = float(os.environ.get("LAZYCELERY_SUSTAINED", "20"))
RATES = (10_000, 20_000, 30_000, 40_000, 50_000)
"""Events a second that are tried, until one is too much."""
WANTED = RATES[-1]
TRIED = 8.0
"""Seconds for which each is tried."""
FLOOD = 10.0
SAID = 3.0
"""Seconds after which an overload must be told, from the start of the generator's process."""
LOOK_EVERY = 0.25
TOLD_EVERY = 60.0
SETTLED = 30.0
"""Seconds that are waited for at most until what was sent has come."""


class Run(NamedTuple):
    """What became of the events of one generator."""

    sent: Sent
    seen: int
    let_go: int
    gaps: int
    cpu: float
    """CPU seconds of the engine's process while it lasted."""
    seconds: float
    said: float | None
    """Seconds after which the header, a source's gap or a finding told that not all can be taken."""
    late: float
    """How late events were in the worst second, by the engine's median: seconds."""
    dropped: int
    """Events that the history could not take."""
    machine: float
    """How busy all cores of the machine were, percent."""

    @property
    def whole(self) -> bool:
        return self.sent.events == self.seen and not self.let_go and not self.gaps and not self.dropped


def sustained(home: Path) -> Iterator[Figure]:
    server = RedisServer().start()
    parts = _Parts(home, server.url)
    try:
        yield from guarded("events a second taken whole", parts.highest)
        yield from guarded(f"for {SECONDS:.0f} s", parts.long)
        yield from guarded(f"engine's CPU an event at {WANTED:,} events/s", parts.full)
        yield from guarded("unpaced flood", parts.flood)
    finally:
        server.remove()


class _Parts:
    """The parts of it; each begins with an empty history."""

    def __init__(self, home: Path, url: str) -> None:
        self._home, self._url = home, url
        self._best = 0.0
        self._engines = 0

    def highest(self) -> list[Figure]:
        tried = asyncio.run(self._tried())
        rate, last = tried[-1]
        note = _told(last) if last.whole else f"{rate:,} were too many: {_told(last)}"
        return [
            Figure(
                "events a second taken whole",
                self._best,
                "ev/s",
                WANTED,
                note + last.sent.short(rate),
                least=True,
            )
        ]

    def long(self) -> list[Figure]:
        rate = self._best or RATES[0]
        run = asyncio.run(self._run(rate, SECONDS))
        name = f"{rate:,.0f} events/s for {SECONDS:.0f} s"
        short = run.sent.short(rate)
        late = f"late by {1000 * run.late:.0f} ms in the worst second"
        return [
            Figure(f"{name}: events lost", run.sent.events - run.seen, "", 0, _told(run) + short),
            Figure(f"{name}: texts and tasks let go", run.let_go, "", 0, late),
            Figure(f"{name}: events missing in the history", run.dropped, "", 0),
        ]

    def full(self) -> list[Figure]:
        run = asyncio.run(self._run(WANTED, TRIED))
        name = f"engine's CPU an event at {WANTED:,} events/s"
        note = _told(run) + run.sent.short(WANTED)
        return [Figure(name, 1e6 * run.cpu / max(1, run.seen), "us", 14.0, note, aim=8.0)]

    def flood(self) -> list[Figure]:
        # Nobody takes all of it: 400,000 events a second and more, as the broker drops who reads too slowly.
        run = asyncio.run(self._run(0, FLOOD))
        said = run.said if run.said is not None else 0.0 if run.whole else FLOOD
        return [Figure("unpaced flood: said after", said, "s", SAID, _told(run))]

    async def _tried(self) -> list[tuple[int, Run]]:
        tried = []
        async with self._engine() as (api, engine):
            for rate in RATES:
                run = await _run(api, engine, self._url, rate, TRIED)
                tried.append((rate, run))
                if not run.whole:
                    break
                self._best = rate
                if not run.sent.reached(rate):
                    self._best = min(rate, run.sent.rate)
                    break
        return tried

    async def _run(self, rate: float, seconds: float) -> Run:
        async with self._engine() as (api, engine):
            return await _run(api, engine, self._url, rate, seconds)

    @contextlib.asynccontextmanager
    async def _engine(self) -> AsyncIterator[tuple[EngineApi, psutil.Process]]:
        self._engines += 1
        place = str(self._home / f"history-{self._engines}")
        process = spawn()
        client = await process.connect(Profile(broker=self._url, history_dir=place, recorder=True))
        try:
            await client.api.ready(10)
            yield client.api, psutil.Process(process.pid)
        finally:
            await client.close()


def _told(run: Run) -> str:
    share = 100 * run.cpu / run.seconds
    return (
        f"{run.sent.events:,} events at {run.sent.rate:,.0f} a second, {run.seen:,} seen, "
        f"{run.let_go:,} let go, {run.gaps} connections lost; engine {share:.0f} % of a core, "
        f"all cores {run.machine:.0f} % busy"
    )


async def _run(api: EngineApi, engine: psutil.Process, url: str, rate: float, seconds: float) -> Run:
    before = now = await _rested(api)
    cpu, began = _cpu(engine), time.monotonic()
    psutil.cpu_percent()  # From here on.
    process = pour(url, rate, seconds)
    said, late, told = None, 0.0, began
    try:
        while process.poll() is None:
            await asyncio.sleep(LOOK_EVERY)
            now = await api.overview()
            late = max(late, now.lag or 0.0)
            if said is None and (
                _gaps(now) > _gaps(before)
                or now.relief.stage
                or any(one.code == "monitor-behind" for one in now.notices)
            ):
                said = time.monotonic() - began
            if time.monotonic() - told >= TOLD_EVERY:
                told = time.monotonic()
                progress(
                    f"sustained: {(told - began) / 60:.0f} of {seconds / 60:.0f} minutes; "
                    f"{now.events_seen - before.events_seen:,} events seen, let go "
                    f"{_let_go(now) - _let_go(before):,}, late by {1000 * (now.lag or 0):.0f} ms"
                )
    finally:
        process.kill()
    spent, lasted = _cpu(engine) - cpu, time.monotonic() - began
    machine = psutil.cpu_percent()
    made = sent(process)
    after = await _rested(api)
    run = Run(
        sent=made,
        seen=after.events_seen - before.events_seen,
        let_go=_let_go(after) - _let_go(before),
        gaps=_gaps(after) - _gaps(before),
        cpu=spent,
        seconds=lasted,
        said=said,
        late=late,
        dropped=after.history.dropped - before.history.dropped,
        machine=machine,
    )
    wanted = f"{rate:,.0f} events/s" if rate else "unpaced"
    progress(f"sustained: {wanted} for {seconds:.0f} s: {_told(run)}{made.short(rate) if rate else ''}")
    return run


def _let_go(now: Overview) -> int:
    return now.relief.texts + now.relief.successes


def _gaps(now: Overview) -> int:
    return sum(source.gaps for source in now.sources if source.name == "events")


async def _rested(api: EngineApi) -> Overview:
    """The overview once nothing comes any more and all is written; a relief may still last."""
    end = time.monotonic() + SETTLED
    seen = -1
    while True:
        now = await api.overview()
        rests = now.events_seen == seen and not now.history.behind
        if rests or time.monotonic() > end:
            return now
        seen = now.events_seen
        await asyncio.sleep(1.0)


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
