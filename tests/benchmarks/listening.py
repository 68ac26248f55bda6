"""What an event costs us on its way from the broker's socket: Redis and RabbitMQ, the same events.

`python -m tests.benchmarks.listening URL MESSAGES RATE` publishes them, in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice

import pika
import redis

from lazycelery.model.profile import Profile
from lazycelery.sources import open_broker
from lazycelery.sources.protocols.events import EventBatch
from lazycelery.sources.protocols.status import StatusChange
from tests.benchmarks.figure import Figure
from tests.benchmarks.traffic import CHANNEL, envelope, tasks
from tests.support.broker import RedisServer
from tests.support.rabbit import RabbitServer

MESSAGES, RATE = 20_000, 4_000
"""Messages of three events each, and how many a second."""
TURNS = 3


def events_from_either() -> list[Figure]:
    redis_server, rabbit = RedisServer().start(), RabbitServer().start()
    try:
        pairs = [(_cost(redis_server.url), _cost(rabbit.url())) for _ in range(TURNS)]
    finally:
        redis_server.remove()
        rabbit.remove()
    ours, amqp = min(each for each, _ in pairs), min(each for _, each in pairs)
    note = f"Redis {ours * 1e6:.1f} µs, RabbitMQ {amqp * 1e6:.1f} µs an event at {3 * RATE:,} a second"
    return [Figure("CPU of an event on RabbitMQ, against Redis", amqp / ours, "x", 1.5, note)]


def _cost(url: str) -> float:
    """CPU seconds of this process for one event."""
    if not url.startswith("redis"):
        with pika.BlockingConnection(pika.URLParameters(url)) as connection:  # As workers do.
            connection.channel().exchange_declare("celeryev", "topic", durable=True)
    return asyncio.run(_listen(url))


async def _listen(url: str) -> float:
    broker = open_broker(Profile(broker=url))
    await broker.connect()
    heard, connected = 0, asyncio.Event()

    def deliver(batch: EventBatch) -> None:
        nonlocal heard
        heard += len(batch.events)

    def status(change: StatusChange) -> None:
        if change.state == "connected":
            connected.set()

    listening = asyncio.ensure_future(broker.events.run(deliver, status))
    await connected.wait()
    command = [sys.executable, "-m", "tests.benchmarks.listening", url, str(MESSAGES), str(RATE)]
    publisher = subprocess.Popen(command)
    try:
        while heard < 3000:  # Both are warm then.
            await asyncio.sleep(0.01)
        first, before = heard, time.process_time()
        while heard < 3 * MESSAGES and publisher.poll() is None:
            await asyncio.sleep(0.05)
        cost = (time.process_time() - before) / (heard - first)
    finally:
        publisher.kill()
        publisher.wait(10)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await broker.close()
    return cost


def publish(url: str, messages: int, rate: float) -> None:
    """One message at a time, as many workers do it."""
    batches = list(islice(tasks(), messages))
    send: Callable[[list[dict[str, object]]], object]
    if url.startswith("redis"):
        client = redis.Redis.from_url(url)
        send = lambda events: client.publish(CHANNEL, envelope(events))  # noqa: E731
    else:
        channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
        told = pika.BasicProperties(
            content_type="application/json",
            content_encoding="utf-8",
            delivery_mode=1,
            headers={"hostname": "celery@web-1"},
        )
        send = lambda events: channel.basic_publish(  # noqa: E731
            "celeryev", "task.multi", json.dumps(events).encode(), told
        )
    start = time.monotonic()
    for number, events in enumerate(batches):
        send(events)
        ahead = number / rate - (time.monotonic() - start)
        if ahead > 0.001:
            time.sleep(ahead)
    time.sleep(1)


if __name__ == "__main__":
    publish(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
