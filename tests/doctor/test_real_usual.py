"""What is out of the ordinary, on a real fleet whose usual was recorded before: found, cured, gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from lazycelery.store.rings import Cell
from lazycelery.store.sketch import bucket
from lazycelery.store.statistics import STARTED, SUCCEEDED
from tests.doctor.clinic import Clinic, clinic
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

pytestmark = [pytest.mark.broker, pytest.mark.soak]
Start = Callable[..., CeleryWorker]
NAMES = ("shop.nap", "shop.add")


def cell(runs: int, runtime: float = 0.01) -> Cell:
    one = Cell()
    one.counts[STARTED] = one.counts[SUCCEEDED] = runs
    one.runtime = {bucket(runtime * (1 + spread / 10)): max(1, runs // 10) for spread in range(10)}
    one.wait = {bucket(0.02): runs}
    return one


def recorded(doctor: Clinic, hourly: int = 200, minutely: int = 0) -> None:
    """Two days of hours, and two hours that were watched, of two names and their queue."""
    figures, now = doctor.engine._store.figures, time.time()
    keys = [3 * figures.words("task").code(name) for name in NAMES]
    keys.append(3 * figures.words("queue").code("celery") + 2)
    for ago in range(1, 49):
        figures.put_before(now - now % 3600 - 3600 * ago, {key: cell(hourly) for key in keys})
    for second in range(-7200, -5, 5):
        if minutely and second % 60 == 0:
            figures.seconds.step = {key: cell(minutely) for key in keys}
        doctor.engine._store.second(now + second)


async def test_slow_runs_of_one_name_are_told_and_its_twin_is_not(broker: RedisServer, worker: Start) -> None:
    worker("w1", concurrency=4)
    async with clinic(broker.url, history=False) as doctor:
        recorded(doctor)
        for _ in range(40):
            send(broker.url, "shop.nap", 0.4)
            send(broker.url, "shop.add", 1, 1)
        finding = await doctor.finds("task-slow", "shop.nap", 40)
        assert "usually 0.01" in str(finding.evidence) and "half of its runs" in finding.title
        assert not any(one.subject == "shop.add" for one in (await doctor.engine.doctor()).findings)
        for _ in range(40):
            send(broker.url, "shop.nap", 0.01)
        await doctor.cured("task-slow", 90)


async def test_a_burning_target_and_one_that_is_kept(broker: RedisServer, worker: Start) -> None:
    worker("w1", concurrency=4)
    sla = {"shop.*": {"success": 0.99}, "shop.add": {"success": 0.99, "runtime": 5.0}}
    async with clinic(broker.url, history=False, sla=sla, limits={"failures": 1000}) as doctor:
        recorded(doctor, hourly=1)
        for number in range(8):
            send(broker.url, "shop.charge", number)
        finding = await doctor.finds("sla-burning", "shop.* success", 15)
        assert finding.severity == "critical" and "shop.charge" in str(finding.evidence)
        for _ in range(100):
            send(broker.url, "shop.add", 1, 1)
        assert len([one for one in (await doctor.engine.doctor()).findings if one.code == "sla-burning"]) <= 1
        await doctor.cured("sla-burning", 60)


async def test_a_task_that_stops_to_run(broker: RedisServer, worker: Start) -> None:
    worker("w1")
    async with clinic(broker.url, history=False, limits={"silent_least": 60}) as doctor:
        recorded(doctor, hourly=60, minutely=1)
        began = time.monotonic()
        while "task-silent" not in await doctor.codes():
            send(broker.url, "shop.add", 1, 1)
            assert time.monotonic() - began < 420
            await asyncio.sleep(15)
        finding = await doctor.finds("task-silent", "shop.nap")
        assert "no run for" in str(finding.evidence)
        assert not any(one.subject == "shop.add" for one in (await doctor.engine.doctor()).findings)
        send(broker.url, "shop.nap", 0.01)
        await doctor.cured("task-silent", 30)


async def test_a_queue_that_does_far_less(broker: RedisServer, worker: Start) -> None:
    worker("w1")
    async with clinic(broker.url, history=False) as doctor:
        recorded(doctor, hourly=1200, minutely=20)
        few = asyncio.create_task(_now_and_then(broker.url))
        finding = await doctor.finds("throughput-drop", "celery", 480)
        few.cancel()
        assert "instead of 20" in finding.title
        assert "task-silent" not in await doctor.codes()
        for _ in range(30):
            send(broker.url, "shop.nap", 0.01)
        await doctor.cured("throughput-drop", 40)


async def _now_and_then(url: str) -> None:
    """A few runs of each name: far less, but not silent."""
    while True:
        for name in NAMES:
            await asyncio.to_thread(send, url, name, *((0.01,) if name == "shop.nap" else (1, 1)))
        await asyncio.sleep(30)


async def test_waits_that_last(broker: RedisServer, worker: Start) -> None:
    worker("w1", concurrency=1)
    limits = {"growth": 10_000.0, "saturated": 10_000.0}
    async with clinic(broker.url, history=False, limits=limits) as doctor:
        recorded(doctor, hourly=600)
        for _ in range(280):
            send(broker.url, "shop.nap", 0.8)
        finding = await doctor.finds("waiting-long", "celery", 240)
        assert finding.kind == "queue" and "usually 95 % wait less than" in str(finding.evidence)
        await doctor.cured("waiting-long", 300)


async def test_a_consumer_that_waits_beside_a_backlog(broker: RedisServer, worker: Start) -> None:
    worker("w1", queues="maill")
    worker("w2", queues="celery")
    async with clinic(broker.url, history=False, limits={"unused": 15}) as doctor:
        for _ in range(25):
            send(broker.url, "shop.add", 1, 1, queue="mail")
        finding = await doctor.finds("consumer-without-traffic", "w1@test", 60)
        assert "mail" in str(finding.evidence)
        cure = worker("w3", queues="mail")
        await doctor.cured("consumer-without-traffic", 40)
        cure.stop()
