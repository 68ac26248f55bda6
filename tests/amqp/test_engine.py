"""The whole way from an amqp:// URL to a living picture, and every action on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pika
import pytest

from lazycelery.engine.engine import Engine
from lazycelery.errors import ConnectionProblem, NothingFound, Refused
from lazycelery.model.action import Order, Outcome
from lazycelery.model.profile import Profile
from lazycelery.sources.amqp.delayed import FOLDED
from tests.amqp.conftest import Vhost
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker
Worker = Callable[..., CeleryWorker]
OpenEngine = Callable[..., Awaitable[Engine]]


@pytest.fixture
async def open_engine(vhost: Vhost) -> AsyncIterator[OpenEngine]:
    opened: list[Engine] = []

    async def start(**profile: Any) -> Engine:
        profile.setdefault("management", vhost.server.management)
        engine = Engine(Profile(broker=profile.pop("broker", vhost.url), **profile))
        await engine.start()
        opened.append(engine)
        return engine

    yield start
    for engine in opened:
        await engine.close()


async def until(look: Callable[[], Awaitable[Any]], within: float = 15.0) -> Any:
    """The first true answer; the last one when time runs out."""
    deadline = time.monotonic() + within
    while True:
        found = await look()
        if found or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.05)


async def ended(engine: Engine, id: str, state: str) -> bool:
    async def look() -> bool:
        try:
            return (await engine.task(id, fetch=False)).state == state
        except NothingFound:
            return False

    return bool(await until(look))


async def do(engine: Engine, order: Order) -> Outcome:
    plan = await engine.plan(order)
    assert plan.refused is None, plan.refused
    return await engine.act(plan.id, plan.word)


async def test_a_url_is_enough_to_see_workers_queues_and_tasks(
    vhost: Vhost, worker: Worker, open_engine: OpenEngine, management: str
) -> None:
    worker("w1", queues="celery,mail")
    engine = await open_engine(management=management)
    overview = await engine.ready(10)
    assert overview.connected and overview.workers_online == 1 and overview.transport == "amqp"
    [seen] = await engine.workers()
    assert (seen.name, seen.state, seen.pool) == ("w1@test", "online", "prefork")
    assert sorted(seen.queues) == ["celery", "mail"]
    queues = {queue.name: queue for queue in await engine.queues()}
    assert {"celery", "mail"} <= set(queues)
    assert queues["mail"].messages == 0 and queues["mail"].workers == ["w1@test"]
    id = send(vhost.url, "shop.charge", 77)
    assert await ended(engine, id, "failure")
    task = await engine.task(id[:8])
    assert "card declined for order 77" in (task.error or "") and "ValueError" in (task.traceback or "")
    [results] = [each for each in overview.sources if each.name == "results"]
    assert results.state == "off" and "rpc://" in results.reason
    missing = [each for each in overview.notices if "management API is missing" in each.title]
    assert bool(missing) == (management != vhost.server.management)


async def test_nothing_is_looked_at_unasked_and_a_forced_look_makes_a_retry_exact(
    vhost: Vhost, worker: Worker, open_engine: OpenEngine, tmp_path: Path
) -> None:
    vhost.declare("celery")
    file = tmp_path / "file"
    id = send(vhost.url, "shop.until_file", str(file), queue="celery")
    engine = await open_engine(allow=["retry"])
    await engine.ready(10)
    [waiting] = vhost.waiting("celery")
    assert waiting["redelivered"] is False
    with pytest.raises(Refused, match="only by delivering it"):
        await engine.peek("celery")
    [message] = (await engine.peek("celery", force=True)).messages
    assert (message.id, message.task, message.args) == (id, "shop.until_file", [str(file)])
    worker("w1")
    assert await ended(engine, id, "failure")
    file.touch()
    plan = await engine.plan(Order(action="retry", targets=[id]))
    assert [item.grade for item in plan.items] == ["exact"]
    outcome = await engine.act(plan.id, plan.word)
    assert outcome.done == 1 and outcome.items[0].new_id
    assert await ended(engine, outcome.items[0].new_id, "success")


async def test_a_failed_task_is_retried_from_the_arguments_in_its_result(
    vhost: Vhost, worker: Worker, open_engine: OpenEngine, tmp_path: Path
) -> None:
    backend = RedisServer().start()
    try:
        worker("w1", backend=backend.url, env={"TEST_EXTENDED": "1"})
        engine = await open_engine(allow=["retry"])
        await engine.ready(10)
        file = tmp_path / "file"
        id = send(vhost.url, "shop.until_file", str(file), backend=backend.url)
        assert await ended(engine, id, "failure")
        file.touch()
        plan = await engine.plan(Order(action="retry", targets=[id]))
        assert [(item.grade, item.source) for item in plan.items] == [("arguments", "result")]
        outcome = await engine.act(plan.id, plan.word)
        assert await ended(engine, str(outcome.items[0].new_id), "success")
        await engine.close()
    finally:
        backend.remove()


async def test_a_revoked_task_never_runs(
    vhost: Vhost, worker: Worker, open_engine: OpenEngine, tmp_path: Path
) -> None:
    worker("w1", concurrency=1)
    engine = await open_engine(allow=["revoke"])
    await engine.ready(10)
    flag, touched = tmp_path / "go", tmp_path / "touched"
    first = send(vhost.url, "shop.wait_for", str(flag))
    assert await ended(engine, first, "started")
    second = send(vhost.url, "shop.wait_for", str(touched), 0.1)
    assert await ended(engine, second, "received")  # On its way to the worker nobody knows it.
    outcome = await do(engine, Order(action="revoke", targets=[second]))
    assert outcome.done == 1 and "w1@test" in str(outcome.items[0].replies)
    flag.touch()
    assert await ended(engine, second, "revoked")


async def test_a_purge_of_more_than_a_page_is_restored_in_order(
    vhost: Vhost, open_engine: OpenEngine, tmp_path: Path
) -> None:
    vhost.declare("mail")
    with pika.BlockingConnection(pika.URLParameters(vhost.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for number in range(1234):
            headers = {"id": f"m{number}", "task": "t"}
            channel.basic_publish("", "mail", b"[[], {}, {}]", pika.BasicProperties(headers=headers))
    engine = await open_engine(backup_dir=str(tmp_path))
    await engine.ready(10)
    refused = await engine.plan(Order(action="purge", targets=["mail"]))
    assert refused.refused
    await engine.unlock(["purge", "restore"])
    outcome = await do(engine, Order(action="purge", targets=["mail"]))
    assert outcome.done == 1234 and "1,234 removed, 0 left" in outcome.proof
    assert vhost.waiting("mail") == []
    restored = await do(engine, Order(action="restore", targets=[str(outcome.backup)]))
    assert restored.done == 1234 and restored.failed == 0
    found = vhost.server.waiting(vhost.name, "mail", 2000)
    assert [each["properties"]["headers"]["id"] for each in found] == [f"m{n}" for n in range(1234)]


async def test_events_are_switched_on_for_the_session_and_off_at_its_end(
    vhost: Vhost, worker: Worker, open_engine: OpenEngine
) -> None:
    worker("w1", events=False)
    engine = await open_engine(allow=["events"])
    await engine.ready(10)
    assert (await do(engine, Order(action="events", params={"on": True}))).done == 1
    id = send(vhost.url, "shop.add", 1, 2, sent_event=False)
    assert await ended(engine, id, "success")
    await engine.close()
    again = await open_engine(allow=["events"])
    await again.ready(10)
    outcome = await do(again, Order(action="events", params={"on": True}))
    assert "task events enabled" in str(outcome.items)  # They had been put back off.


async def test_a_wrong_password_is_told_at_once(vhost: Vhost, open_engine: OpenEngine) -> None:
    engine = await open_engine(broker=vhost.server.url(vhost.name, password="s3cret"))
    with pytest.raises(ConnectionProblem, match="refuses user name or password") as told:
        await engine.ready(10)
    overview = await engine.overview()
    assert "s3cret" not in overview.broker + str(told.value)
    assert [notice.code for notice in overview.notices][:1] == ["auth-failed"]


async def test_the_line_of_delayed_delivery_takes_and_gives_nothing(
    vhost: Vhost, open_engine: OpenEngine
) -> None:
    vhost.declare("celery_delayed_5", x_queue_type="quorum")
    vhost.declare("mail")
    with pika.BlockingConnection(pika.URLParameters(vhost.url)) as connection:
        for queue in ("celery_delayed_5", "mail"):
            connection.channel().basic_publish("", queue, b"[[], {}, {}]")
    engine = await open_engine(allow=["all"])

    async def told() -> bool:
        depths = {queue.name: queue.messages for queue in await engine.queues()}
        return depths == {FOLDED: 1, "mail": 1}

    assert await until(told, 40)
    assert (await engine.overview()).backlog == 1
    for action, targets in (("purge", [FOLDED]), ("move", [FOLDED, "mail"]), ("move", ["mail", FOLDED])):
        plan = await engine.plan(Order(action=action, targets=targets))  # type: ignore[arg-type]
        assert plan.refused and plan.refused.startswith(f"{FOLDED} stands for queues of the broker's own")
    assert {finding.subject for finding in (await engine.doctor()).findings} & {FOLDED} == set()
