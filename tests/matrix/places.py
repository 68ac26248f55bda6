"""Brokers and types of queue, with what a test may do there and what others than we say of it."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import kombu
import pika
from celery import Celery

from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker
from tests.support.rabbit import RabbitServer, find_server

KINDS = ("redis", "classic", "quorum", "priority")
"""Where everything is read."""
QUORUM = {"task_default_queue_type": "quorum", "task_default_exchange_type": "topic"}
STEPS = ("", "\x06\x163", "\x06\x166", "\x06\x169")


@dataclass
class Told:
    """A queue as the broker's own tool tells it; `None` where it cannot."""

    messages: int
    unacked: int | None = None
    consumers: int | None = None
    type: str | None = None


@dataclass
class Place:
    """One broker and type of queue."""

    kind: str
    url: str
    env: dict[str, str] = field(default_factory=dict)
    conf: dict[str, Any] = field(default_factory=dict)
    """Of the application, at workers and clients."""
    settings: dict[str, Any] = field(default_factory=dict)
    """What an engine needs beside the URL."""
    backend: str | None = None
    """`None`: the broker's own URL."""
    works: bool = True
    """Whether a worker of its own process can be started there."""

    @property
    def profile(self) -> dict[str, Any]:
        """What an engine needs."""
        return {"broker": self.url, **self.settings}

    def app(self) -> Celery:
        """Celery's own client."""
        app = Celery("outside", broker=self.url, backend=self.backend, set_as_current=False)
        app.conf.task_send_sent_event = self.works
        app.conf.update(self.conf)
        return app

    def send(self, name: str, *args: Any, **options: Any) -> str:
        with self.app() as app:
            return str(app.send_task(name, args=args, **options).id)

    def put(self, queue: str, count: int) -> list[str]:
        """Calls of `shop.add` with (0, 0), (1, 1) …, to a queue that nobody declares anew; their ids."""
        with self.app() as app:
            to = kombu.Queue(queue, no_declare=True)
            return [str(app.send_task("shop.add", args=(n, n), queue=to).id) for n in range(count)]

    def worker(self, name: str, **options: Any) -> CeleryWorker:
        """One that is not started."""
        env = {**self.env, **options.pop("env", {})}
        return CeleryWorker(self._workers_url, name, backend=self.backend, env=env, **options)

    @property
    def _workers_url(self) -> str:
        return self.url

    def declare(self, *queues: str, **arguments: Any) -> None:
        """Make queues, where they are not made by the first message."""

    def told(self, queue: str) -> Told:
        """What the broker's own tool says."""
        raise NotImplementedError

    def depths(self, *queues: str) -> list[int]:
        """Waiting messages, as that tool counts them."""
        return [self.told(queue).messages for queue in queues]

    def content(self, queue: str) -> list[str]:
        """Takes all that waits: the ids, next to run first."""
        found: list[str] = []
        with kombu.Connection(self.url) as connection:
            channel = connection.channel()
            while (got := channel.basic_get(queue, no_ack=True)) is not None:
                found.append(str(got.headers["id"]))
        return found

    def inspect(self, question: str) -> dict[str, Any]:
        with self.app() as app:
            return dict(getattr(app.control.inspect(timeout=2), question)() or {})


@dataclass
class RedisPlace(Place):
    server: RedisServer = field(kw_only=True)

    def told(self, queue: str) -> Told:
        client = self.server.client()
        return Told(sum(client.llen(queue + step) for step in STEPS), client.hlen("unacked"), None, "list")  # type: ignore[misc, arg-type]

    def content(self, queue: str) -> list[str]:
        client, found = self.server.client(), list[str]()
        for step in STEPS:
            while raw := client.rpop(queue + step):
                found.append(str(json.loads(raw)["headers"]["id"]))  # type: ignore[arg-type]
        return found


@dataclass
class RabbitPlace(Place):
    """A virtual host."""

    server: RabbitServer = field(kw_only=True)
    vhost: str = field(kw_only=True)

    def declare(self, *queues: str, **arguments: Any) -> None:
        kind = "quorum" if self.kind == "quorum" else "classic"
        for queue in queues:
            self.server.declare(self.vhost, queue, x_queue_type=kind, **arguments)

    def told(self, queue: str) -> Told:
        names = ("name", "messages_ready", "messages_unacknowledged", "consumers", "type")
        for line in rabbitmqctl(self.server, "list_queues", "-p", self.vhost, *names):
            if line[0] == queue:
                # RabbitMQ 3 names the module behind a type.
                kind = line[4].removeprefix("rabbit_").removesuffix("_queue")
                return Told(int(line[1]), int(line[2]), int(line[3]), kind)
        raise AssertionError(f"rabbitmqctl knows no {queue}")

    def depths(self, *queues: str) -> list[int]:
        # Asked of the broker by a client of its own: `rabbitmqctl` takes more than a second each time.
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            counted = [channel.queue_declare(queue, passive=True).method.message_count for queue in queues]
        return [int(number) for number in counted]

    def content(self, queue: str) -> list[str]:
        found: list[str] = []
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            while (got := channel.basic_get(queue, auto_ack=True))[0] is not None:
                found.append(id_of(got[1]))
        return found

    def reject(self, queue: str, count: int) -> None:
        """Take messages, and let them die."""
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            channel = connection.channel()
            for _ in range(count):
                channel.basic_reject(channel.basic_get(queue)[0].delivery_tag, requeue=False)


@dataclass
class FolderPlace(Place):
    folder: Path = field(kw_only=True)

    @property
    def _workers_url(self) -> str:
        return "filesystem://"

    def app(self) -> Celery:
        app = Celery("outside", broker="filesystem://", set_as_current=False)
        app.conf.update(self.conf)
        return app

    def _files(self, queue: str) -> list[Path]:
        return sorted(self.folder.glob(f"*.{queue}.msg"))

    def told(self, queue: str) -> Told:
        return Told(len(self._files(queue)))

    def content(self, queue: str) -> list[str]:
        found = []
        for file in self._files(queue):
            found.append(str(json.loads(file.read_text())["headers"]["id"]))
            file.unlink()
        return found


@dataclass
class SqlPlace(Place):
    file: Path = field(kw_only=True)

    def told(self, queue: str) -> Told:
        with sqlite3.connect(self.file) as database:
            counted = database.execute(
                "select count(*) from kombu_message m join kombu_queue q on q.id = m.queue_id "
                "where q.name = ? and m.visible",
                (queue,),
            )
            return Told(int(counted.fetchone()[0]))


@dataclass
class MemoryPlace(Place):
    def told(self, queue: str) -> Told:
        with kombu.Connection(self.url) as connection:
            return Told(connection.channel()._size(queue))


@contextmanager
def opened(kind: str, directory: Path, rabbit: RabbitServer | None = None) -> Iterator[Any]:
    """A place, empty; its queue of work is named `celery`."""
    if kind == "redis":
        server = RedisServer().start()
        yield RedisPlace(kind, server.url, server=server)
        server.remove()
    elif kind == "filesystem":
        (directory / "control").mkdir(parents=True)
        options = {"data_folder_in": str(directory), "data_folder_out": str(directory)}
        options["control_folder"] = str(directory / "control")
        conf = {"broker_transport_options": options}
        env = {"TEST_TRANSPORT_OPTIONS": json.dumps({**options, "polling_interval": 0.1})}
        yield FolderPlace(kind, f"filesystem://{directory}", env, conf, backend="", folder=directory)
    elif kind == "sqlalchemy":
        file = directory / "broker.db"
        directory.mkdir()
        made = SqlPlace(kind, f"sqla+sqlite:///{file}", backend="", works=False, file=file)
        made.put("first", 1)  # The application makes the tables, never we.
        yield made
    elif kind == "memory":
        yield MemoryPlace(kind, "memory://", backend="", works=False)
    else:
        assert rabbit is not None
        yield from _virtual_host(kind, rabbit)


def _virtual_host(kind: str, rabbit: RabbitServer) -> Iterator[RabbitPlace]:
    name = f"{kind}-{time.monotonic_ns()}"
    rabbit.add_vhost(name)
    settings = {"management": rabbit.management}
    made = RabbitPlace(kind, rabbit.url(name), settings=settings, backend="rpc://", server=rabbit, vhost=name)
    if kind == "quorum":
        made.env, made.conf = {"TEST_QUORUM": "1", "TEST_QUEUE_TYPE": "quorum"}, QUORUM
    if kind == "priority":
        made.env, made.conf = {"TEST_MAX_PRIORITY": "9"}, {"task_queue_max_priority": 9}
    yield made
    rabbit.drop_vhost(name)


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
