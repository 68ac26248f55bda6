"""The same work on each broker and type of queue, and what others than we say of it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pika
import pytest
from celery import Celery

from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send
from tests.support.rabbit import RabbitServer, find_server, need_server

KINDS = ("redis", "classic", "quorum", "priority")
QUORUM = {"task_default_queue_type": "quorum", "task_default_exchange_type": "topic"}


@dataclass
class Told:
    """A queue as the broker's own tool tells it; `None` where it cannot."""

    messages: int
    unacked: int | None = None
    consumers: int | None = None
    type: str | None = None


@dataclass
class Place:
    """One broker and type of queue, with what a test may do there."""

    kind: str
    url: str
    server: Any
    env: dict[str, str] = field(default_factory=dict)
    conf: dict[str, Any] = field(default_factory=dict)

    @property
    def profile(self) -> dict[str, Any]:
        """What an engine needs."""
        management = {} if self.kind == "redis" else {"management": self.server.management}
        return {"broker": self.url, **management}

    def send(self, name: str, *args: Any, **options: Any) -> str:
        backend = None if self.kind == "redis" else "rpc://"
        return send(self.url, name, *args, backend=backend, conf=self.conf, **options)

    def told(self, queue: str) -> Told:
        """Asked of redis or rabbitmqctl."""
        if self.kind == "redis":
            client = self.server.client()
            steps = [queue, *(f"{queue}\x06\x16{step}" for step in (3, 6, 9))]
            return Told(sum(client.llen(key) for key in steps), client.hlen("unacked"), None, "list")
        raise NotImplementedError

    def content(self, queue: str) -> list[str]:
        """Takes all that waits: the ids, next to run first."""
        found: list[str] = []
        if self.kind == "redis":
            from lazycelery.sources.wire import read_message

            client = self.server.client()
            for key in (queue, *(f"{queue}\x06\x16{step}" for step in (3, 6, 9))):
                while raw := client.rpop(key):
                    found.append(str(read_message(raw, 0).id))
            return found
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
                found.append(id_of(got[1]))
        return found

    def inspect(self, question: str) -> dict[str, Any]:
        """Celery's own client."""
        with Celery("outside", broker=self.url, set_as_current=False) as app:
            return dict(getattr(app.control.inspect(timeout=2), question)() or {})


def id_of(properties: Any) -> str:
    """The task's id; where our own reader of properties is loaded, they are bytes."""
    raw = getattr(properties, "raw", None)
    if raw is None:
        return str(properties.headers["id"])
    from lazycelery.sources.amqp.properties import read_properties

    return str(read_properties(raw)["headers"]["id"])


def rabbitmqctl(server: RabbitServer, *command: str) -> list[list[str]]:
    """Its answer, line by line, cut at the tabs."""
    script = str(Path(find_server() or "").parent / "rabbitmqctl")
    done = subprocess.run(
        [script, "-q", "--no-table-headers", "-n", server.node, *command],
        env=server._environment(),
        cwd=server.dir,
        check=True,
        capture_output=True,
        text=True,
    )
    return [line.split("\t") for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def rabbit() -> Iterator[RabbitServer]:
    need_server()
    server = RabbitServer().start()
    yield server
    server.remove()


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Each broker and type of queue in turn, empty; its queue is named `celery`."""
    kind = request.param
    if kind == "redis":
        server = RedisServer().start()
        yield Place(kind, server.url, server)
        server.remove()
        return
    rabbit = request.getfixturevalue("rabbit")
    name = f"{kind}-{time.monotonic_ns()}"
    rabbit.add_vhost(name)
    made = RabbitPlace(kind, rabbit.url(name), rabbit, vhost=name)
    if kind == "quorum":
        made.env, made.conf = {"TEST_QUORUM": "1"}, QUORUM
    if kind == "priority":
        made.env, made.conf = {"TEST_MAX_PRIORITY": "9"}, {"task_queue_max_priority": 9}
    yield made
    rabbit.drop_vhost(name)


@dataclass
class RabbitPlace(Place):
    """A virtual host."""

    vhost: str = "/"

    def told(self, queue: str) -> Told:
        names = ("name", "messages_ready", "messages_unacknowledged", "consumers", "type")
        for line in rabbitmqctl(self.server, "list_queues", "-p", self.vhost, *names):
            if line[0] == queue:
                # RabbitMQ 3 names the module behind a type.
                kind = line[4].removeprefix("rabbit_").removesuffix("_queue")
                return Told(int(line[1]), int(line[2]), int(line[3]), kind)
        raise AssertionError(f"rabbitmqctl knows no {queue}")


@pytest.fixture
def worker(place: Place) -> Iterator[Callable[..., CeleryWorker]]:
    started: list[CeleryWorker] = []

    def start(name: str = "w1", **options: Any) -> CeleryWorker:
        backend = None if place.kind == "redis" else "rpc://"
        env = {**place.env, **options.pop("env", {})}
        started.append(CeleryWorker(place.url, name, backend=backend, env=env, **options).start())
        return started[-1]

    yield start
    for one in started:
        one.stop()
