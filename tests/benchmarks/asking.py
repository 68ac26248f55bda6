"""What asking costs: the workers' time to answer, and the broker's commands while nobody asks."""

from __future__ import annotations

import asyncio
import time

from celery import Celery

from lazycelery.engine.engine import Engine
from lazycelery.model.profile import Profile
from lazycelery.sources import open_broker
from lazycelery.sources.control import Control
from tests.benchmarks.figure import Figure
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker

WORKERS = 5
QUESTIONS = ("ping", "stats", "active", "active_queues")
REPEATS = 5
REST = 10.0
"""Seconds over which commands at rest are counted."""
MANY_KEYS = 100_000


def answers_and_load() -> list[Figure]:
    server = RedisServer().start()
    names = [f"w{number}" for number in range(1, WORKERS + 1)]
    workers = [CeleryWorker(server.url, name, pool="solo", concurrency=1).start() for name in names]
    try:
        ours = min(asyncio.run(_ask(server.url)))
        theirs = _ask_with_celery(server.url)
        return [
            Figure(
                f"asking {WORKERS} workers {len(QUESTIONS)} questions, best of {REPEATS}",
                *(ours * 1000, "ms", 150.0, f"celery's own inspect: {theirs * 1000:,.0f} ms"),
            ),
            *_load(server),
        ]
    finally:
        for worker in workers:
            worker.stop()
        server.remove()


async def _ask(url: str) -> list[float]:
    broker = open_broker(Profile(broker=url))
    await broker.connect()
    control = Control(broker.mailbox)
    took = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        reports = await control.survey(what=QUESTIONS)
        took.append(time.perf_counter() - began)
        assert len(reports) == WORKERS
        assert all(report.stats and report.queues and report.ping for report in reports)
    await broker.close()
    return took


def _ask_with_celery(url: str) -> float:
    with Celery("outside", broker=url, set_as_current=False) as app:
        inspect = app.control.inspect()
        assert len(inspect.ping()) == WORKERS  # connected, so that only the questions are timed
        began = time.perf_counter()
        for question in QUESTIONS:
            assert len(getattr(inspect, question)()) == WORKERS
        return time.perf_counter() - began


def _load(server: RedisServer) -> list[Figure]:
    without = asyncio.run(_commands(server, None))
    few = asyncio.run(_commands(server, Profile(broker=server.url))) - without
    with server.client().pipeline(transaction=False) as pipe:
        for number in range(MANY_KEYS):
            pipe.set(f"celery-task-meta-{number}", "{}")
        pipe.execute()
    many = asyncio.run(_commands(server, Profile(broker=server.url))) - without
    note = f"the {WORKERS} idle workers alone: {without:.1f}"
    return [
        Figure("broker commands at rest, few keys", few, "1/s", 20.0, note),
        Figure(f"broker commands at rest, {MANY_KEYS:,} keys", many, "1/s", 20.0, note),
    ]


async def _commands(server: RedisServer, profile: Profile | None) -> float:
    """Commands a second that the broker processes, with an engine watching it or without."""
    engine = Engine(profile) if profile else None
    if engine:
        await engine.start()
        await engine.ready()
        await asyncio.sleep(2)
    with server.client() as client:
        before, began = client.info("stats")["total_commands_processed"], time.perf_counter()
        await asyncio.sleep(REST)
        after, took = client.info("stats")["total_commands_processed"], time.perf_counter() - began
    if engine:
        await engine.close()
    return (after - before - 1) / took
