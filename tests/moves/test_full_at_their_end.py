"""A quorum queue that is full, refuses what comes (reject-publish), and whose messages have one delivery
left: whoever looks at it, or moves some, while others send to it, loses none of them."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pika
import pytest
from pika.exceptions import NackError, UnroutableError

from tests.moves.conftest import Ground, RabbitGround, body, headers
from tests.moves.test_killed import Cli
from tests.moves.test_killed_at_their_end import wear
from tests.moves.test_moving import named

pytestmark = [pytest.mark.broker, pytest.mark.parametrize("ground", ["quorum"], indirect=True)]
MANY = 120
OTHERS = 100_000
"""Their numbers begin here."""


@pytest.fixture
def cli(ground: Ground) -> Cli:
    return Cli(ground)


class Senders:
    """Somebody who sends all the time, whatever is refused."""

    def __init__(self, ground: RabbitGround) -> None:
        self._ground, self._ends = ground, threading.Event()
        self.refused = 0
        self._thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> Senders:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(20)

    def _send(self) -> None:
        number = OTHERS
        with pika.BlockingConnection(pika.URLParameters(self._ground.url)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            while not self._ends.is_set():
                number += 1
                told = pika.BasicProperties(content_type="application/json", headers=headers(number))
                try:
                    channel.basic_publish("", "worn", body(number), told)
                except (NackError, UnroutableError):
                    self.refused += 1


@pytest.mark.soak
@pytest.mark.parametrize("action", ["move", "peek"])
def test_a_copy_that_is_refused_loses_nothing(ground: RabbitGround, cli: Cli, action: str) -> None:
    wear(ground, MANY, x_max_length=MANY, x_overflow="reject-publish")
    words = {
        "move": ("move", "worn", "other", "name:shop.even", "--force", "--yes"),
        "peek": ("peek", "worn", "--limit", str(MANY), "--force"),
    }[action]
    with Senders(ground) as senders:
        code, _, err = cli.run(*words)
    assert code in (0, 5), err
    assert senders.refused, "it was never full"
    time.sleep(1)
    found = Counter(ground.ids("worn") + ground.ids("other") + ground.ids("graves"))
    lost = [id for id in named(*range(MANY)) if not found[id]]
    assert not lost, f"{len(lost)} of {MANY}"
    assert all(found[id] == 1 for id in named(*range(MANY))), "nobody was killed: none is there twice"
