"""One contract, two engines: in this process and in another, over a real broker and worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from lazycelery.engine.api import EngineApi
from lazycelery.errors import ConnectionProblem, NothingFound, Refused, UsageError
from lazycelery.model.action import Order
from lazycelery.model.task import TaskQuery
from tests.engine.conftest import Open
from tests.support.broker import RedisServer, free_port
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker


async def until(look: Callable[[], Awaitable[Any]], within: float = 10.0) -> Any:
    """The first true answer; the last one when time runs out."""
    deadline = time.monotonic() + within
    while True:
        found = await look()
        if found or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.05)


async def state_of(engine: EngineApi, id: str) -> str | None:
    try:
        return (await engine.task(id, fetch=False)).state
    except NothingFound:
        return None


async def test_a_url_is_enough_to_see_workers_queues_and_waiting_tasks(
    broker: RedisServer, worker: Callable[..., CeleryWorker], open_engine: Open
) -> None:
    worker("w1", concurrency=2, queues="celery,mail")
    waiting = send(broker.url, "shop.add", 1, 2, queue="nobody")
    engine = await open_engine(broker.url)
    overview = await engine.ready(10)
    assert overview.connected and overview.workers_online == 1
    [seen] = await engine.workers()
    assert (seen.name, seen.state, seen.pool, seen.concurrency) == ("w1@test", "online", "prefork", 2)
    assert sorted(seen.queues) == ["celery", "mail"]
    queues = {queue.name: queue for queue in await engine.queues()}
    assert queues["nobody"].messages == 1 and queues["nobody"].why
    assert queues["mail"].workers == ["w1@test"]
    assert (await engine.task(waiting)).state == "waiting"
    for fetch in (True, False):
        told = await engine.why(waiting, "task", fetch)
        assert (told.kind, told.state, told.actions) == ("task", "waiting", [])
        assert "nobody consumes it" in told.text
    assert (await engine.why("nobody", fetch=False)).text.startswith("1 message in nobody")
    assert (await engine.why("w1@test", "worker", fetch=False)).text.startswith("w1@test is online")
    with pytest.raises(NothingFound):
        await engine.why("nobody", "worker", fetch=False)
    [message] = (await engine.peek("nobody")).messages
    assert (message.id, message.task, message.args) == (waiting, "shop.add", [1, 2])


async def test_a_failing_task_is_seen_with_its_traceback(
    broker: RedisServer, worker: Callable[..., CeleryWorker], open_engine: Open
) -> None:
    worker("w1")
    engine = await open_engine(broker.url)
    await engine.ready(10)
    id = send(broker.url, "shop.charge", 77)

    async def failed() -> bool:
        return await state_of(engine, id) == "failure"

    assert await until(failed)
    task = await engine.task(id[:8])
    assert task.id == id and "card declined for order 77" in (task.error or "")
    assert "ValueError" in (task.traceback or "")
    page = await engine.tasks(TaskQuery(filter="state:failure"))
    assert [row.id for row in page.rows] == [id]
    parts = TaskQuery(filter="declined", patience=0.0)  # As a screen asks: in parts, until it is whole.
    while (page := await engine.tasks(parts)).searched < 1:
        assert page.matched <= 1
    assert [row.id for row in page.rows] == [id] and page.matched == 1

    async def logged() -> bool:  # The result backend may tell of the failure before the event comes.
        lines = (await engine.log(-1, 50)).lines
        return any(line.type == "task-failed" and line.id == id for line in lines)

    assert await until(logged)
    filtered = (await engine.log(-1, 50, "state:failure name:shop.charge")).lines
    assert {line.id for line in filtered} == {id}


async def test_a_tick_waits_for_a_change_and_a_cancelled_one_harms_nothing(
    broker: RedisServer, worker: Callable[..., CeleryWorker], open_engine: Open
) -> None:
    engine = await open_engine(broker.url, refresh=60, control_refresh=60)
    await engine.ready(10)
    tick = await engine.tick()
    while (newer := await engine.tick(tick.stamp, 0.5)).stamp != tick.stamp:
        tick = newer
    waiting = asyncio.create_task(engine.tick(tick.stamp, 20))  # type: ignore[arg-type]
    await asyncio.sleep(0.1)
    waiting.cancel()
    worker("w1")
    assert (await engine.tick(tick.stamp, 20)).stamp != tick.stamp


async def test_read_only_refuses_and_unlocking_is_for_the_session(
    broker: RedisServer, open_engine: Open
) -> None:
    send(broker.url, "shop.add", 1, queue="mail")
    engine = await open_engine(broker.url)
    await engine.ready(10)
    refused = await engine.plan(Order(action="purge", targets=["mail"]))
    assert refused.refused
    with pytest.raises(Refused):
        await engine.act(refused.id, "mail")
    assert broker.client().llen("mail") == 1
    overview = await engine.unlock(["purge"])
    assert not overview.read_only and overview.allowed == ["purge"]
    plan = await engine.plan(Order(action="purge", targets=["mail"]))
    outcome = await engine.act(plan.id, plan.word)
    assert outcome.done and broker.client().llen("mail") == 0
    assert (await engine.audit())[0].action == "purge"
    assert (await engine.lock()).read_only


async def test_events_are_switched_on_for_the_session_and_off_at_its_end(
    broker: RedisServer, worker: Callable[..., CeleryWorker], open_engine: Open
) -> None:
    worker("w1", events=False)
    engine = await open_engine(broker.url, allow=["events"])
    await engine.ready(10)
    plan = await engine.plan(Order(action="events", params={"on": True}))
    assert (await engine.act(plan.id, plan.word)).done == 1
    assert (await engine.overview()).events_enabled
    id = send(broker.url, "shop.add", 1, 2, sent_event=False)

    async def ended() -> bool:
        return await state_of(engine, id) == "success"

    assert await until(ended)
    await engine.close()
    again = await open_engine(broker.url, allow=["events"])
    await again.ready(10)
    plan = await again.plan(Order(action="events", params={"on": True}))
    outcome = await again.act(plan.id, plan.word)
    assert "task events enabled" in str(outcome.items)  # They had been put back off.


async def test_errors_keep_their_class_title_and_hint(broker: RedisServer, open_engine: Open) -> None:
    engine = await open_engine(broker.url)
    await engine.ready(10)
    with pytest.raises(UsageError, match="statee"):
        await engine.tasks(TaskQuery(filter="statee:failure"))
    assert "statee" in (await engine.check_filter("statee:failure") or "")
    assert await engine.check_filter("state:failure") is None
    with pytest.raises(NothingFound):
        await engine.task("00000000-none")
    with pytest.raises(NothingFound):
        await engine.worker("nobody@nowhere")


async def test_messages_completions_and_metrics_come_through(broker: RedisServer, open_engine: Open) -> None:
    waiting = send(broker.url, "shop.add", 1, queue="mail", kwargs={"order": 7, "password": "hunter2"})
    engine = await open_engine(broker.url)
    await engine.ready(10)
    message = await engine.message(waiting[:8])
    assert (message.id, message.args, message.headers["task"]) == (waiting, [1], "shop.add")
    assert "hunter2" not in str(message)
    assert [one.text for one in await engine.complete("queue:ma", 8)] == ["mail"]
    assert [one.text for one in await engine.complete("kwargs.order:", 13)] == ["7"]
    assert await engine.complete("kwargs.password:", 16) == []
    with pytest.raises(NothingFound):
        await engine.message("0000-gone")

    async def measured() -> bool:
        return (await engine.metrics()).fine.values["backlog"][-1:] == [1]

    assert await until(measured)


async def test_a_closed_port_is_told_at_once_with_a_hint(open_engine: Open) -> None:
    engine = await open_engine(f"redis://:s3cret@127.0.0.1:{free_port()}/0")
    started = time.monotonic()
    with pytest.raises(ConnectionProblem) as told:
        await engine.ready(10)
    assert time.monotonic() - started < 3
    assert told.value.hint and "s3cret" not in str(told.value)
    overview = await engine.overview()
    assert not overview.connected and "s3cret" not in overview.broker
    assert [notice.code for notice in overview.notices] == ["broker-unreachable"]
