"""Every read on each broker and type of queue, against the broker's own tool and Celery's own client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.errors import Refused
from lazycelery.model.action import Order
from lazycelery.model.profile import Profile
from lazycelery.model.queue import Queue
from tests.matrix.places import Place
from tests.support.fleet import CeleryWorker
from tests.support.rabbit import RabbitServer

pytestmark = [pytest.mark.broker, pytest.mark.soak]
Worker = Callable[..., CeleryWorker]
OpenEngine = Callable[..., Awaitable[Engine]]


@pytest.fixture
async def open_engine() -> AsyncIterator[OpenEngine]:
    opened: list[Engine] = []

    async def start(**profile: Any) -> Engine:
        engine = Engine(Profile(refresh=0.5, control_refresh=1.0, **profile))
        opened.append(engine)
        await engine.start()
        await engine.ready(15)
        return engine

    yield start
    for engine in opened:
        await engine.close()


async def until(look: Callable[[], Awaitable[Any]], within: float = 30.0) -> Any:
    """The first true answer; the last one when time runs out."""
    deadline = time.monotonic() + within
    while not (found := await look()) and time.monotonic() < deadline:
        await asyncio.sleep(0.2)
    return found


async def queue(engine: Engine, name: str = "celery") -> Queue:
    return next(each for each in await engine.queues() if each.name == name)


async def test_depths_and_consumers_are_those_of_the_brokers_own_tool(
    place: Place, worker: Worker, open_engine: OpenEngine, tmp_path: Path
) -> None:
    worker("w1", concurrency=1)
    flag = tmp_path / "go"
    for _ in range(6):
        place.send("shop.wait_for", str(flag))
    engine = await open_engine(**place.profile)

    async def settled() -> bool:
        seen, told = await queue(engine), await asyncio.to_thread(place.told, "celery")
        counted = [place.kind == "redis" or seen.unacked == told.unacked, seen.messages == told.messages]
        return all(counted) and told.messages > 0 and bool(told.unacked)

    same = await until(settled)
    seen, told = await queue(engine), place.told("celery")
    flag.touch()
    assert same, (seen, told)
    assert seen.messages == told.messages and seen.type == told.type and seen.unacked == told.unacked
    assert seen.consumers == (1 if told.consumers is None else told.consumers)
    assert seen.workers == ["w1@test"]


async def test_what_waits_is_seen_in_the_order_in_which_it_runs(
    place: Place, worker: Worker, open_engine: OpenEngine
) -> None:
    worker("w0").stop()  # It declares its queue, and goes.
    ids = [place.send("shop.add", n, n, queue="celery", priority=n % 4) for n in range(8)]
    engine = await open_engine(**place.profile)
    page = await engine.peek("celery", force=place.kind != "redis")
    seen = [message.id for message in page.messages]
    assert page.total == 8 and sorted(map(str, seen)) == sorted(ids)
    assert {message.task for message in page.messages} == {"shop.add"}
    assert sorted(message.args[0] for message in page.messages) == list(range(8))
    content = place.content("celery")
    if place.kind == "quorum":
        assert sorted(content) == sorted(ids)  # Each look moves them to the end.
    else:
        assert content == seen


async def test_workers_are_those_of_celerys_own_inspect(
    place: Place, worker: Worker, open_engine: OpenEngine, tmp_path: Path
) -> None:
    names = ["w1@test", "w2@test"]
    for name in names:
        worker(name.partition("@")[0], concurrency=1)
    flag = tmp_path / "go"
    running = {place.send("shop.wait_for", str(flag)) for _ in range(2)}
    engine = await open_engine(**place.profile)

    async def busy() -> bool:
        return [each.active for each in await engine.workers()] == [1, 1]

    assert await until(busy)
    workers = {each.name: each for each in await engine.workers()}
    answers = {
        question: await asyncio.to_thread(place.inspect, question)
        for question in ("ping", "stats", "active", "active_queues", "registered", "conf")
    }
    details = {name: await engine.worker(name) for name in names}
    flag.touch()
    assert sorted(workers) == sorted(answers["ping"]) == names
    assert {job["id"] for each in answers["active"].values() for job in each} == running
    for name in names:
        stats, seen, detail = answers["stats"][name], workers[name], details[name]
        assert seen.pid == stats["pid"] and seen.processes == stats["pool"]["processes"]
        assert seen.concurrency == 1 and seen.prefetch == stats["prefetch_count"]
        assert seen.queues == [each["name"] for each in answers["active_queues"][name]]
        assert [job["id"] for job in detail.active] == [job["id"] for job in answers["active"][name]]
        assert sorted(detail.registered) == sorted(answers["registered"][name])
        assert set(detail.conf) == set(answers["conf"][name])


async def test_eta_tasks_are_seen_where_they_are_held(
    place: Place, worker: Worker, open_engine: OpenEngine
) -> None:
    worker("w1", concurrency=1)
    ids = {place.send("shop.add", 1, 2, countdown=3000) for _ in range(3)}
    engine = await open_engine(**place.profile)
    if place.kind == "quorum":  # RabbitMQ holds them.

        async def held() -> bool:
            return (await queue(engine)).delayed == 3

        assert await until(held), await queue(engine)
        assert place.inspect("scheduled") == {"w1@test": []}
        return

    async def scheduled() -> bool:
        engine._watch.rounds.all_again()
        detail = await engine.worker("w1@test")
        return {str(job["id"]) for job in detail.scheduled} == ids

    assert await until(scheduled)
    answer = await asyncio.to_thread(place.inspect, "scheduled")
    assert {job["request"]["id"] for job in answer["w1@test"]} == ids


async def test_a_purge_and_its_restore_lose_and_double_nothing(
    place: Place, worker: Worker, open_engine: OpenEngine, tmp_path: Path
) -> None:
    worker("w0").stop()
    ids = [place.send("shop.add", n, n, queue="celery", priority=n % 4) for n in range(60)]
    allow = ["purge", "restore"]
    engine = await open_engine(**place.profile, allow=allow, backup_dir=str(tmp_path))
    for _ in range(2):
        plan = await engine.plan(Order(action="purge", targets=["celery"]))
        assert plan.refused is None
        outcome = await engine.act(plan.id, plan.word)
        assert outcome.done == 60 and "60 removed, 0 left" in outcome.proof

        async def empty() -> bool:  # Of a quorum queue rabbitmqctl tells late.
            told = await asyncio.to_thread(place.told, "celery")
            return told.messages == 0 and not told.unacked

        assert await until(empty)
        plan = await engine.plan(Order(action="restore", targets=[str(outcome.backup)]))
        assert (await engine.act(plan.id, plan.word)).done == 60
    content = place.content("celery")
    assert sorted(content) == sorted(ids)
    if place.kind == "priority":
        first = {ids.index(id) % 4 for id in content[:15]}
        assert first == {3}  # The highest runs first.
    if place.kind in ("classic", "quorum"):
        assert content == ids


async def test_a_stream_is_counted_and_left_alone(rabbit: RabbitServer, open_engine: OpenEngine) -> None:
    import pika  # type: ignore[import-untyped]

    rabbit.add_vhost("streams")
    rabbit.declare("streams", "flow", x_queue_type="stream")
    with pika.BlockingConnection(pika.URLParameters(rabbit.url("streams"))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for _ in range(5):
            channel.basic_publish("", "flow", b"[[], {}, {}]")
    engine = await open_engine(broker=rabbit.url("streams"), management=rabbit.management, allow=["purge"])

    async def counted() -> bool:
        return (await queue(engine, "flow")).messages == 5

    assert await until(counted) and (await queue(engine, "flow")).type == "stream"
    with pytest.raises(Refused, match="stream"):
        await engine.peek("flow", force=True)
    plan = await engine.plan(Order(action="purge", targets=["flow"]))
    if plan.refused is None:
        with pytest.raises(Refused, match="stream"):
            await engine.act(plan.id, plan.word)
    assert (await queue(engine, "flow")).messages == 5
