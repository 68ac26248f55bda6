"""After a kill -9, whatever it was doing, RabbitMQ holds no queue, exchange or binding of ours."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from urllib.parse import quote

import pika
import pytest

from lazycelery.engine.client import spawn
from lazycelery.model.profile import Profile
from tests.amqp.conftest import Vhost
from tests.support.fleet import ROOT, CeleryWorker

pytestmark = pytest.mark.broker
Worker = Callable[..., CeleryWorker]
Things = tuple[set[str], set[str], set[tuple[str, str, str]]]
MANY = 600
EXPIRY = 20.0
"""Seconds: RabbitMQ notices a closed socket at once; a machine that is gone it notices by its heartbeats."""


def things(vhost: Vhost) -> Things:
    """Names of queues and exchanges, and what is bound to what."""
    bound = vhost.server.api("GET", f"/bindings/{quote(vhost.name, safe='')}")
    bindings = {(each["source"], each["destination"], each["routing_key"]) for each in bound}
    return set(vhost.queues()), vhost.server.exchanges(vhost.name), bindings


def gone(vhost: Vhost, before: Things) -> None:
    deadline = time.monotonic() + EXPIRY
    while (left := things(vhost)) != before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == before


def fill(vhost: Vhost, queue: str) -> None:
    with pika.BlockingConnection(pika.URLParameters(vhost.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()  # A quorum queue loses what is on its way when the channel closes.
        for number in range(MANY):
            headers = {"id": f"m{number}", "task": "shop.add", "lang": "py"}
            properties = pika.BasicProperties(content_type="application/json", headers=headers)
            channel.basic_publish("", queue, b"[[1, 2], {}, {}]", properties)


def depth(channel: pika.channel.Channel, queue: str) -> int:
    return int(channel.queue_declare(queue, passive=True).method.message_count)


class Killed:
    """The real program, killed as soon as a condition holds."""

    def __init__(self, vhost: Vhost) -> None:
        self.vhost = vhost

    def when(self, condition: Callable[[], bool], *words: str) -> None:
        config = os.path.join(os.environ["HOME"], "c.toml")
        with open(config, "w") as file:
            told = (self.vhost.url, self.vhost.server.management)
            file.write('[profiles.p]\nbroker = "{}"\nmanagement = "{}"\nallow = ["all"]\n'.format(*told))
        command = [sys.executable, "-m", "lazycelery", "--config", config, "-p", "p", *words]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not condition():
            assert process.poll() is None and time.monotonic() < deadline
        process.kill()
        assert process.wait(10) == -9, "it had ended before"


@pytest.fixture
def killed(vhost: Vhost) -> Killed:
    return Killed(vhost)


async def test_of_an_engine(vhost: Vhost, worker: Worker) -> None:
    worker("w1", mingle=True)  # So the exchange of replies is there: any question needs it, Celery's own too.
    before = await asyncio.to_thread(things, vhost)
    process = spawn()
    client = await process.connect(Profile(broker=vhost.url, management=vhost.server.management))
    await client.api.ready(15)
    assert len(set(vhost.queues()) - before[0]) >= 2  # Events and control replies.
    process._process.kill()
    await asyncio.to_thread(gone, vhost, before)
    await client.close()


SLOW = pytest.mark.soak
PEEK = ("peek", "box", "--limit", "600", "--force")
MOVE = ("move", "box", "other", "-y")


@pytest.mark.parametrize(
    "words",
    [
        ("serve",),
        pytest.param(("status",), marks=SLOW),
        pytest.param(("doctor", "--observe", "20"), marks=SLOW),
        pytest.param(("watch",), marks=SLOW),
    ],
    ids=" ".join,
)
def test_of_a_command(vhost: Vhost, worker: Worker, killed: Killed, words: tuple[str, ...]) -> None:
    worker("w1", mingle=True)  # So the exchange of replies is there: any question needs it, Celery's own too.
    before = things(vhost)
    killed.when(lambda: len(set(vhost.queues()) - before[0]) >= 2, *words)
    gone(vhost, before)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        pytest.param("classic", PEEK, marks=SLOW),
        pytest.param("quorum", PEEK, marks=SLOW),
        pytest.param("classic", MOVE, marks=SLOW),
        ("quorum", MOVE),
    ],
)
def test_of_one_that_holds_messages(vhost: Vhost, killed: Killed, words: tuple[str, ...], kind: str) -> None:
    for queue in ("box", "other"):
        vhost.declare(queue, x_queue_type=kind)
    fill(vhost, "box")
    vhost.declare_events()
    before = things(vhost)
    with pika.BlockingConnection(pika.URLParameters(vhost.url)) as connection:
        channel = connection.channel()
        killed.when(lambda: depth(channel, "box") < MANY - 32, *words)
        gone(vhost, before)
        deadline = time.monotonic() + EXPIRY
        while (
            total := depth(channel, "box") + depth(channel, "other")
        ) < MANY and time.monotonic() < deadline:
            connection.sleep(0.2)
        assert MANY <= total <= MANY + 16  # Those of one window may be in both.
