"""One ground a broker and a queue type: the same tests run on Redis, and on classic and quorum queues."""

from __future__ import annotations

import base64
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pika
import pytest

from lazycelery.engine.engine import Engine
from lazycelery.model.action import Order, Outcome, Plan
from lazycelery.model.profile import Profile
from tests.support.broker import RedisServer
from tests.support.rabbit import RabbitServer

QUEUES = ("box", "other", "empty")
"""Declared before an engine starts."""


class Ground:
    """Queues of one kind, and what an independent client sees of them."""

    kind = ""
    url = ""
    free = True
    """Whether looks cost nothing."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def profile(self, **own: Any) -> Profile:
        return Profile(
            broker=self.url,
            allow=["all"],
            audit_file=str(self.directory / "audit.ndjson"),
            backup_dir=str(self.directory / "backups"),
            **own,
        )

    def declare(self, *queues: str, **arguments: Any) -> None:
        raise NotImplementedError

    def fill(self, queue: str, count: int, first: int = 0, **more: Any) -> None:
        raise NotImplementedError

    def depth(self, queue: str) -> int:
        raise NotImplementedError

    def take(self, queue: str) -> list[dict[str, Any]]:
        """Everything that waits, next to run first, taken out: {id, headers, priority, body}."""
        raise NotImplementedError

    def ids(self, queue: str) -> list[str]:
        return [message["headers"]["id"] for message in self.take(queue)]

    def files(self) -> list[Path]:
        return sorted((self.directory / "backups").glob("*"))

    def settle(self, queue: str, count: int, seconds: float = 10) -> None:
        """Wait until the queue holds so many: a broker tells late of what was put back."""
        deadline = time.monotonic() + seconds
        while self.depth(queue) != count:
            assert time.monotonic() < deadline, f"{queue} holds {self.depth(queue)}, not {count}"
            time.sleep(0.05)


def body(number: int) -> bytes:
    return json.dumps([[number], {"order": {"id": number % 4}, "half": 0.5}, {}]).encode()


def headers(number: int) -> dict[str, Any]:
    return {"id": f"m{number}", "task": "shop.even" if number % 2 == 0 else "shop.odd", "retries": number % 3}


class RedisGround(Ground):
    kind = "redis"

    def __init__(self, directory: Path, server: RedisServer) -> None:
        super().__init__(directory)
        self.server, self.url = server, server.url
        self.client = server.client()

    def declare(self, *queues: str, **arguments: Any) -> None:
        for queue in queues:
            self.client.sadd("_kombu.binding." + queue, f"{queue}\x06\x16\x06\x16{queue}")

    def fill(self, queue: str, count: int, first: int = 0, priority: int = 0, **more: Any) -> None:
        key = f"{queue}\x06\x16{priority}" if priority else queue
        pipe = self.client.pipeline(transaction=False)
        for number in range(first, first + count):
            document = {
                "body": base64.b64encode(body(number)).decode(),
                "content-encoding": "utf-8",
                "content-type": "application/json",
                "headers": {**headers(number), **more.get("headers", {})},
                "properties": {
                    "priority": priority,
                    "body_encoding": "base64",
                    "delivery_tag": str(uuid.uuid4()),
                    "delivery_info": {"exchange": "", "routing_key": queue},
                },
            }
            pipe.lpush(key, json.dumps(document))
        pipe.execute()

    def depth(self, queue: str) -> int:
        return sum(int(self.client.llen(key)) for key in self._keys(queue))  # type: ignore[arg-type]

    @staticmethod
    def _keys(queue: str) -> list[str]:
        return [queue, *(f"{queue}\x06\x16{step}" for step in (3, 6, 9))]

    def raw(self, queue: str) -> list[bytes]:
        return [raw for key in self._keys(queue) for raw in self.client.lrange(key, 0, -1)[::-1]]  # type: ignore[index, union-attr]

    def take(self, queue: str) -> list[dict[str, Any]]:
        found = [json.loads(raw) for raw in self.raw(queue)]
        self.client.delete(*self._keys(queue))
        return [
            {
                "headers": each["headers"],
                "priority": each["properties"]["priority"],
                "body": base64.b64decode(each["body"]),
            }
            for each in found
        ]


class RabbitGround(Ground):
    free = False

    def __init__(self, directory: Path, server: RabbitServer, kind: str) -> None:
        super().__init__(directory)
        self.kind, self.server = kind, server
        self.vhost = f"moves/{uuid.uuid4().hex[:8]}"
        server.add_vhost(self.vhost)
        self.url = server.url(self.vhost)

    def profile(self, **own: Any) -> Profile:
        return super().profile(management=self.server.management, **own)

    def declare(self, *queues: str, **arguments: Any) -> None:
        for queue in queues:
            self.server.declare(self.vhost, queue, x_queue_type=self.kind, **arguments)

    def fill(self, queue: str, count: int, first: int = 0, priority: int = 0, **more: Any) -> None:
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            for number in range(first, first + count):
                told = pika.BasicProperties(
                    content_type="application/json",
                    content_encoding="utf-8",
                    delivery_mode=2,
                    priority=priority or None,
                    headers={**headers(number), **more.get("headers", {})},
                )
                channel.basic_publish("", queue, body(number), told)

    def depth(self, queue: str) -> int:
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            return int(connection.channel().queue_declare(queue, passive=True).method.message_count)

    def take(self, queue: str) -> list[dict[str, Any]]:
        asked = {"count": 200, "ackmode": "ack_requeue_false", "encoding": "base64"}
        found: list[dict[str, Any]] = []
        while page := self.api("POST", f"/queues/{{vhost}}/{queue}/get", asked):
            found += [
                {
                    "headers": each["properties"].get("headers", {}),
                    "priority": each["properties"].get("priority", 0),
                    "body": base64.b64decode(each["payload"]),
                }
                for each in page
            ]
        return found

    def api(self, method: str, path: str, content: Any = None) -> Any:
        return self.server.api(method, path.format(vhost=quote(self.vhost, safe="")), content)


@pytest.fixture(params=["redis", "classic", "quorum"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("shared_broker")
        server.client().flushall()
        one = RedisGround(tmp_path, server)
        one.declare(*QUEUES)
        yield one
        return
    rabbit: RabbitServer = request.getfixturevalue("rabbit")
    other = RabbitGround(tmp_path, rabbit, request.param)
    other.declare(*QUEUES)
    yield other
    rabbit.drop_vhost(other.vhost)


class Hands:
    """An engine, and short words for what is done with it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    async def plan(self, action: Any, *targets: str, filter: str | None = None, **params: Any) -> Plan:
        order = Order(action=action, targets=list(targets), filter=filter, params=params)
        return await self.engine.plan(order)

    async def do(self, action: Any, *targets: str, filter: str | None = None, **params: Any) -> Outcome:
        plan = await self.plan(action, *targets, filter=filter, **params)
        assert plan.refused is None, (plan.refused, plan.hint)
        return await self.engine.act(plan.id, plan.word)


@pytest.fixture
async def hands(ground: Ground) -> AsyncIterator[Hands]:
    engine = Engine(ground.profile())
    await engine.start()
    await engine.ready(10)
    yield Hands(engine)
    await engine.close()
