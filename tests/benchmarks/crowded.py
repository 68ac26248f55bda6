"""What ten thousand workers cost the engine: heartbeats, rounds of questions, how long its loop is held."""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from asyncio import events
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lazycelery.engine.engine import Engine
from lazycelery.engine.rounds import Rounds
from lazycelery.engine.tidying import Tidying
from lazycelery.model.profile import Profile
from tests.benchmarks.figure import Figure
from tests.support.broker import RedisServer
from tests.support.crowd import crowd

WORKERS, SECONDS = 10_000, 40.0
SPARE = 5_000
"""Files and clients beside one a worker."""


def figures() -> list[Figure]:
    """As an engine process begins: what is there already is no garbage, and full collections are its own."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, WORKERS + SPARE), hard))
    server = RedisServer("--maxclients", str(WORKERS + SPARE // 2)).start()
    try:
        with crowd(server.port, WORKERS):
            return asyncio.run(_measure(server.url))
    finally:
        server.stop()
        server.remove()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _measure(url: str) -> list[Figure]:
    engine = Engine(Profile(broker=url, history=False))
    gc.collect()
    gc.freeze()
    Tidying().begin()
    with _timed_rounds() as rounds, _timed_steps() as steps:
        await engine.start()
        await engine.ready(60)
        cpu, began = time.process_time(), time.monotonic()
        await asyncio.sleep(SECONDS)
        share = (time.process_time() - cpu) / (time.monotonic() - began)
        workers = await engine.workers()
    asked = sum(worker.pool is not None for worker in workers)
    online = sum(worker.state == "online" for worker in workers)
    await engine.close()
    steps.sort(reverse=True)
    note = f"{asked:,} of {WORKERS:,} have answered, {online:,} are online"
    return [
        Figure(
            "a round of questions to 10,000 workers", min(rounds), "s", 10.0, f"longest {max(rounds):.1f}"
        ),
        Figure("the engine with 10,000 workers, share of a core", share * 100, "%", 60.0, note),
        Figure("longest hold of its loop meanwhile, CPU", steps[0] * 1000, "ms", 100.0, aim=25.0),
        Figure("the tenth longest, CPU", steps[9] * 1000, "ms", 30.0, aim=15.0),
    ]


@contextmanager
def _timed_rounds() -> Iterator[list[float]]:
    took: list[float] = []
    survey = Rounds._survey

    async def timed(self: Rounds) -> None:
        began = time.monotonic()
        await survey(self)
        took.append(time.monotonic() - began)

    Rounds._survey = timed  # type: ignore[method-assign]
    try:
        yield took
    finally:
        Rounds._survey = survey  # type: ignore[method-assign]


@contextmanager
def _timed_steps() -> Iterator[list[float]]:
    """CPU seconds of each step of the loop: unlike time, no other program adds to it."""
    took: list[float] = []
    run: Callable[[Any], None] = events.Handle._run  # type: ignore[attr-defined]

    def timed(self: Any) -> None:
        began = time.thread_time()
        run(self)
        took.append(time.thread_time() - began)

    events.Handle._run = timed  # type: ignore[attr-defined]
    try:
        yield took
    finally:
        events.Handle._run = run  # type: ignore[attr-defined]
