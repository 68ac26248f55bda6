"""Moving messages on Redis as a user who may not do all that it takes: nothing is lost, nothing doubled."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from lazycelery.errors import LazyCeleryError, Refused
from lazycelery.model.message import StoredMessage
from lazycelery.model.reports import InFlight
from tests.sources.conftest import Open, task_message
from tests.support.broker import RedisServer

pytestmark = pytest.mark.broker


def fill(broker: RedisServer, number: int) -> list[bytes]:
    raws = [task_message(f"m{each}") for each in range(number)]
    for raw in raws:
        broker.client().lpush("q", raw)
    return raws


def waiting(broker: RedisServer, queue: str) -> list[bytes]:
    return list(reversed(broker.client().lrange(queue, 0, -1)))  # type: ignore[arg-type]


def url_of(broker: RedisServer, *rights: str) -> str:
    user = ("ada", "reset", "on", ">pw", "~*", "&*", "+@all")
    broker.client().execute_command("ACL", "SETUSER", *user, *rights)
    return f"redis://ada:pw@127.0.0.1:{broker.port}/0"


class Told:
    def __init__(self) -> None:
        self.saved: list[bytes] = []
        self.settled: list[bool] = []

    def save(self, messages: Sequence[StoredMessage]) -> None:
        self.saved += [message.raw for message in messages]

    def settle(self, done: Sequence[bool]) -> None:
        self.settled += done


@pytest.mark.parametrize("front", [False, True])
async def test_what_may_not_be_pushed_stays(opened: Open, broker: RedisServer, front: bool) -> None:
    raws = fill(broker, 5)
    link = await opened(url_of(broker, "-lpush", "-rpush"))
    told = Told()
    shifted = await link.queues.shift("q", lambda each: "other", told.save, told.settle, 100, front)
    assert (shifted.done, shifted.rejected, shifted.unknown) == ({}, 5, 0)
    assert waiting(broker, "q") == raws == told.saved and told.settled == [False] * 5
    assert waiting(broker, "other") == []


@pytest.mark.parametrize("front", [False, True])
async def test_what_may_not_be_taken_is_not_doubled(opened: Open, broker: RedisServer, front: bool) -> None:
    raws = fill(broker, 5)
    broker.client().lpush("other", "x")
    link = await opened(url_of(broker, "-lrem"))
    told = Told()
    with pytest.raises(LazyCeleryError) as error:
        await link.queues.shift("q", lambda each: "other", told.save, told.settle, 100, front)
    assert error.value.nothing_done
    assert (waiting(broker, "q"), waiting(broker, "other")) == (raws, [b"x"])


@pytest.mark.parametrize("front", [False, True])
async def test_what_is_gone_when_its_turn_comes_is_at_no_target(
    opened: Open, broker: RedisServer, front: bool
) -> None:
    raws = fill(broker, 5)
    broker.client().lpush("other", raws[2])
    link = await opened(url_of(broker))
    told = Told()

    def save(messages: Sequence[StoredMessage]) -> None:
        told.save(messages)
        broker.client().lrem("q", 0, raws[2].decode())

    shifted = await link.queues.shift("q", lambda each: "other", save, told.settle, 100, front)
    assert (shifted.done, shifted.missed) == ({"other": 4}, 1)
    rest = [raws[0], raws[1], raws[3], raws[4]]
    assert waiting(broker, "q") == []
    assert waiting(broker, "other") == ([*rest, raws[2]] if front else [raws[2], *rest])


async def test_an_orphan_that_cannot_be_struck_out_is_not_put_back(opened: Open, broker: RedisServer) -> None:
    client, raw = broker.client(), task_message("m0")
    client.hset("unacked", "tag", json.dumps([json.loads(raw), "", "q"]))
    client.zadd("unacked_index", {"tag": 1.0})
    entry = InFlight(tag="tag", id="m0", task="shop.add", queue="q", delivered=1.0, raw=raw)
    for missing in ("-hdel", "-zrem"):
        link = await opened(url_of(broker, missing))
        with pytest.raises(Refused) as error:
            await link.queues.give_back([entry])
        assert error.value.nothing_done
        assert (waiting(broker, "q"), client.hlen("unacked"), client.zcard("unacked_index")) == ([], 1, 1)
    link = await opened(url_of(broker))
    assert await link.queues.give_back([entry]) == [True]
    assert (len(waiting(broker, "q")), client.hlen("unacked"), client.zcard("unacked_index")) == (1, 0, 0)
