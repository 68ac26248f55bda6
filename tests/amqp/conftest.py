"""A virtual host of its own for each test of this room."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest

from lazycelery.model.profile import Profile
from lazycelery.sources.amqp.broker import AmqpBroker
from tests.support.fleet import CeleryWorker
from tests.support.rabbit import RabbitServer

Open = Callable[..., Awaitable[AmqpBroker]]


@dataclass
class Vhost:
    """A virtual host, and the server that holds it."""

    server: RabbitServer
    name: str

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    def queues(self) -> dict[str, dict[str, Any]]:
        return self.server.queues(self.name)

    def declare(self, queue: str, **arguments: Any) -> None:
        self.server.declare(self.name, queue, **arguments)

    def declare_events(self) -> None:
        """As the first worker does, and never we."""
        path = f"/exchanges/{quote(self.name, safe='')}/celeryev"
        self.server.api("PUT", path, {"type": "topic", "durable": True})

    def waiting(self, queue: str) -> list[dict[str, Any]]:
        return self.server.waiting(self.name, queue)


@pytest.fixture
def vhost(rabbit: RabbitServer) -> Iterator[Vhost]:
    name = f"test/{uuid.uuid4().hex[:8]}"
    rabbit.add_vhost(name)
    yield Vhost(rabbit, name)
    rabbit.drop_vhost(name)


@pytest.fixture(params=["management", "bare"])
def management(request: pytest.FixtureRequest, rabbit: RabbitServer) -> str:
    """With the management API, and without it: then a port is named at which nothing listens."""
    return rabbit.management if request.param == "management" else "http://127.0.0.1:9"


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    """Opens and connects brokers, and closes them at the end."""
    made: list[AmqpBroker] = []

    async def open_one(url: str, connect: bool = True, **profile: Any) -> AmqpBroker:
        broker = AmqpBroker(Profile(broker=url, **profile))
        made.append(broker)
        if connect:
            await broker.connect()
        return broker

    yield open_one
    for broker in made:
        await broker.close()


@pytest.fixture
def worker(vhost: Vhost) -> Iterator[Callable[..., CeleryWorker]]:
    """Starts workers on the virtual host; all are killed at the end."""
    started: list[CeleryWorker] = []

    def start(name: str = "w1", **options: Any) -> CeleryWorker:
        options.setdefault("backend", "rpc://")
        one = CeleryWorker(vhost.url, name, **options).start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.kill()
