"""The event stream against a real broker: what is seen, at which cost, and through which failures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from lazycelery.model.profile import Profile
from lazycelery.sources.redis.address import parse_address
from lazycelery.sources.redis.connection import Server
from lazycelery.sources.redis.events import RedisEvents
from lazycelery.sources.redis.layout import Layout
from tests.sources.conftest import Open, Watched, enveloped, until
from tests.sources.servers import Wire, serving
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker
CHANNEL = "/0.celeryev/task.multi"


def stream(url: str, health_interval: float) -> RedisEvents:
    profile = Profile(broker=url)
    address = parse_address(url, profile)
    return RedisEvents(Server(address, profile.timeout), Layout(profile, address.db), health_interval)


def started(uuid: str) -> bytes:
    return enveloped(
        [{"type": "task-started", "uuid": uuid, "hostname": "w@h", "clock": 1, "timestamp": 1.0}]
    )


async def test_the_life_of_a_task_is_seen(
    opened: Open, broker: RedisServer, worker: Callable[..., CeleryWorker]
) -> None:
    worker("w1", concurrency=1)
    link = await opened(broker.url)
    watched = await Watched(link.events).connected()
    before = time.time()
    fine, bad = send(broker.url, "shop.add", 1, 2), send(broker.url, "shop.charge", 42)

    def types(uuid: str) -> list[str]:
        return [event.type for event in watched.events if event.uuid == uuid]

    await until(lambda: "task-failed" in types(bad) and "task-succeeded" in types(fine), what="both ends")
    assert sorted(types(fine)) == ["task-received", "task-sent", "task-started", "task-succeeded"]
    (failed,) = [event for event in watched.events if event.type == "task-failed"]
    assert "card declined for order 42" in failed.exception and "Traceback" in failed.traceback
    assert all(before <= event.received <= time.time() for event in watched.events) and watched.malformed == 0
    assert [change.state for change in watched.changes] == ["connecting", "connected"]
    await watched.stop()


async def test_many_events_come_in_few_batches_and_none_is_lost(opened: Open, broker: RedisServer) -> None:
    link = await opened(broker.url)
    watched = await Watched(link.events).connected()
    client = broker.client()
    payloads = [started(str(n)) for n in range(5000)]

    def publish() -> None:
        for start in range(0, 5000, 100):
            pipe = client.pipeline(transaction=False)
            for payload in payloads[start : start + 100]:
                pipe.publish(CHANNEL, payload)
            pipe.execute()

    await asyncio.to_thread(publish)
    await until(lambda: len(watched.events) == 5000, what="all events")
    assert [event.uuid for event in watched.events] == [str(n) for n in range(5000)]
    assert len(watched.batches) < 500
    await watched.stop()


async def test_broken_json_is_counted_and_the_stream_goes_on(opened: Open, broker: RedisServer) -> None:
    link = await opened(broker.url)
    watched = await Watched(link.events).connected()
    for payload in (b"{broken", b"\xff\x00", b"", b"[" * 100_000, started("after")):
        broker.client().publish(CHANNEL, payload)
    await until(lambda: watched.events, what="the good one")
    assert watched.malformed == 4 and watched.state == "connected"
    await watched.stop()


async def test_other_channels_are_not_heard(opened: Open, broker: RedisServer) -> None:
    link = await opened(broker.url)
    watched = await Watched(link.events).connected()
    client = broker.client()
    for channel in ("/1.celeryev/task.multi", "celery-task-meta-1", "acme:/0.celeryev/task.multi"):
        client.publish(channel, started("foreign"))
    client.publish(CHANNEL, started("ours"))
    await until(lambda: watched.events, what="ours")
    assert [event.uuid for event in watched.events] == ["ours"]
    await watched.stop()


async def test_a_broker_killed_and_restarted_is_found_again(opened: Open, broker: RedisServer) -> None:
    link = await opened(broker.url)
    watched = await Watched(link.events).connected()
    broker.kill()
    await until(lambda: watched.state == "lost", what="lost")
    change = await until(
        lambda: next((c for c in watched.changes if "refused" in c.reason), None), what="reason"
    )
    assert (
        change.hint and change.next_try is not None and time.time() - 10 < change.next_try < time.time() + 7
    )
    broker.start()
    await watched.connected()
    await until(lambda: broker.client().publish(CHANNEL, started("again")) and watched.events, what="again")
    assert watched.events[-1].uuid == "again"
    await watched.stop()


async def test_a_password_that_changed_is_told_as_refused(opened: Open, broker: RedisServer) -> None:
    link = await opened(broker.url)
    watched = await Watched(link.events).connected()
    broker.client().config_set("requirepass", "new")
    broker.client(password="new").client_kill_filter(_type="pubsub")
    change = await until(
        lambda: next((c for c in watched.changes if c.state == "refused"), None), what="refused"
    )
    assert "wants a password" in change.reason
    await watched.stop()


async def test_a_reader_that_the_broker_dropped_for_being_slow_comes_back(
    opened: Open, broker: RedisServer
) -> None:
    client = broker.client()
    client.config_set("client-output-buffer-limit", "pubsub 100000 100000 1")
    link = await opened(broker.url)
    watched = await Watched(link.events).connected()
    with client.pipeline(transaction=True) as pipe:  # One turn of the broker: nothing is sent in between.
        for _ in range(2000):
            pipe.publish(CHANNEL, b"x" * 10_000)
        await asyncio.to_thread(pipe.execute)
    await until(lambda: any(change.state == "lost" for change in watched.changes), what="lost")
    await watched.connected()
    await watched.stop()


async def test_a_mute_connection_is_noticed(broker: RedisServer) -> None:
    wire = Wire(broker.port)
    async with serving(wire.handle) as port:
        watched = await Watched(stream(f"redis://127.0.0.1:{port}/0", health_interval=0.2)).connected()
        await asyncio.sleep(1.2)
        assert watched.state == "connected", "a quiet broker that answers is healthy"
        wire.flows.clear()
        change = await until(
            lambda: next((c for c in watched.changes if c.state == "lost"), None), what="lost"
        )
        assert "stopped answering" in change.reason
        wire.flows.set()
        await watched.connected()
        await watched.stop()


async def test_stopping_leaves_no_subscription(opened: Open, broker: RedisServer) -> None:
    link = await opened(broker.url)
    watched = await Watched(link.events).connected()
    assert broker.client().pubsub_numpat() == 1
    await watched.stop()
    await until(lambda: broker.client().pubsub_numpat() == 0, what="unsubscribed")


async def test_a_prefix_with_pattern_signs_is_taken_literally(opened: Open, broker: RedisServer) -> None:
    link = await opened(broker.url, prefix="a[b]*c:")
    watched = await Watched(link.events).connected()
    client = broker.client()
    await until(lambda: client.publish("a[b]*c:" + CHANNEL, started("ours")) and watched.events, what="ours")
    assert client.publish("ab-c:" + CHANNEL, started("foreign")) == 0
    await watched.stop()
