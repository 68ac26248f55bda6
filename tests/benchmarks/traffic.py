"""Events as workers write them: `python -m tests.benchmarks.traffic URL TASKS RATE SECONDS`.

First the events of so many finished tasks as fast as the broker takes them, then a line "ready" on
stdout, then `RATE` events a second for so many seconds.
"""

from __future__ import annotations

import base64
import json
import sys
import time
import uuid
from collections.abc import Iterator
from itertools import count
from typing import Any

import redis

CHANNEL = "/0.celeryev/task.multi"
NAMES = [
    f"shop.{noun}.{verb}" for noun in ("order", "mail", "photo", "stock") for verb in ("send", "load", "sync")
]
WORKERS = [f"celery@web-{number}" for number in range(8)]
BURST = 0.02
"""Seconds between two bursts of the steady part."""

Event = dict[str, Any]


def envelope(events: Event | list[Event]) -> bytes:
    """One event, or a batch of one worker's, as it stands in a message."""
    first = events if isinstance(events, dict) else events[0]
    body = base64.b64encode(json.dumps(events).encode()).decode()
    properties = {
        "delivery_mode": 1,
        "delivery_info": {"exchange": "celeryev", "routing_key": "task.multi"},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": str(uuid.uuid4()),
    }
    return json.dumps(
        {
            "body": body,
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"hostname": first["hostname"]},
            "properties": properties,
        }
    ).encode()


def tasks() -> Iterator[list[Event]]:
    """The events of one task after the other; one in twenty fails."""
    for number in count():
        worker = WORKERS[number % len(WORKERS)]
        common = {"hostname": worker, "utcoffset": 0, "pid": 100, "uuid": str(uuid.uuid4())}
        now = time.time()
        received = {
            **{"name": NAMES[number % len(NAMES)], "args": f"({number},)", "kwargs": "{'region': 'eu'}"},
            **{"root_id": common["uuid"], "parent_id": None, "retries": 0, "eta": None, "expires": None},
        }
        if number % 20 == 0:
            trace = 'Traceback (most recent call last):\n  File "shop.py", line 7, in send\nValueError: no\n'
            end = {"type": "task-failed", "exception": f"ValueError('no {number}')", "traceback": trace}
        else:
            end = {"type": "task-succeeded", "result": str(number), "runtime": 0.05}
        clock = 3 * number
        yield [
            {**common, **received, "type": "task-received", "timestamp": now - 0.1, "clock": clock + 1},
            {**common, "type": "task-started", "timestamp": now - 0.05, "clock": clock + 2},
            {**common, **end, "timestamp": now, "clock": clock + 3},
        ]


def fill(client: redis.Redis, source: Iterator[list[Event]], number: int) -> None:
    """Publish the events of so many tasks, gently enough that no subscriber is dropped."""
    for _ in range(0, number, 500):
        with client.pipeline(transaction=False) as pipe:
            for _ in range(500):
                pipe.publish(CHANNEL, envelope(next(source)))
            pipe.execute()
        time.sleep(0.02)


def steady(client: redis.Redis, source: Iterator[list[Event]], rate: float, seconds: float) -> None:
    start = time.monotonic()
    sent = 0
    while (now := time.monotonic() - start) < seconds:
        with client.pipeline(transaction=False) as pipe:
            while sent < rate * now:
                events = next(source)
                pipe.publish(CHANNEL, envelope(events))
                sent += len(events)
            pipe.execute()
        time.sleep(BURST)


def main() -> None:
    url, number, rate, seconds = sys.argv[1:]
    client = redis.Redis.from_url(url)
    source = tasks()
    fill(client, source, int(number))
    print("ready", flush=True)
    steady(client, source, float(rate), float(seconds))


if __name__ == "__main__":
    main()
