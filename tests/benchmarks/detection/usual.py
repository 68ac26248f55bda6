"""What is out of the ordinary: an hour or days of history come first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from lazycelery.engine.engine import Engine
from lazycelery.model.limits import Limits
from lazycelery.store.rings import Cell
from lazycelery.store.sketch import bucket
from lazycelery.store.statistics import STARTED, SUCCEEDED
from tests.benchmarks.detection.ward import Ward, case

LIMITS = Limits()


def cell(runs: int, runtime: float = 0.01) -> Cell:
    one = Cell()
    one.counts[STARTED] = one.counts[SUCCEEDED] = runs
    one.runtime = {bucket(runtime * (1 + spread / 10)): max(1, runs // 10) for spread in range(10)}
    one.wait = {bucket(0.02): runs}
    return one


def usually(engine: Engine, name: str, runtime: float = 0.01, hourly: int = 200, minutely: int = 0) -> None:
    """Two days of hours, and two hours that were watched, of a name and its queue."""
    figures, now = engine._store.figures, time.time()
    keys = {
        3 * figures.words("task").code(name): runtime,
        3 * figures.words("queue").code("celery") + 2: runtime,
    }
    for ago in range(1, 49):
        began = now - now % 3600 - 3600 * ago
        figures.put_before(began, {key: cell(hourly, each) for key, each in keys.items()})
    for second in range(-7200, -5, 5):
        if minutely and second % 60 == 0:
            figures.seconds.step = {key: cell(minutely, each) for key, each in keys.items()}
        engine._store.second(now + second)


@case("task-slow", cause="runs of 0.4 s that usually take 0.01 s", visible="twenty have ended", within=120)
async def slow(ward: Ward) -> AsyncIterator[None]:
    await ward.worker(concurrency=4)
    engine = await ward.watch()
    usually(engine, "shop.nap")
    ward.send_many("shop.nap", *[(0.4,)] * 40)
    ward.caused()
    ward.visible(ward.cause + 2.0)
    yield
    ward.send_many("shop.nap", *[(0.01,)] * 60)
    ward.cured(time.time() + 30)  # What is slow is judged by the last half minute.


@case(
    "sla-burning", cause="8 failures of a name that must not fail", visible="five have failed (`burn_least`)"
)
async def burning(ward: Ward) -> AsyncIterator[None]:
    await ward.worker()
    engine = await ward.watch(sla={"shop.*": {"success": 0.99}})
    usually(engine, "shop.charge", hourly=1)
    ward.send_many("shop.charge", *[(number,) for number in range(8)])
    ward.caused()
    yield
    ward.send_many("shop.add", *[(1, 1)] * 200)
    await asyncio.sleep(1)
    ward.cured()


@case(
    "waiting-long",
    cause="280 tasks for one slot, where nothing waits usually",
    visible="twenty waited for 10 s (`wait_least`), and so for two minutes",
    within=300,
)
async def waiting(ward: Ward) -> AsyncIterator[None]:
    await ward.worker(concurrency=1)
    engine = await ward.watch(doctor={"growth": 570, "saturated": 10_000})
    usually(engine, "shop.nap", hourly=600)
    ward.send_many("shop.nap", *[(0.8,)] * 280)
    ward.caused()
    ward.visible(ward.cause + 10 + 20 * 0.8 + 120)
    yield
    await asyncio.to_thread(ward.tell, "revoke", task_id=[])
    ward.server.client().delete("celery")
    ward.cured()


@case(
    "throughput-drop",
    cause="a queue that does 20 a minute does nothing",
    visible="for five whole minutes",
    within=480,
)
async def drop(ward: Ward) -> AsyncIterator[None]:
    await ward.worker()
    engine = await ward.watch()
    usually(engine, "shop.nap", hourly=1200, minutely=20)
    ward.caused()
    ward.visible(ward.cause + 300 + 60 - time.time() % 60)
    yield
    ward.send_many("shop.nap", *[(0.01,)] * 30)
    ward.cured()


@case(
    "task-silent",
    cause="a task that runs each minute runs no more, `silent_least` = 60",
    visible="three of its pauses have passed",
    within=420,
)
async def silent(ward: Ward) -> AsyncIterator[None]:
    await ward.worker()
    engine = await ward.watch(doctor={"silent_least": 60})
    usually(engine, "shop.nap", hourly=60, minutely=1)
    ward.caused()
    ward.visible(ward.cause + 3 * 60 + 60 - time.time() % 60)
    yield
    ward.send("shop.nap", 0.01)
    ward.cured()
