"""A thousand retries of a filter keep queue, priority, headers, stamps and order; each runs once."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import amqp
import kombu
import pytest
from celery import Celery

from lazycelery.engine.engine import Engine
from lazycelery.model.action import Order
from lazycelery.model.profile import Profile
from lazycelery.model.task import TaskQuery
from tests.matrix.places import rabbitmqctl
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker
from tests.support.rabbit import RabbitServer

pytestmark = [pytest.mark.broker, pytest.mark.soak]
THOUSAND = 1000
QUEUES = ("celery", "slow")
STEPS = (0, 3, 6, 9)
NEW = ("id", "retries", "eta", "expires", "lazycelery_retry_of", "lazycelery_tag")
"""Headers that a retry sets anew."""
BROKERS_OWN = ("x-delivery-count",)
"""Headers that the broker writes."""
Message = dict[str, Any]
"""As an independent client reads it: {headers, body, properties}."""


class Redis:
    """Lists, a queue's highest priority first."""

    def __init__(self, server: RedisServer) -> None:
        self.server, self.url = server, server.url
        self.backend: str | None = None
        self.env: dict[str, str] = {}

    def lists(self) -> dict[str, list[Message]]:
        """Waiting messages by list, next to run first."""
        client, found = self.server.client(), {}
        for queue in QUEUES:
            for step in STEPS:
                key = f"{queue}\x06\x16{step}" if step else queue
                found[key] = [self._read(raw) for raw in client.lrange(key, 0, -1)[::-1]]  # type: ignore[index, union-attr]
        return found

    @staticmethod
    def _read(raw: bytes) -> Message:
        message = json.loads(raw)
        kept = {"priority": message["properties"]["priority"], "content": message["content-type"]}
        return {
            "headers": message["headers"],
            "body": base64.b64decode(message["body"]).decode(),
            "properties": kept,
        }

    async def remember(self, engine: Engine, ids: list[str]) -> None:
        """Let the engine see each message, as a look at it does."""
        found = await engine._parts.broker.queues.find(ids)
        assert len(found) == len(ids), "queues that nobody knows"
        for id, message in found.items():
            engine._parts.store.raw.keep(id, message)


class Rabbit:
    """Queues of one type; classic ones heed priorities."""

    def __init__(self, server: RabbitServer, kind: str) -> None:
        self.server, self.vhost = server, f"thousand-{kind}-{time.monotonic_ns()}"
        server.add_vhost(self.vhost)
        self.url = server.url(self.vhost)
        self.backend: str | None = None
        arguments: dict[str, Any] = {"x_queue_type": kind}
        self.env = {"TEST_QUORUM": "1", "TEST_QUEUE_TYPE": "quorum"}
        if kind == "classic":
            arguments["x_max_priority"], self.env = 9, {"TEST_MAX_PRIORITY": "9"}
        for queue in QUEUES:
            server.declare(self.vhost, queue, **arguments)

    def lists(self) -> dict[str, list[Message]]:
        """Waiting messages by queue, next to run first. Another client takes them out, and publishes each as
        it was: what is given back to a quorum queue loses its place."""
        self._settle()
        found: dict[str, list[Message]] = {}
        with kombu.Connection(self.url) as connection:
            channel = connection.channel()
            for queue in QUEUES:
                taken = []
                while (got := channel.basic_get(queue, no_ack=True)) is not None:
                    taken.append(got)
                found[queue] = [self._read(got) for got in taken]
                for got, read in zip(taken, found[queue], strict=True):
                    properties = {**got.properties, "application_headers": read["headers"]}
                    channel.basic_publish(amqp.Message(got.body, **properties), "", queue)
        self._settle()
        return found

    def _settle(self) -> None:
        """Wait until nothing is on its way."""
        deadline = time.monotonic() + 20
        while True:
            told = rabbitmqctl(
                self.server, "list_queues", "-p", self.vhost, "name", "messages", "messages_ready"
            )
            if all(line[1:] == [str(THOUSAND // 2)] * 2 for line in told if line[0] in QUEUES):
                return
            assert time.monotonic() < deadline, told
            time.sleep(0.2)

    @staticmethod
    def _read(got: Any) -> Message:
        headers = {name: value for name, value in got.headers.items() if name not in BROKERS_OWN}
        kept = {"priority": got.properties.get("priority"), "content": got.content_type}
        kept |= {name: got.properties.get(name) for name in ("delivery_mode", "content_encoding")}
        return {"headers": headers, "body": got.body, "properties": kept}

    async def remember(self, engine: Engine, ids: list[str]) -> None:
        queues = engine._parts.broker.queues
        for queue in QUEUES:
            page = await queues.peek(queue, 0, THOUSAND // 2, True)
            for message, stored in zip(page.messages, page.stored, strict=True):
                engine._parts.store.raw.keep(str(message.id), stored)


@contextmanager
def opened(kind: str, request: pytest.FixtureRequest) -> Iterator[Redis | Rabbit]:
    if kind == "redis":
        yield Redis(request.getfixturevalue("broker"))
        return
    one = Rabbit(request.getfixturevalue("rabbit"), kind)
    try:
        yield one
    finally:
        one.server.drop_vhost(one.vhost)


def publish(url: str, bind: bool) -> None:
    """Two queues, four priorities, stamped tasks with a header of their own; they fail.

    On RabbitMQ the queues are there; on Redis nothing but the binding that Celery makes tells of one that no
    worker has consumed."""
    with Celery("client", broker=url, set_as_current=False) as app:
        queues = {name: name if bind else kombu.Queue(name, no_declare=True) for name in QUEUES}
        for number in range(THOUSAND):
            app.send_task(
                "shop.charge",
                args=(f"n{number}",),
                queue=queues[QUEUES[number % 2]],
                priority=STEPS[number // 2 % 4],
                headers={"tenant": "acme", "x-number": number, "stamped_headers": ["tenant"]},
                stamps={"tenant": "acme"},
                tenant="acme",
            )


def kept(message: Message) -> Any:
    headers = {name: value for name, value in message["headers"].items() if name not in NEW}
    return headers, message["body"], message["properties"]


@asynccontextmanager
async def running(at: Redis | Rabbit, tmp_path: Path) -> AsyncIterator[tuple[Engine, CeleryWorker]]:
    """An engine, and a worker that is not started yet; both are ended, however the test ends."""
    first = CeleryWorker(at.url, "w0", queues="elsewhere", backend=at.backend, env=at.env)
    env = {**at.env, "TEST_EXTENDED": "1"}
    worker = CeleryWorker(at.url, "w1", queues=",".join(QUEUES), backend=at.backend, env=env)
    engine = Engine(
        Profile(
            broker=at.url,
            backend=at.backend,
            allow=["all"],
            audit_file=str(tmp_path / "audit"),
            history=False,
            timeout=5.0,
        )
    )
    try:
        await asyncio.to_thread(first.start)  # RabbitMQ has an exchange of events from now on.
        await asyncio.to_thread(first.stop)
        await engine.start()
        yield engine, worker
    finally:
        for each in (first, worker):
            await asyncio.to_thread(each.stop)
        await engine.close()


@pytest.mark.parametrize("kind", ["redis", "classic", "quorum"])
async def test_a_thousand(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    with opened(kind, request) as at:
        if kind != "redis":  # Events may be lost; what ended is in the result backend as well.
            at.backend = request.getfixturevalue("broker").url
        await asyncio.to_thread(publish, at.url, kind == "redis")
        async with running(at, tmp_path) as (engine, worker):
            await _a_thousand(at, engine, worker)


async def _a_thousand(at: Redis | Rabbit, engine: Engine, worker: CeleryWorker) -> None:
    await engine.ready(15)
    before = await asyncio.to_thread(at.lists)
    assert sum(map(len, before.values())) == THOUSAND
    ids = [each["headers"]["id"] for waiting in before.values() for each in waiting]
    await at.remember(engine, ids)
    before = await asyncio.to_thread(at.lists)
    await asyncio.to_thread(worker.start)
    await until_failed(engine, worker, "state:failure", THOUSAND)
    await asyncio.to_thread(worker.stop)
    plan = await engine.plan(Order(action="retry", filter="state:failure name:shop.charge"))
    left = [item for item in plan.items if item.refused]
    assert left == [], left
    assert (plan.count, plan.grades) == (THOUSAND, {"exact": THOUSAND})
    assert plan.queues == dict.fromkeys(QUEUES, THOUSAND // 2)
    outcome = await engine.act(plan.id, plan.word)
    assert (outcome.done, outcome.failed, outcome.unknown) == (THOUSAND, 0, 0)
    after = await asyncio.to_thread(at.lists)
    assert {key: [kept(each) for each in each_list] for key, each_list in after.items()} == {
        key: [kept(each) for each in each_list] for key, each_list in before.items()
    }
    assert {each["headers"]["lazycelery_tag"] for each_list in after.values() for each in each_list} == {
        outcome.tag
    }
    await asyncio.to_thread(worker.start)
    await until_failed(engine, worker, f"state:failure tag:{outcome.tag}", THOUSAND)
    ran = Path(worker.log).read_text().count("card declined for order n7'")
    assert ran in (1, 2), "once in this worker's log, and once in the traceback perhaps"


async def until_failed(engine: Engine, worker: CeleryWorker, filter: str, count: int) -> None:
    for _ in range(1200):
        if (found := (await engine.tasks(TaskQuery(filter=filter, limit=1))).matched) == count:
            return
        await asyncio.sleep(0.1)
    ran = Path(worker.log).read_text().count(" raised unexpected: ")
    raise AssertionError(f"{found} are known to have failed, {ran} did")
