"""The real thing, provoked on a real fleet: found, explained, cured, gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from lazycelery.errors import ConnectionProblem
from tests.doctor.clinic import clinic
from tests.support.broker import RedisServer, free_port
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker
Start = Callable[..., CeleryWorker]


async def test_a_healthy_fleet_is_silent_and_a_misspelt_queue_is_told_until_it_is_consumed(
    broker: RedisServer, worker: Start
) -> None:
    worker("w1", queues="default,mail")
    async with clinic(broker.url) as doctor:
        for number in range(5):
            send(broker.url, "shop.add", number, 1, queue="default")
        await doctor.healthy()
        for number in range(3):
            send(broker.url, "shop.add", number, 1, queue="defualt")
        finding = await doctor.finds("queue-without-consumer", "defualt", 8)
        assert "3 messages in defualt" in finding.title and "Did you mean default?" in finding.title
        assert finding.evidence[0].value == 3 and finding.evidence[0].source == "broker"
        assert set(finding.actions) >= {"purge"}
        helper = worker("w2", queues="defualt")
        await doctor.cured("queue-without-consumer")
        helper.stop()
        await doctor.healthy(2)


async def test_a_killed_worker_is_lost_until_it_is_back(broker: RedisServer, worker: Start) -> None:
    worker("w1")
    victim = worker("w2", queues="mail")
    async with clinic(broker.url) as doctor:
        await doctor.silent("worker-lost", 4)
        victim.kill()
        finding = await doctor.finds("worker-lost", "w2@test", 8)
        assert finding.severity == "critical" and "nobody else consumes mail" in str(finding.evidence)
        assert "nobody listens at its mailbox" in str(finding.evidence)
        assert "no-workers" not in await doctor.codes()
        victim.start()
        await doctor.cured("worker-lost")


@pytest.mark.soak
async def test_a_worker_lost_before_its_broker_restarted_stays_so_and_no_other_is_called_lost(
    broker: RedisServer, worker: Start
) -> None:
    worker("w1")
    victim = worker("w2")
    async with clinic(broker.url) as doctor:
        await doctor.silent("worker-lost", 4)
        victim.kill()
        finding = await doctor.finds("worker-lost", "w2@test", 8)
        broker.kill()
        await doctor.finds("broker-unreachable", within=10)
        await asyncio.sleep(3)
        broker.start()
        await doctor.cured("broker-unreachable", 30)
        hindered, ends = False, time.monotonic() + 16
        while time.monotonic() < ends:
            again = await doctor.engine.doctor()
            assert [(one.code, one.subject) for one in again.findings] == [("worker-lost", "w2@test")]
            assert again.findings[0].since == finding.since
            hindered |= "worker-lost" in [one.code for one in again.unchecked if "came back" in one.why]
            await asyncio.sleep(0.25)
        assert hindered and "worker-lost" in (await doctor.engine.doctor()).checked
        victim.start()
        await doctor.cured("worker-lost")


async def test_without_workers_each_step_is_told(broker: RedisServer, worker: Start) -> None:
    one = worker("w1")
    async with clinic(broker.url) as doctor:
        one.stop()
        await doctor.finds("no-workers", within=10)
        examination = await doctor.engine.doctor()
        told = {step.name: step for step in examination.steps}
        assert told["broker reachable"].ok and told["Celery was here"].ok
        assert told["heartbeats"].ok is False and "w1@test, stopped" in told["heartbeats"].text
        assert "stopped: start them" in examination.steps[-1].text
        one.start()
        await doctor.cured("no-workers")
        assert not (await doctor.engine.doctor()).steps


async def test_a_broker_that_dies_is_one_finding(broker: RedisServer, worker: Start) -> None:
    worker("w1")
    send(broker.url, "shop.add", 1, 1, queue="defualt")
    async with clinic(broker.url) as doctor:
        await doctor.finds("queue-without-consumer")
        broker.kill()
        await doctor.finds("broker-unreachable", within=10)
        assert await doctor.codes() == {"broker-unreachable"}
        broker.start()
        await doctor.cured("broker-unreachable", 30)


async def test_a_wrong_password_is_told_apart_from_a_dead_broker() -> None:
    server = RedisServer("--requirepass", "right").start()
    try:
        async with clinic(f"redis://:wrong@127.0.0.1:{server.port}/0", ready=False) as doctor:
            with pytest.raises(ConnectionProblem):
                await doctor.engine.ready(5)
            finding = await doctor.finds("auth-failed", within=3)
            assert "wrong" not in finding.title.split() and "password" in finding.fix + finding.title
            server.client(password="right").config_set("requirepass", "wrong")
            await doctor.cured("auth-failed", 20)
            assert "broker-unreachable" not in await doctor.codes()
    finally:
        server.remove()
    async with clinic(f"redis://127.0.0.1:{free_port()}/0", ready=False) as doctor:
        await doctor.finds("broker-unreachable", within=3)


async def test_workers_without_events_are_told_and_a_key_cures_them(
    broker: RedisServer, worker: Start
) -> None:
    from lazycelery.model.action import Order

    worker("w1", events=False)
    async with clinic(broker.url, allow=["events"]) as doctor:
        for _ in range(6):
            send(broker.url, "shop.add", 1, 1, sent_event=False)
            await asyncio.sleep(1.2)
        finding = await doctor.finds("events-off", "w1@test", 10)
        assert finding.actions == ["events"]
        plan = await doctor.engine.plan(Order(action="events", params={"on": True}))
        await doctor.engine.act(plan.id, plan.word)
        send(broker.url, "shop.add", 1, 1)
        await doctor.cured("events-off")
