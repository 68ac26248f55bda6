"""Nobody answers: each cause for real, on Redis and on RabbitMQ; the steps end in it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lazycelery.errors import NothingFound
from tests.doctor.clinic import Clinic, clinic
from tests.support.beat import conf
from tests.support.broker import RedisServer, free_port
from tests.support.fleet import CeleryWorker, send
from tests.support.rabbit import RabbitServer

pytestmark = [pytest.mark.broker, pytest.mark.soak]
HIDDEN = ("--without-heartbeat", "--without-gossip", "--without-mingle")
BROKERS = ("redis", "rabbit")


class Place:
    """A broker of one kind, a second realm on it, and what a profile needs to see it."""

    def __init__(self, kind: str, redis: RedisServer, rabbit: RabbitServer | None) -> None:
        self.kind, self.redis, self.rabbit = kind, redis, rabbit
        self.started: list[CeleryWorker] = []
        self.names = ("nobody-here", "nobody-there")
        for name in self.names if rabbit is not None else ():
            rabbit.add_vhost(name)

    def url(self, other: bool = False) -> str:
        if self.rabbit is not None:
            return self.rabbit.url(self.names[other])
        return f"{self.redis.url[:-1]}{int(other)}"

    async def worker(self, name: str = "w1", other: bool = False, **own: Any) -> CeleryWorker:
        one = CeleryWorker(self.url(other), name, backend=self.redis.url, **own)
        self.started.append(one)
        return await asyncio.to_thread(one.start)

    def clinic(self, **profile: Any) -> Any:
        own = {"management": self.rabbit.management} if self.rabbit is not None else {}
        return clinic(self.url(), **{**own, **profile})

    async def close(self) -> None:
        for one in self.started:
            await asyncio.to_thread(one.kill)
        for name in self.names if self.rabbit is not None else ():
            self.rabbit.drop_vhost(name)


@asynccontextmanager
async def place(kind: str, redis: RedisServer, request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    one = Place(kind, redis, request.getfixturevalue("rabbit") if kind == "rabbit" else None)
    try:
        yield one
    finally:
        await one.close()


async def cause(doctor: Clinic, *words: str, within: float = 25) -> dict[str, bool | None]:
    """The last step tells it in these words; what the other steps came to."""
    deadline, told = time.monotonic() + within, "no steps"
    while time.monotonic() < deadline:
        steps = (await doctor.engine.doctor()).steps
        told = steps[-1].text if steps else told
        if all(word in told for word in words):
            assert steps[-1].name == "what it looks like"
            return {step.name: step.ok for step in steps}
        await asyncio.sleep(0.25)
    raise AssertionError(told)


@pytest.mark.parametrize("kind", BROKERS)
async def test_a_solo_worker_inside_its_task(
    kind: str, broker: RedisServer, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    release = tmp_path / "release"
    async with place(kind, broker, request) as here:
        await here.worker("solo", pool="solo", concurrency=1)
        async with here.clinic() as doctor:
            assert not (await doctor.engine.doctor()).steps
            send(here.url(), "shop.wait_for", str(release), backend=broker.url)
            steps = await cause(doctor, "solo@test has a solo pool", "inside a task")
            assert steps["mailboxes"] is True and steps["answers to ping"] is False
        async with here.clinic() as doctor:  # One who came later never heard of its pool.
            await cause(doctor, "solo@test", "a solo worker inside a task")
            release.touch()
            await doctor.cured("worker-busy-control")
            assert not (await doctor.engine.doctor()).steps


@pytest.mark.parametrize("kind", BROKERS)
async def test_a_worker_that_accepts_only_pickle(
    kind: str, broker: RedisServer, request: pytest.FixtureRequest
) -> None:
    only = conf(accept_content=["pickle"], task_serializer="pickle", result_serializer="pickle")
    async with place(kind, broker, request) as here:
        # Else Celery refuses pickle where the tests run as root.
        await here.worker("pickled", env={**only, "C_FORCE_ROOT": "1"})
        async with here.clinic() as doctor:
            steps = await cause(doctor, "pickled@test", "accepts only pickle")
            assert steps["heartbeats"] is True and steps["answers to ping"] is False
            finding = await doctor.finds("worker-busy-control", "pickled@test")
            assert "accepts only pickle" in finding.title and "accept_content" in finding.fix


@pytest.mark.parametrize("kind", BROKERS)
async def test_a_worker_without_remote_control(
    kind: str, broker: RedisServer, request: pytest.FixtureRequest
) -> None:
    off = conf(worker_enable_remote_control=False)
    async with place(kind, broker, request) as here:
        one = await here.worker("mute", env=off)
        async with here.clinic() as doctor:
            await cause(doctor, "mute@test", "remote control is off")
            one.stop()
            await cause(doctor, "The workers were stopped")
        await here.worker("hidden", env=off, options=HIDDEN)
        async with here.clinic() as doctor:
            # Only RabbitMQ counts who consumes a queue.
            counted = (
                "and hide: they run without remote control" if kind == "rabbit" else "or they run without"
            )
            await cause(doctor, counted, "remote control and heartbeats")


@pytest.mark.parametrize("kind", BROKERS)
async def test_no_gossip_hides_nobody(kind: str, broker: RedisServer, request: pytest.FixtureRequest) -> None:
    async with place(kind, broker, request) as here:
        await here.worker("w1", options=HIDDEN[1:])
        await here.worker("w2", options=HIDDEN)
        async with here.clinic() as doctor:
            await asyncio.sleep(4)
            assert not (await doctor.engine.doctor()).steps
            workers = {one.name: one.state for one in await doctor.engine.workers()}
            assert workers == {"w1@test": "online", "w2@test": "online"}


@pytest.mark.parametrize("kind", BROKERS)
async def test_the_wrong_database_or_virtual_host(
    kind: str, broker: RedisServer, request: pytest.FixtureRequest
) -> None:
    async with place(kind, broker, request) as here:
        await here.worker("w1", other=True)
        async with here.clinic() as doctor:
            words = (
                ("another virtual host", "nobody-there") if kind == "rabbit" else ("another database", "in 1")
            )
            steps = await cause(doctor, *words)
            assert steps["broker reachable"] and steps["Celery was here"] is False
            await doctor.finds("no-workers")


async def test_the_wrong_key_prefix(broker: RedisServer, worker: Any) -> None:
    worker("w1", env={"TEST_PREFIX": "acme:"})
    async with clinic(broker.url) as doctor:
        await asyncio.sleep(3)
        assert not (await doctor.engine.doctor()).steps, "nobody has to tell the only prefix that there is"
    async with clinic(broker.url, prefix="other:") as doctor:
        await cause(doctor, "Another key prefix", "'acme:'")


@pytest.mark.parametrize("kind", BROKERS)
async def test_wrong_credentials_and_a_broker_that_is_not_there(
    kind: str, broker: RedisServer, request: pytest.FixtureRequest
) -> None:
    if kind == "rabbit":
        wrong = request.getfixturevalue("rabbit").url(user="guest", password="wrong")
    else:
        broker.client().config_set("requirepass", "right")
        wrong = broker.url.replace("redis://", "redis://:wrong@")
    for url, code, words in (
        (wrong, "auth-failed", "does not let us in"),
        (f"{wrong.rpartition(':')[0]}:{free_port()}/", "broker-unreachable", "is not there"),
    ):
        async with clinic(url, ready=False) as doctor:
            steps = await cause(doctor, words)
            assert steps["broker reachable"] is False
            [finding] = [one for one in (await doctor.engine.doctor()).findings if one.code == code]
            shown = [fact.text for fact in finding.evidence if fact.source == "step"]
            assert shown[0].startswith("broker reachable: no.") and words in shown[-1]
            with pytest.raises(NothingFound, match="Not connected"):
                await doctor.engine.why("some-task")


@pytest.mark.parametrize("kind", BROKERS)
async def test_a_broker_that_takes_no_messages(kind: str, broker: RedisServer) -> None:
    rabbit = RabbitServer().start() if kind == "rabbit" else None
    here = Place(kind, broker, rabbit)
    try:
        await here.worker("w1")
        if rabbit is not None:
            rabbit.control("set_vm_memory_high_watermark", "0.00001")
        else:
            broker.client().config_set("maxmemory", 1 << 20)
        await asyncio.sleep(2)
        async with here.clinic() as doctor:
            steps = await cause(doctor, "takes no messages", "memory")
            assert steps["broker reachable"] and steps["broker takes messages"] is False
            finding = await doctor.finds("broker-memory")
            assert finding.severity == "critical"
            assert "no-workers" not in await doctor.codes(), "nobody was asked"
            if rabbit is not None:
                rabbit.control("set_vm_memory_high_watermark", "0.4")
            else:
                broker.client().config_set("maxmemory", 0)
            await doctor.cured("broker-memory", 30)
            assert not (await doctor.engine.doctor()).steps
    finally:
        await here.close()
        if rabbit is not None:
            rabbit.remove()
