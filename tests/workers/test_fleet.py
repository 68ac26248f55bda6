"""What happens to real workers: they end, come back, are blocked, or would be broken by a wrong word."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.errors import NothingFound
from lazycelery.model.action import Order, Outcome
from lazycelery.model.profile import Profile
from tests.actions.live import live
from tests.cli.program import lazycelery
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send
from tests.support.rabbit import RabbitServer
from tests.workers.conftest import W1, W2, online

pytestmark = pytest.mark.broker
Start = Callable[..., CeleryWorker]


async def test_a_running_task_ends_before_its_worker_does(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    one = await asyncio.to_thread(worker)
    async with live(broker.url, tmp_path) as here:
        await online(here, W1)
        flag = tmp_path / "flag"
        running = send(broker.url, "shop.wait_for", str(flag))
        await here.until(lambda: here.state(running) == "started")
        plan = await here.actions.plan(Order(action="shutdown", targets=["w1"]))
        assert plan.word == W1 and plan.items[0].text == "runs 1 task (shop.wait_for)"
        outcome = await here.actions.act(plan.id, W1)
        assert outcome.proof == (
            f"shut down: {W1}: said goodbye, and answers no more; the 1 task it ran end first"
        )
        assert one.process is not None and one.process.poll() is None
        flag.touch()
        await here.until(lambda: here.state(running) == "success")
        assert await asyncio.to_thread(one.process.wait, 15) == 0


@pytest.mark.soak
async def test_a_worker_that_a_supervisor_starts_again_is_told(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    one = await asyncio.to_thread(worker)

    async def supervise() -> None:
        assert one.process is not None
        await asyncio.to_thread(one.process.wait, 20)
        await asyncio.to_thread(one.start)

    async with live(broker.url, tmp_path) as here:
        await online(here, W1)
        supervisor = asyncio.create_task(supervise())
        here.actions._context.patience = 9  # It takes its time to start on a busy machine.
        outcome = await here.do("shutdown", W1)
        await supervisor
        assert outcome.done == 1 and "another one (pid " in outcome.proof


@pytest.mark.soak
async def test_a_blocked_solo_worker_is_not_told_as_stopped(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    one = await asyncio.to_thread(lambda: worker(pool="solo"))
    async with live(broker.url, tmp_path, timeout=0.5) as here:
        await online(here, W1)
        flag = tmp_path / "flag"
        send(broker.url, "shop.wait_for", str(flag))
        await asyncio.sleep(2)  # Blocked, it does not even send that the task has started.
        here.actions._context.patience = 1
        outcome = await here.do("shutdown", W1)
        assert outcome.unknown == 1 and "a blocked worker stops when its task ends" in outcome.proof
        flag.touch()
        assert one.process is not None
        assert await asyncio.to_thread(one.process.wait, 15) == 0


@pytest.mark.soak
async def test_resume_tells_of_a_worker_that_restarted_meanwhile(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    first = await asyncio.to_thread(lambda: worker(queues="celery,mail"))
    await asyncio.to_thread(lambda: worker("w2", queues="mail"))
    async with live(broker.url, tmp_path) as here:
        await online(here, W1, W2)
        assert (await here.do("consumers", "mail", do="hold")).done == 2
        await asyncio.to_thread(first.stop)
        await asyncio.to_thread(first.start)
        await online(here, W1)
        outcome: Outcome = await here.do("consumers", "mail", do="resume")
        said = {item.target: item.text for item in outcome.items}
        assert said[W1].startswith("consumes mail already (restarted since, at ")
        assert said[W2] == "consumes mail"


async def test_a_queue_is_never_given_to_a_worker_that_it_would_break(
    rabbit: RabbitServer, tmp_path: Path
) -> None:
    vhost = f"test/{uuid.uuid4().hex[:8]}"
    rabbit.add_vhost(vhost)
    rabbit.declare(vhost, "orders", x_queue_type="quorum")
    rabbit.declare(vhost, "urgent", x_max_priority=9)
    url = rabbit.url(vhost)
    plain = CeleryWorker(url, "w1", backend="")
    modern = CeleryWorker(url, "w2", queues="quick", backend="", env={"TEST_QUEUE_TYPE": "quorum"})
    try:
        for one in (plain, modern):
            await asyncio.to_thread(one.start)
        async with live(url, tmp_path, results=False, management=rabbit.management) as here:
            await online(here, W1, W2)
            refused = await here.actions.plan(
                Order(action="consumers", targets=["orders"], params={"do": "add", "workers": ["w1"]})
            )
            assert (refused.refused or "").startswith("orders is a quorum queue and it consumes none")
            ids = []
            for queue, name in (("orders", "w2"), ("urgent", "w1"), ("urgent", "w2")):
                outcome = await here.do("consumers", queue, do="add", workers=[name])
                assert (outcome.done, outcome.failed) == (1, 0), outcome
                ids.append(await asyncio.to_thread(_publish, rabbit, vhost, queue))
            await here.until(lambda: {here.state(id) for id in ids} == {"success"})
            for one in (plain, modern):
                assert "Connection to broker lost" not in Path(one.log).read_text()
        async with live(url, tmp_path, results=False, management="http://127.0.0.1:1") as blind:
            await online(blind, W1, W2)
            rabbit.declare(vhost, "unknown")
            plan = await blind.actions.plan(
                Order(action="consumers", targets=["unknown"], params={"do": "add", "workers": ["w1"]})
            )
            assert "does not tell what kind of queue unknown is" in (plan.refused or "")
    finally:
        plain.kill()
        modern.kill()
        rabbit.drop_vhost(vhost)


def _publish(rabbit: RabbitServer, vhost: str, queue: str) -> str:
    """A task for a queue, without declaring it, as a producer that knows no arguments would have to."""
    from celery import Celery
    from kombu import Queue

    with Celery("client", broker=rabbit.url(vhost), set_as_current=False) as app:
        return str(app.send_task("shop.add", (1, 1), queue=Queue(queue, no_declare=True)).id)


# ---- the engine


@asynccontextmanager
async def engine(url: str, directory: Path, **profile: Any) -> AsyncIterator[Engine]:
    one = Engine(Profile(broker=url, audit_file=str(directory / "audit"), allow=["all"], **profile))
    await one.start()
    try:
        await one.ready(10)
        yield one
    finally:
        await one.close()


async def test_a_held_queue_is_told_to_every_session(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    await asyncio.to_thread(worker)
    async with engine(broker.url, tmp_path) as mine, engine(broker.url, tmp_path) as theirs:
        plan = await mine.plan(Order(action="consumers", targets=["celery"], params={"do": "hold"}))
        await mine.act(plan.id, plan.word)
        await asyncio.sleep(1.1)
        (queue,) = [each for each in await theirs.queues() if each.name == "celery"]
        assert queue.held is not None and list(queue.held.workers) == [W1]
        assert (queue.why or "").startswith("held by ")
        await asyncio.to_thread(send, broker.url, "shop.add", 1, 1)
        await asyncio.sleep(2.5)
        assert "queue-without-consumer" not in [each.code for each in (await theirs.doctor()).findings]
        with pytest.raises(NothingFound, match="celery is held already, by "):
            await theirs.plan(Order(action="consumers", targets=["celery"], params={"do": "hold"}))
        plan = await theirs.plan(Order(action="consumers", targets=["celery"], params={"do": "resume"}))
        assert any("in another session: Hold celery at w1@test (done)" in each for each in plan.warnings)
        await theirs.act(plan.id, plan.word)
        for _ in range(150):  # The other session learns of the consumer at its next round of questions.
            (queue,) = [each for each in await mine.queues() if each.name == "celery"]
            if queue.held is None and queue.why is None:
                break
            await asyncio.sleep(0.1)
        assert queue.held is None and queue.why is None


@pytest.mark.soak
async def test_a_pulse_tells_how_workers_answer(broker: RedisServer, worker: Start, tmp_path: Path) -> None:
    one = await asyncio.to_thread(worker)
    solo = await asyncio.to_thread(lambda: worker("w2", pool="solo", queues="other"))
    async with engine(broker.url, tmp_path) as mine:
        first, second = await mine.pulse([])
        assert (first.worker, second.worker) == (W1, W2)
        assert one.process is not None and solo.process is not None
        assert (first.pid, second.pid) == (one.process.pid, solo.process.pid)
        assert 0 < (first.ping or 0) < 1 and (first.memory or 0) > 10_000_000 and (first.clock or 0) > 0
        nap = send(broker.url, "shop.nap", 4, queue="other")
        await asyncio.sleep(1)
        (blocked,) = await mine.pulse(["w2"])
        assert blocked.ping is None and "its pool blocks it" in (blocked.why or "") and nap


# ---- the command line


@pytest.mark.soak
async def test_the_commands_end_with_the_codes_that_scripts_rely_on(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    await asyncio.to_thread(worker)
    await asyncio.to_thread(lambda: worker("w2", pool="threads"))

    async def run(*words: str) -> Any:
        return await asyncio.to_thread(lambda: lazycelery(broker.url, "worker", *words))

    grow = ("pool", "grow", "1")
    refused = await run(*grow, "w1", "--yes")
    assert (refused.code, refused.out) == (4, "") and "Read-only." in refused.err
    assert (await run(*grow, "w1", "--yes", "--allow", "retry")).code == 4
    assert (await run(*grow, "w1", "--allow", "pool")).code == 4, "there is no terminal to ask on"
    assert (await run(*grow, "w9", "--yes", "--allow", "pool")).code == 1
    assert (await run(*grow, "w2", "--yes", "--allow", "pool")).code == 4
    assert (await run("shutdown", "--yes", "--allow", "shutdown")).code == 2
    planned = await run(*grow, "w1", "w2", "--dry-run", "--json", "--allow", "pool")
    assert planned.code == 0 and [item["refused"] is None for item in planned.json["items"]] == [True, False]
    partly = await run(*grow, "w1", "w2", "--yes", "--json", "--allow", "pool")
    assert partly.code == 5 and (partly.json["done"], partly.json["failed"]) == (1, 0)
    limits = ("rate-limit", "shop.add", "7/m", "--yes", "--allow", "limits")
    assert (await run(*limits)).code == 0
    assert "it is 7/m already" in (await run(*limits)).err
    pinged = await run("ping", "--json")
    assert pinged.code == 0 and [one["worker"] for one in pinged.json] == [W1, W2]
    log = await asyncio.to_thread(lambda: lazycelery(broker.url, "audit", "action:pool", "--json"))
    assert {json.dumps(entry["outcome"]) for entry in log.json} == {'"done"'}
