"""What becomes of workers."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

from lazycelery.model.limits import Limits
from tests.benchmarks.detection.usual import usually
from tests.benchmarks.detection.ward import Ward, case
from tests.support.beat import CeleryBeat

LIMITS = Limits()


def conf(**settings: Any) -> dict[str, str]:
    return {"TEST_CONF": json.dumps(settings)}


@case("no-workers", cause="the only worker stops", visible="its goodbye")
async def stopped_fleet(ward: Ward) -> AsyncIterator[None]:
    worker = await ward.worker()
    await ward.watch()
    ward.caused()
    await asyncio.to_thread(worker.stop)
    yield
    await asyncio.to_thread(worker.start)
    ward.cured()


async def _killed(ward: Ward) -> AsyncIterator[None]:
    victim = await ward.worker("w1")
    await ward.worker("w2")
    await ward.watch()
    ward.caused()
    victim.kill()
    yield
    await asyncio.to_thread(victim.start)
    ward.cured()


@case("worker-lost", cause="kill -9 of a worker", visible="its connection ends")
async def killed(ward: Ward) -> AsyncIterator[None]:
    async for _ in _killed(ward):
        yield


@case("worker-lost", cause="kill -9 of a worker, RabbitMQ", visible="its connection ends", rabbit=True)
async def killed_on_rabbit(ward: Ward) -> AsyncIterator[None]:
    async for _ in _killed(ward):
        yield


@case(
    "worker-lost",
    cause="SIGSTOP of a worker: it hangs",
    visible="five heartbeats are missing (worker-busy-control tells it after three)",
)
async def stopped(ward: Ward) -> AsyncIterator[None]:
    worker = await ward.worker("w1")
    await ward.worker("w2")
    await ward.watch()
    assert worker.process is not None
    os.killpg(worker.process.pid, signal.SIGSTOP)
    ward.caused()
    ward.visible(time.time() + 10)
    yield
    os.killpg(worker.process.pid, signal.SIGCONT)
    ward.cured()


@case("worker-deaf", cause="a worker stops to take", visible=f"for {LIMITS.deaf:g} s (`deaf`)", within=60)
async def deaf(ward: Ward) -> AsyncIterator[None]:
    worker = await ward.worker()
    await ward.watch()
    await asyncio.to_thread(ward.tell, "play_deaf")
    ward.send_many("shop.add", *[(1, 1)] * 3)
    ward.caused()
    ward.visible(ward.cause + LIMITS.deaf)
    yield
    await asyncio.to_thread(worker.stop)
    await asyncio.to_thread(worker.start)
    ward.cured()


async def _solo(ward: Ward) -> AsyncIterator[None]:
    release = ward.directory / "release"
    await ward.worker(pool="solo", concurrency=1)
    await ward.watch()
    ward.send("shop.wait_for", str(release))
    ward.caused()
    yield
    release.touch()
    ward.cured()


@case("worker-busy-control", cause="a solo worker begins a long task", visible="its task starts")
async def solo(ward: Ward) -> AsyncIterator[None]:
    async for _ in _solo(ward):
        yield


@case(
    "worker-busy-control",
    cause="the same on RabbitMQ",
    visible="its task starts",
    rabbit=True,
)
async def solo_on_rabbit(ward: Ward) -> AsyncIterator[None]:
    async for _ in _solo(ward):
        yield


@case(
    "worker-saturated",
    cause="8 long tasks for 2 slots",
    visible=f"no slot free for {LIMITS.saturated:g} s (`saturated`)",
    within=100,
)
async def full(ward: Ward) -> AsyncIterator[None]:
    release = ward.directory / "release"
    await ward.worker()
    await ward.watch()
    ward.send_many("shop.wait_for", *[(str(release), 300)] * 8)
    ward.caused()
    ward.visible(ward.cause + LIMITS.saturated)
    yield
    release.touch()
    ward.cured()


@case(
    "worker-saturated",
    cause="the same, of a kind that usually takes 0.01 s",
    visible=f"they run for {LIMITS.overdue_least:g} s (`overdue_least`)",
)
async def full_of_short_ones(ward: Ward) -> AsyncIterator[None]:
    await ward.worker()
    await ward.watch()
    ward.send_many("shop.nap", *[(0.01,)] * 40)
    await asyncio.sleep(3)
    ward.send_many("shop.nap", *[(30,)] * 3)
    ward.caused()
    ward.visible(ward.cause + LIMITS.overdue_least)
    yield
    ward.cured(ward.cause + 30)


@case(
    "worker-saturated",
    cause="the same, of a kind that usually takes 300 s",
    visible="they run, and others wait",
)
async def full_of_long_ones(ward: Ward) -> AsyncIterator[None]:
    release = ward.directory / "release"
    await ward.worker()
    engine = await ward.watch()
    usually(engine, "shop.wait_for", 300)
    ward.send_many("shop.wait_for", *[(str(release), 300)] * 8)
    ward.caused()
    yield
    release.touch()
    ward.cured()


@case(
    "prefetch-hoarding",
    cause="an idle worker comes beside a full one",
    visible="it is ready",
)
async def hoarding(ward: Ward) -> AsyncIterator[None]:
    release = ward.directory / "release"
    await ward.worker("w1", concurrency=1, env={"TEST_PREFETCH": "8"})
    await ward.watch()
    ward.send_many("shop.wait_for", *[(str(release), 300)] * 6)
    await asyncio.sleep(LIMITS.hoarded)
    await ward.worker("w2", concurrency=1)
    ward.caused()
    yield
    release.touch()
    ward.cured()


@case(
    "consumer-without-traffic",
    cause="25 messages for a queue beside a worker's misspelt one, `unused` = 20",
    visible="for 20 s",
)
async def unused(ward: Ward) -> AsyncIterator[None]:
    await ward.worker("w1", queues="maill")
    await ward.worker("w2")
    await ward.watch(doctor={"unused": 20})
    for _ in range(25):
        ward.send("shop.add", 1, 1, queue="mail")
    ward.caused()
    ward.visible(ward.cause + 20)
    yield
    await ward.worker("w3", queues="mail")
    ward.cured()


@case(
    "rate-limited-backlog",
    cause="5 tasks of ten a minute",
    visible="a second one is received and rests",
)
async def rate_limited(ward: Ward) -> AsyncIterator[None]:
    await ward.worker(env={"TEST_PREFETCH": "4"})
    await ward.watch()
    await asyncio.to_thread(ward.tell, "rate_limit", task_name="shop.add", rate_limit="10/m")
    ward.send_many("shop.add", *[(1, 1)] * 5)
    ward.caused()
    yield
    while ward.server.client().hlen("unacked"):
        await asyncio.sleep(0.1)
    ward.cured()


@case("events-off", cause="tasks of a worker without -E", visible="two heartbeats count tasks without events")
async def silent_worker(ward: Ward) -> AsyncIterator[None]:
    await ward.worker(events=False)
    await ward.watch()
    ward.caused()
    for _ in range(10):
        ward.send("shop.add", 1, 1, sent_event=False)
        await asyncio.sleep(0.5)
        if "events-off" in ward.present():
            break
    ward.visible(ward.cause + 4.0)
    yield
    await asyncio.to_thread(ward.tell, "enable_events")
    ward.send("shop.add", 1, 1)
    ward.cured()


@case("results-off", cause="a worker without a result backend", visible="it is ready")
async def no_results(ward: Ward) -> AsyncIterator[None]:
    await ward.watch(settle=0)
    await asyncio.sleep(3)
    worker = await ward.worker(backend="")
    ward.caused()
    yield
    await asyncio.to_thread(worker.stop)
    ward.cured()


@case(
    "config-drift",
    "version-mixed",
    "results-without-expiry",
    "pickle-accepted",
    cause="a worker with other settings and version",
    visible="it is ready",
)
async def another_setting(ward: Ward) -> AsyncIterator[None]:
    odd = conf(task_acks_late=True, result_expires=0, accept_content=["json", "pickle"])
    await ward.worker("w1")
    await ward.watch()
    worker = await ward.worker("w2", env={**odd, "TEST_VERSION": "5.0.1", "C_FORCE_ROOT": "1"})
    ward.caused()
    yield
    ward.cured()
    await asyncio.to_thread(worker.stop)


@case("clock-skew", cause="a worker whose clock is 90 s late", visible="its first heartbeats")
async def wrong_clock(ward: Ward) -> AsyncIterator[None]:
    late = "import time\n_time = time.time\ntime.time = lambda: _time() - 90.0\n"
    (ward.directory / "sitecustomize.py").write_text(late)
    await ward.worker("w1")
    await ward.watch()
    path = f"{ward.directory}{os.pathsep}{os.getcwd()}"
    worker = await ward.worker("w2", env={"PYTHONPATH": path})
    ward.caused()
    yield
    ward.cured()
    await asyncio.to_thread(worker.stop)


TICK = {"tick": {"task": "shop.add", "schedule": 1.0, "args": [1, 1]}}


@case(
    "beat-missing",
    cause="beat ends, of a task each second",
    visible=f"it is late by `beat_grace`, {LIMITS.beat_grace:g} s, and two intervals",
    within=90,
)
async def no_beat(ward: Ward) -> AsyncIterator[None]:
    env = conf(beat_schedule=TICK)
    await ward.worker(env=env)
    beat = CeleryBeat(ward.url, env=env)
    ward.ending.push_async_callback(asyncio.to_thread, beat.stop)
    await asyncio.to_thread(beat.start)
    await ward.watch(settle=5)
    await asyncio.to_thread(beat.stop)
    ward.caused()
    ward.visible(ward.cause + LIMITS.beat_grace + 2)
    yield
    await asyncio.to_thread(beat.start)
    ward.cured()


@case("beat-duplicate", cause="a second beat", visible="it has sent at three of its moments")
async def two_beats(ward: Ward) -> AsyncIterator[None]:
    env = conf(beat_schedule=TICK)
    await ward.worker(env=env)
    beats = [CeleryBeat(ward.url, env=env) for _ in range(2)]
    for beat in beats:
        ward.ending.push_async_callback(asyncio.to_thread, beat.stop)
    await asyncio.to_thread(beats[0].start)
    await ward.watch(settle=5)
    await asyncio.to_thread(beats[1].start)
    ward.caused()
    ward.visible(ward.cause + 3)
    yield
    await asyncio.to_thread(beats[1].stop)
    ward.cured()
