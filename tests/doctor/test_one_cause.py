"""One cause, one finding: a dead broker is not forty findings, before, meanwhile, and after."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.engine.outage import Outage
from lazycelery.errors import ConnectionProblem
from lazycelery.insight.doctor import MODES
from lazycelery.insight.doctor.grouping import grouped
from lazycelery.insight.doctor.memory import Memory
from lazycelery.model.alert import AlertTarget
from lazycelery.model.event import Event
from lazycelery.model.finding import Finding
from lazycelery.model.profile import Profile
from tests.doctor.clinic import Clinic, clinic
from tests.doctor.seen import NOW, found, links, queue, seen, silent, worker
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


def test_a_backend_that_went_with_the_broker_is_not_told_before_it_was_tried_again() -> None:
    both = links(results="lost")
    broker, results = both[0], both[3]
    results.since, broker.since = NOW - 30, NOW - 5
    assert silent("backend-unreachable", seen(sources=both))
    assert "yet to be tried" in (MODES["backend-unreachable"].blind(seen(sources=both)) or "")
    broker.since = NOW - 15
    assert found("backend-unreachable", seen(sources=both)), "it had its chance"
    results.since, broker.since = NOW - 3, NOW - 5
    assert found("backend-unreachable", seen(sources=both)), "it went after the broker had come"


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


async def test_who_was_lost_before_the_broker_went_is_told_as_soon_as_it_is_back() -> None:
    now = [1000.0]
    engine = Engine(Profile(broker="redis://127.0.0.1:1/0", history=False), clock=lambda: now[0])
    examiner, links = engine._examiner, engine._links

    async def after(seconds: float, *beating: str) -> list[tuple[str, str]]:
        now[0] += seconds
        beat = {"type": "worker-heartbeat", "timestamp": now[0], "received": now[0], "clock": 1, "freq": 2.0}
        engine._store.apply_events([Event(hostname=name, **beat) for name in beating])  # type: ignore[arg-type]
        examiner._due = now[0]
        return [(one.code, one.subject) for one in (await examiner.examine()).findings]

    for name in ("broker", "control", "events"):
        links.up(name)
    engine._watch.first_truth.set()
    await after(0, "a@1", "b@2", "c@3")
    for _ in range(10):
        said = await after(2, "b@2", "c@3")
    assert said == [("worker-lost", "a@1")]
    fell = now[0]
    links.down("broker", ConnectionProblem("It is gone."))
    assert await after(1) == [("broker-unreachable", "")]
    await after(19)
    engine._store.gap(fell, now[0])
    links.up("broker")
    await after(0.1)
    assert await after(3.5) == [("worker-lost", "a@1")]
    assert await after(12, "b@2") == [("worker-lost", "a@1")]
    assert "worker-lost" in [one.code for one in examiner.last.unchecked]
    await after(8, "b@2")
    assert await after(2, "b@2") == [("worker-lost", "a@1"), ("worker-lost", "c@3")]
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


def test_who_was_lost_before_an_outage_stays_so_until_it_is_heard() -> None:
    def lost(*names: str) -> list[Finding]:
        return [Finding(code="worker-lost", severity="warning", title="", subject=name) for name in names]

    def still(*names: str) -> list[str]:
        return [one.subject for one in outage.still("worker-lost", lost(*names))]

    outage = Outage()
    before = {("worker-lost", "a@1"), ("worker-lost", "b@2"), ("worker-deaf", "c@3")}
    outage.note(True, False, 0.0)
    outage.note(False, True, 10.0, present=before)
    outage.note(False, True, 11.0, present={("broker-unreachable", "")})
    outage.note(True, False, 26.0)
    assert still("a@1", "b@2", "d@4") == ["a@1", "b@2"]
    assert outage.still("worker-deaf", lost("c@3")) == []
    outage.note(False, True, 28.0)  # It goes again before all was found again.
    outage.note(True, False, 30.0)
    assert still("a@1", "d@4") == ["a@1"]
    assert still("a@1", "b@2") == ["a@1"]  # The other one was heard in between.
    outage.note(False, True, 100.0, present={("worker-lost", "d@4")})
    outage.note(True, False, 101.0)
    assert still("a@1", "d@4") == ["d@4"]


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


async def steadily(doctor: Clinic, code: str, within: float, seconds: float) -> set[str]:
    """One finding appears, and stays the only one for a while; returns subjects that it was about."""
    found = await doctor.finds(code, within=within)
    subjects = {found.subject}
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        findings = (await doctor.engine.doctor()).findings
        assert [one.code for one in findings] == [code], [(one.code, one.title) for one in findings]
        subjects |= {findings[0].subject, *findings[0].related}
        await asyncio.sleep(0.3)
    return subjects


@pytest.mark.broker
@pytest.mark.soak
async def test_a_worker_killed_with_fifty_tasks_is_exactly_one_finding(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    """And whoever asks for what it held and ran, and not for the worker, is told of both."""
    env = {"TEST_PREFETCH": "25"}
    dies = worker("dies", queues="dies", env=env)
    worker("lives", queues="lives")
    asked = [_into(tmp_path / "asked", codes=["message-orphaned", "task-lost"])]
    alerts = [*asked, _into(tmp_path / "all", codes=["*"])]
    async with clinic(broker.url, alerts=alerts, alerting=True) as doctor:
        await doctor.healthy(2)
        for _ in range(50):
            send(broker.url, "shop.nap", 60, queue="dies")
        await asyncio.sleep(3)
        dies.kill()
        await steadily(doctor, "worker-lost", within=30, seconds=40)
        [finding] = (await doctor.engine.doctor()).findings
        assert "and with it 48 messages it held and 2 tasks it ran" in finding.title
        assert "orphans" in finding.fix and "retry" in finding.actions
        assert {json.loads(one)["items"][0]["code"] for one in _lines(tmp_path / "all")} == {"worker-lost"}
        items = [item for one in _lines(tmp_path / "asked") for item in json.loads(one)["items"]]
        assert {item["code"] for item in items} == {"message-orphaned", "task-lost"}
        assert all(item["kind"] == "new" for item in items)


def _into(path: Path, **own: Any) -> AlertTarget:
    """Alerts that are appended to a file, a line each."""
    write = f"import sys; open({str(path)!r}, 'a').write(sys.stdin.read().strip() + chr(10))"
    return AlertTarget(name=path.name, command=[sys.executable, "-c", write], group=0.2, **own)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.broker
@pytest.mark.soak
async def test_a_killed_result_backend_is_exactly_one_finding(broker: RedisServer, worker: Start) -> None:
    backend = RedisServer().start()
    try:
        for name in ("w1", "w2"):
            worker(name, backend=backend.url)
        async with clinic(broker.url, backend=backend.url) as doctor:
            await doctor.healthy(2)
            backend.kill()
            for _ in range(5):
                send(broker.url, "shop.add", 1, 1)
            await steadily(doctor, "backend-unreachable", within=30, seconds=30)
            backend.start()
            await doctor.cured("backend-unreachable", 40)
    finally:
        backend.remove()


@pytest.mark.broker
@pytest.mark.soak
async def test_a_dead_network_is_exactly_one_finding(broker: RedisServer, worker: Start) -> None:
    for n in range(3):
        worker(f"w{n}", pool="solo", queues=f"q{n},r{n}")
    wire = Wire(broker.port)
    async with clinic(await wire.url()) as doctor:
        await doctor.healthy(3)
        wire.cut.set()
        await steadily(doctor, "broker-unreachable", within=40, seconds=25)
        wire.cut.clear()
        await doctor.cured("broker-unreachable", 60)
        await doctor.healthy(15)


class Wire:
    """A way to a broker that falls silent without a word while it is cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.cut = asyncio.Event()

    async def url(self) -> str:
        server = await asyncio.start_server(self._joined, "127.0.0.1", 0)
        return f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._pass(reader, back), self._pass(there, writer))

    async def _pass(self, source: asyncio.StreamReader, into: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                while self.cut.is_set():
                    await asyncio.sleep(0.1)
                into.write(data)
        into.close()
