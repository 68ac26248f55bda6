"""The engine under the highest rate that it takes whole, for as long as is wanted.

    python -m tests.benchmarks soak                    # 20 minutes
    LAZYCELERY_SOAK=360 python -m tests.benchmarks soak

Its memory must stay flat and its answers quick: once its store is full, tasks leave as they come. The
generator is another process, and so is the engine, as behind a screen.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

from lazycelery.engine.api import EngineApi
from lazycelery.engine.client import spawn
from lazycelery.model.profile import Profile
from lazycelery.model.task import TaskQuery
from tests.benchmarks.figure import Figure
from tests.benchmarks.terminal import ROOT
from tests.support.broker import RedisServer

SECONDS = float(os.environ.get("LAZYCELERY_SOAK", "1200"))
KEPT = 50_000
"""Tasks that the store holds: it is full within the first tenth of the shortest run."""
RATES = (2_000, 4_000, 7_000, 10_000, 15_000, 20_000, 30_000, 40_000, 50_000)
"""Events a second that are tried, until one is too much."""
TRIED = 6.0
"""Seconds for which each is tried."""
ASK_EVERY = 0.25
SETTLED = 0.3
"""Share of the run after which memory must not grow any more."""


def soak_figures(home: Path) -> list[Figure]:
    return asyncio.run(_soak(home))


async def _soak(home: Path) -> list[Figure]:
    server = RedisServer().start()
    client = await spawn().connect(
        Profile(broker=server.url, history_dir=str(home / "history"), recorder=True, max_tasks=KEPT)
    )
    try:
        await client.api.ready(10)
        rate = RATES[0]
        for tried in RATES:
            if not await _takes_whole(client.api, server.url, tried):
                break
            rate = tried
        return await _run(client.api, server.url, rate)
    finally:
        await client.close()
        server.remove()


async def _takes_whole(api: EngineApi, url: str, rate: int) -> bool:
    """Whether the generator reaches a rate, and nothing of it is let go or late."""
    before = (await api.overview()).events_seen
    traffic = _traffic(url, rate, TRIED)
    began, worst = time.monotonic(), 0
    while traffic.poll() is None:
        await asyncio.sleep(ASK_EVERY)
        worst = max(worst, (await api.overview()).relief.stage)
    took = time.monotonic() - began
    await asyncio.sleep(1.0)
    after = await api.overview()
    reached = (after.events_seen - before) / took
    while (await api.overview()).relief.active:
        await asyncio.sleep(1.0)
    return worst == 0 and reached > 0.8 * rate and (after.lag or 0.0) < 0.5


async def _run(api: EngineApi, url: str, rate: int) -> list[Figure]:
    before = await api.overview()
    traffic = _traffic(url, rate, SECONDS)
    began = time.monotonic()
    memory: list[tuple[float, int]] = []
    answers: list[float] = []
    lags: list[float] = []
    asked = 0
    while traffic.poll() is None:
        await asyncio.sleep(ASK_EVERY)
        filter = ("state:failure", "name:shop.order.*", "", "runtime:>1s")[asked % 4]
        asked += 1
        start = time.monotonic()
        await api.tasks(TaskQuery(filter=filter, limit=50))
        answers.append(time.monotonic() - start)
        seen = await api.overview()
        if seen.load.rss is not None:
            memory.append((time.monotonic() - began, seen.load.rss))
        if seen.lag is not None:
            lags.append(seen.lag)
    took = time.monotonic() - began
    await asyncio.sleep(1.0)
    after = await api.overview()
    settled = [rss for at, rss in memory if at > SETTLED * took]
    part = max(1, len(settled) // 5)
    first, last = _middle(settled[:part]), _middle(settled[-part:])
    events = after.events_seen - before.events_seen
    gone = after.relief.texts + after.relief.successes - before.relief.texts - before.relief.successes
    gaps = sum(source.gaps for source in after.sources) - sum(source.gaps for source in before.sources)
    answers.sort()
    lags.sort()
    note = f"{events:,} events in {took:.0f} s, {events / took:,.0f} a second; engine at {last / 1e6:.0f} MB"
    return [
        Figure("soak: memory grows after the first third", 100 * (last - first) / first, "%", 5.0, note),
        Figure("soak: an answer while it runs, p50", 1000 * answers[len(answers) // 2], "ms", 50.0),
        Figure("soak: an answer while it runs, p99", 1000 * answers[len(answers) * 99 // 100], "ms", 250.0),
        Figure("soak: events are late by, p99", 1000 * lags[len(lags) * 99 // 100], "ms", 500.0),
        Figure("soak: let go under load", float(gone), "", 0.0),
        Figure("soak: connections lost", float(gaps), "", 0.0),
    ]


def _traffic(url: str, rate: float, seconds: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.benchmarks.firehose", url, "0", str(rate), str(seconds)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)


def _middle(numbers: list[int]) -> int:
    return sorted(numbers)[len(numbers) // 2]
