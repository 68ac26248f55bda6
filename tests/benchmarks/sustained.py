"""How many events a second the engine takes whole, for how long, and what it says when there are more.

    python -m tests.benchmarks sustained                        # 20 seconds at the highest rate
    LAZYCELERY_SUSTAINED=600 python -m tests.benchmarks sustained

The generator is another process, and so is the engine, with history, as behind a screen.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import psutil

from lazycelery.engine.api import EngineApi
from lazycelery.engine.client import spawn
from lazycelery.model.cluster import Overview
from lazycelery.model.profile import Profile
from tests.benchmarks.figure import Figure
from tests.benchmarks.terminal import ROOT
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
REACHED = 0.97
"""Share of a rate that a generator must reach to count."""


class Run(NamedTuple):
    """What became of the events of one generator."""

    sent: int
    seen: int
    rate: float
    let_go: int
    gaps: int
    cpu: float
    """CPU seconds of the engine's process."""
    seconds: float
    stage: int
    """The highest stage of relief in it."""
    said: float | None
    """Seconds after which the header, a source's gap or a finding told that not all can be taken."""

    @property
    def whole(self) -> bool:
        return self.sent == self.seen and not self.let_go and not self.gaps


def sustained(home: Path) -> list[Figure]:
    return asyncio.run(_measure(home))


async def _measure(home: Path) -> list[Figure]:
    server = RedisServer().start()
    client = await spawn().connect(
        Profile(broker=server.url, history_dir=str(home / "history"), recorder=True)
    )
    try:
        await client.api.ready(10)
        return [figure async for figure in _figures(client.api, server.url)]
    finally:
        await client.close()
        server.remove()


async def _figures(api: EngineApi, url: str) -> AsyncIterator[Figure]:
    best, run = 0, None
    for rate in RATES:
        run = await _run(api, url, rate, TRIED)
        if not run.whole or run.rate < REACHED * rate:
            break
        best = rate
    assert run is not None
    yield Figure("events a second taken whole", best, "ev/s", WANTED, _told(run), least=True)
    long = await _run(api, url, best or RATES[0], SECONDS)
    name = f"{best or RATES[0]:,} events/s for {SECONDS:.0f} s"
    yield Figure(f"{name}: events lost", long.sent - long.seen, "", 0, _told(long))
    yield Figure(f"{name}: texts and tasks let go", long.let_go, "", 0)
    full = await _run(api, url, WANTED, TRIED)
    yield Figure(
        f"engine's CPU an event at {WANTED:,} events/s", 1e6 * full.cpu / full.seen, "us", 8.0, _told(full)
    )
    flood = await _run(api, url, 0, FLOOD)
    # Nobody takes all of it: 400,000 events a second and more, as the broker drops who reads too slowly.
    lost = flood.let_go or flood.sent != flood.seen
    said = flood.said if flood.said is not None else FLOOD if lost else 0.0
    yield Figure("unpaced flood: said after", said, "s", SAID, _told(flood))


def _told(run: Run) -> str:
    share = 100 * run.cpu / run.seconds
    return (
        f"{run.sent:,} events at {run.rate:,.0f} a second, {run.seen:,} seen, {run.let_go:,} let go, "
        f"{run.gaps} gaps; engine {share:.0f} % of a core"
    )


async def _run(api: EngineApi, url: str, rate: float, seconds: float) -> Run:
    before = await _rested(api)
    engine = _engine()
    cpu, began = _cpu(engine), time.monotonic()
    command = [sys.executable, "-m", "tests.benchmarks.firehose", url, "0", str(rate), str(seconds)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    stage, said = 0, None
    while process.poll() is None:
        await asyncio.sleep(0.25)
        now = await api.overview()
        stage = max(stage, now.relief.stage)
        lost = sum(source.gaps for source in now.sources) > sum(source.gaps for source in before.sources)
        if said is None and (lost or stage or any(one.code == "monitor-behind" for one in now.notices)):
            said = time.monotonic() - began
    spent, lasted = _cpu(engine) - cpu, time.monotonic() - began
    assert process.stdout is not None
    _, told = process.stdout.read().split(b"\n", 1)
    _, events, took = told.split()
    after = await _rested(api)
    beats = after.events_seen - before.events_seen
    let_go = [each.relief.texts + each.relief.successes for each in (before, after)]
    gaps = [sum(source.gaps for source in each.sources) for each in (before, after)]
    return Run(
        sent=int(events),
        seen=beats,
        rate=int(events) / float(took),
        let_go=let_go[1] - let_go[0],
        gaps=gaps[1] - gaps[0],
        cpu=spent,
        seconds=lasted,
        stage=stage,
        said=said,
    )


async def _rested(api: EngineApi) -> Overview:
    """The overview once nothing comes any more and nothing is let go."""
    seen = -1
    while True:
        now = await api.overview()
        if now.events_seen == seen and not now.relief.active:
            return now
        seen = now.events_seen
        await asyncio.sleep(1.0)


def _engine() -> psutil.Process:
    return max(
        psutil.Process().children(), key=lambda one: " ".join(one.cmdline()).count("lazycelery.engine")
    )


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
