"""Events from RabbitMQ: real workers, a bounded queue of our own, faults of the broker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from lazycelery.sources.amqp.events import MAX_LENGTH
from lazycelery.sources.amqp.express import LARGEST, Lane
from tests.amqp.conftest import Open, Vhost
from tests.sources.conftest import Watched, until
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker
Worker = Callable[..., CeleryWorker]


async def test_a_task_is_seen_from_sent_to_succeeded_in_order(
    vhost: Vhost, worker: Worker, opened: Open
) -> None:
    worker("w1")
    broker = await opened(vhost.url)
    watched = await Watched(broker.events).connected()
    id = send(vhost.url, "shop.add", 1, 2)

    def seen() -> list[str]:
        return [event.type for event in watched.events if event.uuid == id]

    await until(lambda: "task-succeeded" in seen())
    assert set(seen()) == {"task-sent", "task-received", "task-started", "task-succeeded"}
    [result] = [event.result for event in watched.events if event.type == "task-succeeded"]
    assert result == "3" and watched.malformed == 0
    await until(lambda: any(event.type == "worker-heartbeat" for event in watched.events))
    await watched.stop()


async def test_the_queue_is_exclusive_bounded_and_gone_when_the_reader_stops(
    vhost: Vhost, opened: Open
) -> None:
    broker = await opened(vhost.url)
    watched = await Watched(broker.events).connected()
    [(name, queue)] = vhost.queues().items()
    assert name.startswith("celeryev.") and queue["exclusive"] and queue["auto_delete"]
    assert queue["arguments"]["x-message-ttl"] == 60_000
    assert queue["arguments"]["x-max-length"] == MAX_LENGTH
    assert queue["arguments"]["x-max-length-bytes"] > 0 and queue["arguments"]["x-expires"] > 60_000
    await watched.stop()
    await until(lambda: vhost.queues() == {})


async def test_where_no_worker_ever_was_nothing_durable_is_made_and_the_first_one_is_heard(
    vhost: Vhost, worker: Worker, opened: Open
) -> None:
    before = vhost.server.exchanges(vhost.name)
    broker = await opened(vhost.url, management=vhost.server.management)
    watched = await Watched(broker.events).connected()
    replies = await broker.mailbox.call("ping", timeout=0.5)
    assert replies.replies == []
    assert vhost.server.exchanges(vhost.name) == before
    await asyncio.to_thread(worker, "w1")
    await until(lambda: any(event.hostname == "w1@test" for event in watched.events), 20)
    assert [change.state for change in watched.changes] == ["connecting", "connected"]
    await watched.stop()


async def test_what_is_no_event_is_counted_and_harms_nothing(vhost: Vhost, opened: Open) -> None:
    vhost.declare_events()
    broker = await opened(vhost.url)
    watched = await Watched(broker.events).connected()
    for body in ('{"type": 5}', "not json", '[{"type": "my-thing", "n": 1}, 7]'):
        path = f"/exchanges/{vhost.name.replace('/', '%2F')}/celeryev/publish"
        message = {"properties": {}, "routing_key": "a.b", "payload": body, "payload_encoding": "string"}
        vhost.server.api("POST", path, message)
    await until(lambda: watched.malformed == 3 and len(watched.events) == 1)
    assert watched.events[0].type == "my-thing" and watched.events[0].extra == {"n": 1}
    await watched.stop()


async def test_a_thousand_events_of_one_moment_come_in_few_batches(vhost: Vhost, opened: Open) -> None:
    import pika

    vhost.declare_events()
    broker = await opened(vhost.url)
    watched = await Watched(broker.events).connected()

    def flood() -> None:
        with pika.BlockingConnection(pika.URLParameters(vhost.url)) as connection:
            channel = connection.channel()
            for number in range(1000):
                body = f'{{"type": "task-started", "uuid": "{number}", "hostname": "w", "clock": {number}}}'
                channel.basic_publish("celeryev", "task.started", body.encode())

    await asyncio.to_thread(flood)
    await until(lambda: len(watched.events) == 1000, 20)
    assert [event.clock for event in watched.events] == list(range(1000))
    assert len(watched.batches) < 700
    await watched.stop()


async def test_small_and_large_events_come_whole_and_in_order(vhost: Vhost, opened: Open) -> None:
    import pika

    vhost.declare_events()
    broker = await opened(vhost.url)
    watched = await Watched(broker.events).connected()
    sizes = [0, 100, LARGEST - 200, LARGEST + 1, 3, 131_000, 400_000, 50, 1_000_000, 7] * 5

    def publish() -> None:
        with pika.BlockingConnection(pika.URLParameters(vhost.url)) as connection:
            channel = connection.channel()
            for number, size in enumerate(sizes):
                channel.basic_publish("celeryev", "my.thing", b"")
                body = f'{{"type": "my-thing", "n": {number}, "x": "{"x" * size}"}}'
                channel.basic_publish("celeryev", "my.thing", body.encode())

    await asyncio.to_thread(publish)
    await until(lambda: len(watched.events) == len(sizes), 20)
    assert [event.extra["n"] for event in watched.events] == list(range(len(sizes)))
    assert [len(event.extra["x"]) for event in watched.events] == sizes
    await until(lambda: watched.malformed == len(sizes))  # The empty ones.
    assert await broker.lost() is None
    await watched.stop()


@pytest.mark.parametrize("chunk", [1, 2, 7, 8, 19, 50, 10_000])
def test_the_fast_lane_takes_whole_deliveries_and_leaves_all_else(chunk: int) -> None:
    from pika import frame, spec

    def delivery(channel: int, body: bytes) -> list[bytes]:
        told = frame.Method(channel, spec.Basic.Deliver("tag", 1, False, "celeryev", "a.b"))
        return [
            told.marshal(),
            frame.Header(channel, len(body), spec.BasicProperties()).marshal(),
            *([frame.Body(channel, body).marshal()] if body else []),
        ]

    ours = [b"one", b"x" * 300, b"three"]
    others = [frame.Heartbeat().marshal(), *delivery(2, b"not ours"), *delivery(1, b"")]
    wire = b"".join([*delivery(1, ours[0]), *others, *delivery(1, ours[1]), *delivery(1, ours[2])])
    taken: list[bytes] = []
    lane, data, left = Lane(1, taken.append), b"", b""
    for start in range(0, len(wire), chunk):
        data += wire[start : start + chunk]
        while True:
            at, waiting = lane.read(data, 0)
            data = data[at:]
            size = 8 + int.from_bytes(data[3:7], "big")
            if waiting or len(data) < 8 or len(data) < size:
                break
            left, data = left + data[:size], data[size:]
    assert taken == ours and data == b""
    assert left == b"".join(others)
