"""What the tests of sources share: brokers under test, and conditions that are awaited."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from lazycelery.model.profile import Profile
from lazycelery.sources import open_broker
from lazycelery.sources.protocols.events import EventBatch
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.redis.broker import RedisBroker

Open = Callable[..., Awaitable[RedisBroker]]


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    """Opens and connects brokers, and closes them at the end."""
    made: list[RedisBroker] = []

    async def open_one(url: str, connect: bool = True, **profile: Any) -> RedisBroker:
        broker = open_broker(Profile(broker=url, **profile))
        assert isinstance(broker, RedisBroker)
        made.append(broker)
        if connect:
            await broker.connect()
        return broker

    yield open_one
    for broker in made:
        await broker.close()


async def until(condition: Callable[[], Any], seconds: float = 10.0, what: str = "condition") -> Any:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"never came: {what}"
        await asyncio.sleep(0.01)
    return value


class Watched:
    """An event stream that runs, and what it said."""

    def __init__(self, stream: Any) -> None:
        self.batches: list[EventBatch] = []
        self.changes: list[StatusChange] = []
        self.task = asyncio.ensure_future(stream.run(self.batches.append, self.changes.append))

    @property
    def events(self) -> list[Any]:
        return [event for batch in self.batches for event in batch.events]

    @property
    def malformed(self) -> int:
        return sum(batch.malformed for batch in self.batches)

    @property
    def state(self) -> str:
        return self.changes[-1].state if self.changes else ""

    async def connected(self) -> Watched:
        await until(lambda: self.state == "connected", what="connected")
        return self

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def enveloped(value: Any, /, *, data: bytes | None = None, **changes: Any) -> bytes:
    """A message as Kombu writes it; `data` are the bytes of the body when it is not JSON."""
    content = json.dumps(value).encode() if data is None else data
    document = {
        "body": base64.b64encode(content).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {},
        "properties": {
            "delivery_mode": 2,
            "delivery_info": {"exchange": "", "routing_key": "celery"},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": "tag",
        },
    }
    return json.dumps({**document, **changes}).encode()


def task_message(
    id: str, args: Any = (), *, task: str = "shop.add", priority: int = 0, **headers: Any
) -> bytes:
    """A protocol 2 task message."""
    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    raw = json.loads(enveloped([list(args), {}, embed]))
    raw["headers"] = {"lang": "py", "task": task, "id": id, "retries": 0, "root_id": id, **headers}
    raw["properties"]["priority"] = priority
    return json.dumps(raw).encode()
