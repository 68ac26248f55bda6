"""From a cause to its finding: failure modes provoked on a real fleet, watched with the default settings."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from lazycelery.engine.engine import Engine
from lazycelery.model.profile import Profile
from lazycelery.store.rings import Cell
from lazycelery.store.sketch import bucket
from tests.benchmarks.figure import Figure
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

SOON = 5.0
"""Seconds within which a finding should show."""
POLL = 0.02


class Ward:
    """A broker with workers, an engine that watches it, and the time of the cause."""

    def __init__(self) -> None:
        self.server = RedisServer().start()
        self.workers: list[CeleryWorker] = []
        self.directory = Path(tempfile.mkdtemp(prefix="lazycelery-detection-"))
        self.engine: Engine | None = None

    @property
    def url(self) -> str:
        return self.server.url

    def worker(self, name: str, **own: Any) -> CeleryWorker:
        self.workers.append(CeleryWorker(self.url, name, **own).start())
        return self.workers[-1]

    def send(self, name: str, *args: Any, **own: Any) -> str:
        return send(self.url, name, *args, **own)

    async def watch(self, **own: Any) -> Engine:
        self.engine = Engine(Profile(broker=self.url, history=False, **own))
        await self.engine.start()
        await self.engine.ready(15)
        await asyncio.sleep(3)
        return self.engine

    async def until(self, code: str, cause: float, within: float) -> float:
        """Seconds from the cause to the finding."""
        assert self.engine is not None
        while time.time() < cause + within:
            # Also what is told with another one, as a lost worker's messages are.
            if any(told == code for told, _ in self.engine._examiner.present):
                return time.time() - cause
            await asyncio.sleep(POLL)
        raise AssertionError(f"{code} is not found within {within} s")

    async def close(self) -> None:
        if self.engine is not None:
            await self.engine.close()
        for worker in self.workers:
            with contextlib.suppress(Exception):
                worker.kill()
        self.server.remove()


Provoked = Callable[[Ward], Awaitable[float]]
"""Sets the fleet up, watches it, provokes; returns the moment of the cause."""


class Case(NamedTuple):
    code: str
    provoke: Provoked
    cause: str
    limit: float = SOON
    why: str = ""
    """Why it takes longer than five seconds."""


@asynccontextmanager
async def ward() -> AsyncIterator[Ward]:
    one = Ward()
    try:
        yield one
    finally:
        await one.close()


# ---- causes


async def misspelt(ward: Ward) -> float:
    ward.worker("w1")
    await ward.watch()
    ward.send("shop.add", 1, 1, queue="defualt")
    return time.time()


async def stopped_fleet(ward: Ward) -> float:
    worker = ward.worker("w1")
    await ward.watch()
    worker.stop()
    return time.time()


async def killed_worker(ward: Ward) -> float:
    victim = ward.worker("w1")
    ward.worker("w2")
    await ward.watch()
    victim.kill()
    return time.time()


async def dead_broker(ward: Ward) -> float:
    ward.worker("w1")
    await ward.watch()
    ward.server.kill()
    return time.time()


async def wrong_password(ward: Ward) -> float:
    ward.server.client().config_set("requirepass", "other")
    ward.engine = Engine(Profile(broker=ward.url, history=False))
    began = time.time()
    await ward.engine.start()
    return began


async def solo(ward: Ward) -> float:
    ward.worker("w1", pool="solo", concurrency=1)
    await ward.watch()
    ward.send("shop.nap", 40)
    return time.time()


async def failing(ward: Ward) -> float:
    ward.worker("w1")
    await ward.watch()
    for number in range(10):
        ward.send("shop.charge", number)
    return time.time()


async def unknown_name(ward: Ward) -> float:
    ward.worker("w1")
    await ward.watch()
    ward.send("shop.chrage", 1)
    return time.time()


async def storm(ward: Ward) -> float:
    ward.worker("w1", concurrency=4)
    await ward.watch()
    for _ in range(40):
        ward.send("shop.flaky", 3)
    return time.time()


async def poison(ward: Ward) -> float:
    ward.worker("w1", concurrency=1)
    await ward.watch()
    began = time.time()
    ward.send("shop.poison")
    return began


async def far_eta(ward: Ward) -> float:
    ward.worker("w1")
    await ward.watch()
    ward.send("shop.add", 1, 1, countdown=7200)
    return time.time()


async def slow(ward: Ward) -> float:
    ward.worker("w1", concurrency=4)
    engine = await ward.watch()
    usually(engine, "shop.nap", 0.01)
    began = time.time()
    for _ in range(40):
        ward.send("shop.nap", 0.4)
    return began


async def burning(ward: Ward) -> float:
    ward.worker("w1")
    await ward.watch(sla={"shop.*": {"success": 0.999}})
    began = time.time()
    for number in range(8):
        ward.send("shop.charge", number)
    return began


async def silent_workers(ward: Ward) -> float:
    ward.worker("w1", events=False)
    await ward.watch()
    began = time.time()
    for _ in range(12):
        ward.send("shop.add", 1, 1, sent_event=False)
        await asyncio.sleep(0.5)
    return began


async def no_results(ward: Ward) -> float:
    ward.engine = Engine(Profile(broker=ward.url, history=False))
    await ward.engine.start()
    await asyncio.sleep(2)
    await asyncio.to_thread(ward.worker, "w1", backend="")
    return time.time()


async def another_setting(ward: Ward) -> float:
    ward.worker("w1")
    await ward.watch()
    env = {"TEST_CONF": json.dumps({"task_acks_late": True})}
    await asyncio.to_thread(ward.worker, "w2", env=env)
    return time.time()


async def evicting(ward: Ward) -> float:
    ward.worker("w1")
    await ward.watch()
    ward.server.client().config_set("maxmemory", 100 << 20)
    ward.server.client().config_set("maxmemory-policy", "allkeys-lru")
    return time.time()


async def leak(ward: Ward) -> float:
    ward.worker("w1")
    await ward.watch()
    names = [f"{n}\x06\x16\x06\x16{n}.reply.celery.pidbox" for n in range(60)]
    ward.server.client().sadd("_kombu.binding.reply.celery.pidbox", *names)
    return time.time()


async def full(ward: Ward) -> float:
    ward.worker("w1", concurrency=2)
    await ward.watch()
    for _ in range(8):
        ward.send("shop.nap", 100)
    return time.time()


async def hoarding(ward: Ward) -> float:
    ward.worker("w1", concurrency=1, env={"TEST_PREFETCH": "8"})
    await ward.watch()
    for _ in range(6):
        ward.send("shop.nap", 100)
    await asyncio.to_thread(ward.worker, "w2", concurrency=1)
    return time.time()


async def orphans(ward: Ward) -> float:
    victim = ward.worker("w1", concurrency=1, env={"TEST_PREFETCH": "4"})
    ward.worker("w2", queues="mail")
    await ward.watch()
    for _ in range(4):
        ward.send("shop.nap", 600)
    await asyncio.sleep(4)
    victim.kill()
    return time.time()


async def growing(ward: Ward) -> float:
    ward.worker("w1", concurrency=1)
    await ward.watch()
    began = time.time()

    async def flood() -> None:
        for _ in range(400):
            await asyncio.to_thread(ward.send, "shop.nap", 1)
            await asyncio.sleep(0.3)

    ward.flood = asyncio.ensure_future(flood())  # type: ignore[attr-defined]
    return began


def usually(engine: Engine, name: str, runtime: float) -> None:
    """Five recorded hours of a name."""
    figures = engine._store.figures
    cell = Cell()
    cell.counts[2] = cell.counts[3] = 200
    cell.runtime = {bucket(runtime * (1 + number / 10)): 20 for number in range(10)}
    now = time.time()
    for ago in range(1, 6):
        figures.put_before(now - now % 3600 - 3600 * ago, {3 * figures.words("task").code(name): cell})


HEARTBEAT = "heartbeats come every 2 s, and three must be missing: Celery's own measure of death"
CASES = [
    Case("broker-unreachable", dead_broker, "kill -9 of Redis"),
    Case("auth-failed", wrong_password, "another password"),
    Case("no-workers", stopped_fleet, "the only worker stops"),
    Case("worker-lost", killed_worker, "kill -9 of a worker", 20.0, HEARTBEAT),
    Case(
        "worker-busy-control",
        solo,
        "a solo worker begins a long task",
        30.0,
        "it is asked every 10 s (control_refresh), and silent for 4 s (limit silent)",
    ),
    Case("queue-without-consumer", misspelt, "a message for a misspelt queue"),
    Case("task-unregistered", unknown_name, "a message with a misspelt name"),
    Case("failure-spike", failing, "the tenth failure is sent"),
    Case("retry-storm", storm, "the last of 40 failing tasks is sent"),
    Case("task-slow", slow, "40 slow runs begin", 15.0, "twenty must end, and it must last 5 s"),
    Case(
        "sla-burning", burning, "8 failures are sent", 90.0, "what was not watched of the hour counts as kept"
    ),
    Case(
        "poison-message",
        poison,
        "a message that kills its child",
        15.0,
        "it must have been delivered four times",
    ),
    Case("eta-beyond-visibility", far_eta, "a message with an ETA in two hours"),
    Case(
        "events-off",
        silent_workers,
        "the first task of a worker without -E",
        15.0,
        "it must have run some tasks",
    ),
    Case("results-off", no_results, "a worker without a result backend is ready"),
    Case("config-drift", another_setting, "a worker with another setting is ready"),
    Case("broker-memory", evicting, "an evicting policy is set"),
    Case("reply-queue-leak", leak, "60 reply queues are bound"),
    Case(
        "worker-saturated",
        full,
        "the last of 8 long tasks is sent",
        75.0,
        "60 s: shorter rushes pass (limit saturated)",
    ),
    Case("prefetch-hoarding", hoarding, "an idle worker is ready", 50.0, "30 s (limit hoarded)"),
    Case("message-orphaned", orphans, "kill -9 of a worker that holds messages", 30.0, HEARTBEAT),
    Case("backlog-growing", growing, "a flood begins", 130.0, "90 s: waves pass (limit growth)"),
]


async def _measure(case: Case) -> float:
    async with ward() as one:
        cause = await case.provoke(one)
        return await one.until(case.code, cause, case.limit + 30)


def figures(home: Path) -> list[Figure]:
    """One figure a mode. `DETECT=code,code` measures some."""
    wanted = os.environ.get("DETECT", "").split(",") if os.environ.get("DETECT") else None
    found = []
    for case in CASES:
        if wanted is None or case.code in wanted:
            took = asyncio.run(_measure(case))
            found.append(Figure(f"{case.code}: {case.cause}", took, "s", case.limit, case.why))
            print(f"| {case.code} | {case.cause} | {took:.1f} | {case.why} |", flush=True)
    return found
