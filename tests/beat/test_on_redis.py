"""A real beat with RedBeat, a real worker, and what is told of both."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.model.beat import Beat, BeatEntry
from lazycelery.model.profile import Profile
from tests.cli.program import lazycelery
from tests.support.beat import REDBEAT, CeleryBeat, conf
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker

pytestmark = pytest.mark.broker

SCHEDULE = {
    "often": {"task": "shop.add", "schedule": 1.0, "args": [1, 2], "options": {"expires": 30}},
    "nightly": {
        "task": "shop.echo",
        "schedule": "30 2 * * mon-fri",
        "kwargs": {"password": "hunter2"},
        "options": {"queue": "celery", "priority": 3},
    },
    "\x1b[31mred": {"task": "shop.late", "schedule": 86400.0},
}


@pytest.fixture(scope="module")
def fleet(shared_broker: RedisServer) -> Iterator[RedisServer]:
    """A worker and a beat of one application, RedBeat's schedule in a database of its own."""
    url = shared_broker.url.replace("/0", "/2")
    env = conf(beat_schedule=SCHEDULE, timezone="Europe/Berlin", redbeat_redis_url=url)
    worker = CeleryWorker(shared_broker.url, "w1", pool="solo", env=env).start()
    beat = CeleryBeat(shared_broker.url, scheduler=REDBEAT, env=env).start()
    yield shared_broker
    beat.stop()
    worker.stop()


@asynccontextmanager
async def engine_on(broker: RedisServer, **profile: Any) -> AsyncIterator[Engine]:
    engine = Engine(Profile(broker=broker.url, **profile))
    await engine.start()
    try:
        await engine.ready(20)
        yield engine
    finally:
        await engine.close()


async def until(ask: Callable[[], Awaitable[Any]], seconds: float = 30) -> Any:
    """The first answer that is true."""
    deadline = time.monotonic() + seconds
    while not (answer := await ask()):
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.2)
    return answer


def named(beat: Beat, name: str) -> BeatEntry:
    return next(entry for entry in beat.entries if entry.name == name)


async def test_redbeat_tells_last_and_next_run(fleet: RedisServer) -> None:
    async with engine_on(fleet) as engine:

        async def ran() -> Beat | None:
            beat = await engine.beat()
            return beat if beat.entries and named(beat, "often").runs else None

        beat = await until(ran)
        often, nightly = named(beat, "often"), named(beat, "nightly")
        assert (often.task, often.schedule, often.enabled) == ("shop.add", "every 1 s", True)
        assert often.scheduler == "redbeat" and often.static and often.options == {"expires": 30}
        assert often.last_run is not None and abs(often.last_run - beat.at) < 60
        assert often.next_run is not None and often.next_run > often.last_run - 1
        assert nightly.schedule == "at 02:30 on mon-fri" and nightly.timing.zone == "Europe/Berlin"
        assert nightly.last_run is None and "not sent it yet" in nightly.unknown["last_run"]
        assert nightly.next_run is not None and nightly.next_run % 60 == 0 and nightly.next_run > beat.at
        assert nightly.kwargs == {"password": "[redacted]"}
        redbeat = next(one for one in beat.schedulers if one.name == "redbeat")
        assert (redbeat.state, redbeat.entries, redbeat.switches) == ("connected", 3, True)
        assert redbeat.locked is not None and redbeat.locked > 0  # the beat that runs holds it


async def test_without_redbeat_the_settings_and_events_tell(fleet: RedisServer) -> None:
    async with engine_on(fleet, beat_prefix="nobodys:") as engine:

        async def seen() -> Beat | None:
            beat = await engine.beat()
            return beat if beat.entries and named(beat, "often").last_run else None

        beat = await until(seen)
        often = named(beat, "often")
        assert often.scheduler == "conf" and often.enabled is None
        assert often.sources == {"last_run": "event", "next_run": "computed"}
        assert often.next_run == pytest.approx(often.last_run + 1.0)
        nightly = named(beat, "nightly")
        assert nightly.last_run is None and "task_send_sent_event" in nightly.unknown["last_run"]
        assert nightly.next_run is not None and nightly.sources["next_run"] == "computed"
        assert nightly.kwargs == {"password": "[redacted]"}


def test_the_command_prints_a_table_and_json(fleet: RedisServer) -> None:
    done = lazycelery(fleet.url, "beat")
    assert done.code == 0, done.err
    assert "often" in done.out and "at 02:30 on mon-fri (Europe/Berlin)" in done.out
    assert "\x1b" not in done.out and "hunter2" not in done.out + done.err
    told = lazycelery(fleet.url, "beat", "--json")
    assert [entry["name"] for entry in told.json] == ["\x1b[31mred", "nightly", "often"]
    assert "hunter2" not in told.out


def test_nothing_scheduled_ends_with_1(broker: RedisServer) -> None:
    done = lazycelery(broker.url, "beat")
    assert done.code == 1 and "Nothing is scheduled" in done.err


async def test_what_is_no_schedule_is_said_and_hides_nothing(broker: RedisServer) -> None:
    client = broker.client()
    good = {"name": "good", "task": "shop.add", "schedule": {"__type__": "interval", "every": 60}}
    client.hset("redbeat:good", "definition", json.dumps(good))
    client.hset("redbeat:good", "meta", "]")
    client.hset("redbeat:huge", "definition", "x" * 400_000)
    client.set("redbeat:text", "no hash")
    now = time.time()
    client.zadd("redbeat::schedule", {"redbeat:good": now - 500, "redbeat:huge": now, "redbeat:text": -1,
                                      "redbeat:gone": now + 50, b"redbeat:\xff\x1b": now})  # fmt: skip
    async with engine_on(broker) as engine:
        beat = await engine.beat()
        assert len(beat.entries) == 5
        good_one = named(beat, "good")
        assert good_one.task == "shop.add" and good_one.late is not None and 499 < good_one.late < 600
        for name in ("huge", "text", "gone"):
            assert "cannot be read" in named(beat, name).unknown["task"]


async def test_a_set_of_another_kind_is_refused_when_it_was_named(broker: RedisServer) -> None:
    broker.client().set("redbeat::schedule", "no sorted set")
    async with engine_on(broker, beat=broker.url) as engine:
        state = (await engine.beat()).schedulers[0]
        assert state.state == "refused" and "WRONGTYPE" in state.reason


async def test_a_wrong_password_is_never_shown() -> None:
    locked, broker = RedisServer("--requirepass", "right-one").start(), RedisServer().start()
    try:
        url = f"redis://:s3cretwrong@127.0.0.1:{locked.port}/0"
        async with engine_on(broker, beat=url) as engine:
            beat = await engine.beat()
            assert beat.schedulers[0].state == "refused" and beat.schedulers[0].reason
            assert "s3cretwrong" not in str(beat)
        done = lazycelery(broker.url, "beat", "--beat", url)
        assert done.code == 1 and "Not seen: entries of redbeat" in done.err
        assert "s3cretwrong" not in done.out + done.err
    finally:
        locked.remove()
        broker.remove()


async def test_many_entries_are_cut_and_it_is_said(broker: RedisServer) -> None:
    pipe = broker.client().pipeline()
    for number in range(1100):
        pipe.zadd("redbeat::schedule", {f"redbeat:{number}": number})
    pipe.execute()
    async with engine_on(broker) as engine:
        beat = await engine.beat()
        assert len(beat.entries) == 1000 and beat.schedulers[0].cut
