"""One cause, one finding: a dead broker is not forty findings, before, meanwhile, and after."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.engine.outage import Outage
from lazycelery.insight.doctor import MODES
from lazycelery.insight.doctor.grouping import grouped
from lazycelery.insight.doctor.memory import Memory
from lazycelery.model.profile import Profile
from tests.doctor.clinic import clinic
from tests.doctor.seen import NOW, links, queue, seen, worker
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

Start = Callable[..., CeleryWorker]


def test_ten_workers_that_are_heard_no_more_are_no_finding_beside_a_dead_broker() -> None:
    """What each of them was found to be before stands in the memory when the broker goes."""
    memory = Memory()
    workers = [worker(f"w{n}@a", queues=[f"q{n}", f"r{n}"]) for n in range(10)]
    queues = [queue(f"{kind}{n}", 50, consumers=0, workers=[]) for n in range(10) for kind in "qr"]
    before = [
        finding for mode in MODES.values() for finding in mode.check(seen(workers=workers[:1], queues=queues))
    ]
    assert len(before) > 10, "each queue without its worker has something to say"
    memory.note(before, MODES, NOW)
    memory.note(before, MODES, NOW + 2)
    dead = MODES["broker-unreachable"].check(
        seen(sources=links(broker="lost"), workers=workers, queues=queues)
    )
    said = memory.note(dead, MODES, NOW + 3)
    assert len(said) > 10
    assert [one.code for one in grouped(said)] == ["broker-unreachable"]


async def test_after_we_stood_still_silent_workers_are_not_called_lost_at_once() -> None:
    now = [1000.0]
    engine = Engine(Profile(broker="redis://127.0.0.1:1/0", history=False), clock=lambda: now[0])
    examiner = engine._examiner
    await examiner.examine()
    examiner._due = now[0] + 2
    now[0] += 6
    await examiner.examine()
    assert examiner._outage.hinders("no-workers", now[0]) is None  # A little late is nothing.
    now[0] += 14
    await examiner.examine()
    assert "standstill 0 s ago" in (examiner._outage.hinders("no-workers", now[0]) or "")
    assert examiner._outage.hinders("no-workers", now[0] + 11) is None
    await engine.close()


def test_while_the_broker_takes_no_messages_workers_are_not_judged_by_their_silence() -> None:
    outage = Outage()
    outage.note(True, False, 0.0)
    outage.note(True, False, 10.0, blocked=True)
    assert "takes no messages" in (outage.hinders("worker-lost", 60.0) or "")
    assert outage.hinders("broker-memory", 60.0) is None
    outage.note(True, False, 60.0)
    assert "came back 1 s ago" in (outage.hinders("no-workers", 61.0) or "")
    assert outage.hinders("no-workers", 100.0) is None


def test_after_an_outage_silent_workers_are_not_called_lost_at_once() -> None:
    outage = Outage()
    outage.note(True, False, 0.0)
    assert outage.hinders("worker-lost", 1.0) is None
    outage.note(False, True, 10.0)
    outage.note(True, False, 26.0)
    why = outage.hinders("worker-lost", 27.0)
    assert why and "came back 1 s ago" in why
    assert outage.hinders("backlog-growing", 27.0) is None
    assert outage.hinders("worker-lost", 26.0 + 8 + 2 + 10) is None


@pytest.mark.broker
@pytest.mark.soak
async def test_a_broker_killed_under_ten_workers_and_twenty_queues_is_exactly_one_finding(
    worker: Start,
) -> None:
    server = RedisServer(keep=True).start()
    fleet: list[CeleryWorker] = []
    try:
        fleet += [
            CeleryWorker(server.url, f"w{n}", pool="solo", queues=f"q{n},r{n}").start(60) for n in range(10)
        ]
        for n in range(10):
            send(server.url, "shop.add", n, 1, queue=f"q{n}")
        async with clinic(server.url) as doctor:
            await doctor.healthy(3)
            server.kill()
            await doctor.finds("broker-unreachable", within=15)
            told: set[tuple[str, str]] = set()
            ends = time.monotonic() + 20
            while time.monotonic() < ends:
                examination = await doctor.engine.doctor()
                assert [one.code for one in examination.findings] == ["broker-unreachable"]
                await asyncio.sleep(0.3)
            server.start()
            ends = time.monotonic() + 90
            while time.monotonic() < ends:
                findings = (await doctor.engine.doctor()).findings
                told |= {(one.code, one.subject) for one in findings}
                if (
                    not findings
                    and len([w for w in await doctor.engine.workers() if w.state == "online"]) == 10
                ):
                    break
                await asyncio.sleep(0.3)
            else:
                raise AssertionError(f"never healthy again: {told}")
            assert told <= {("broker-unreachable", "")}, told
    finally:
        for one in fleet:
            one.kill()
        server.remove()
