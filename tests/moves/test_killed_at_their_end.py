"""A quorum queue whose messages have one delivery left: a program that is killed while it replaces them by
fresh copies leaves none of them twice, and none of them nowhere."""

from __future__ import annotations

import random
import time
from collections import Counter
from functools import partial
from itertools import islice
from typing import Any

import pika
import pytest

from tests.moves.conftest import Ground, RabbitGround
from tests.moves.test_killed import Cli
from tests.moves.test_moving import named

pytestmark = [pytest.mark.broker, pytest.mark.parametrize("ground", ["quorum"], indirect=True)]
MANY = 240
WINDOW = 16
SOAK = partial(pytest.param, marks=pytest.mark.soak)


@pytest.fixture
def cli(ground: Ground) -> Cli:
    return Cli(ground)


def wear(ground: RabbitGround, number: int = MANY, **arguments: Any) -> None:
    """A queue whose messages all came back once, of two times that they may."""
    ground.declare("graves")
    given_up = {"x_dead_letter_exchange": "", "x_dead_letter_routing_key": "graves"}
    ground.declare("worn", x_delivery_limit=2, **given_up, **arguments)
    ground.fill("worn", number)
    with pika.BlockingConnection(pika.URLParameters(ground.url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=number)
        tags = [method.delivery_tag for method, _, _ in islice(channel.consume("worn"), number)]
        channel.cancel()  # What goes back must not come to it once more.
        channel.basic_nack(tags[-1], multiple=True, requeue=True)
    ground.settle("worn", number)


def killed(ground: RabbitGround, cli: Cli, *words: str, after: float) -> bool:
    """Kill it so long after it took its first messages; whether it had not ended before."""
    process = cli.start(*words)
    with pika.BlockingConnection(pika.URLParameters(ground.url)) as connection:
        channel, deadline = connection.channel(), time.monotonic() + 30
        while channel.queue_declare("worn", passive=True).method.message_count == MANY:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
    time.sleep(after)
    process.kill()
    process.communicate()
    return process.returncode == -9


def everywhere(ground: RabbitGround) -> Counter[str]:
    """How often each message is there, once RabbitMQ has back what the killed one held."""
    deadline = time.monotonic() + 10
    while ground.depth("worn") + ground.depth("other") < MANY:
        assert time.monotonic() < deadline, f"given up: {ground.ids('graves')}"
        time.sleep(0.1)
    time.sleep(0.3)
    return Counter(ground.ids("worn") + ground.ids("other"))


def once(found: Counter[str], ids: list[str]) -> bool:
    return all(found[id] == 1 for id in ids)


@pytest.mark.parametrize(("action", "kills"), [("move", 1), SOAK("move", 8), SOAK("peek", 8)])
def test_none_is_doubled_and_none_is_lost(ground: RabbitGround, cli: Cli, action: str, kills: int) -> None:
    dice, hits = random.Random(kills), 0
    for _ in range(kills):
        wear(ground)  # Emptied by the round before.
        words = {
            "move": ("move", "worn", "other", "name:shop.even", "--force", "--yes", "--rate", "1000"),
            "peek": ("peek", "worn", "--limit", str(MANY), "--force"),
        }[action]
        hits += killed(ground, cli, *words, after=dice.uniform(0, 0.25))
        found = everywhere(ground)
        assert once(found, named(*range(1, MANY, 2))), found - Counter(named(*range(MANY)))
        twice = [id for id in named(*range(0, MANY, 2)) if found[id] != 1]
        assert all(found[id] == 2 for id in twice) and len(twice) <= (WINDOW if action == "move" else 0)
    assert hits
