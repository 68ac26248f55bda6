"""Nothing on the wire may end the engine, hide what is true, or reach a face as a command to the terminal."""

from __future__ import annotations

import asyncio
import base64
import json
import pickle
import time
from typing import Any

import msgspec
import pytest

from lazycelery.engine.engine import Engine
from lazycelery.model.profile import Profile
from lazycelery.model.task import TaskQuery
from lazycelery.model.text import clean
from tests.engine.test_contract import until
from tests.support.broker import RedisServer

pytestmark = pytest.mark.broker

EVIL = "\x1b]0;owned\x07\x1b[2J[/x]\u202e\x9b31m\ud800"
HOUR = 3600.0


class Bomb:
    def __reduce__(self) -> Any:
        return (open, ("/nonexistent-lazycelery-bomb", "w"))


def envelope(body: bytes, kind: str = "application/json", encoding: str = "utf-8", **headers: Any) -> str:
    properties = {
        "delivery_info": {"exchange": "", "routing_key": "q"},
        "body_encoding": "base64",
        "delivery_tag": "1",
        "priority": 0,
    }
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-type": kind,
            "content-encoding": encoding,
            "headers": headers,
            "properties": properties,
        }
    )


def event(**fields: Any) -> str:
    base = {"hostname": "w@evil", "timestamp": time.time(), "clock": 1, "pid": 1, "utcoffset": 0}
    return envelope(json.dumps({**base, **fields}).encode())


HOSTILE_EVENTS = [
    "not json",
    "{}",
    "[]",
    "null",
    '{"body": 5}',
    '{"body": "@@@", "properties": {"body_encoding": "base64"}}',
    envelope(b"[1, 2, null, {}, []]"),
    envelope(b"{" * 100_000),
    envelope(pickle.dumps({"type": "task-sent", "bomb": Bomb()}), "application/x-python-serialize"),
    event(type="task-received", uuid=[1], name={"a": 1}),
    event(type="task-received", uuid=EVIL, name=EVIL, args=EVIL, kwargs=EVIL),
    event(type="task-failed", uuid=EVIL, exception=EVIL, traceback=EVIL),
    event(type="task-started", uuid="late", timestamp="yesterday"),
    event(type="task-started", uuid="big", timestamp=1e308, clock=2**80),
    event(type="task-sent", uuid="huge", name="x", args="(" + "9" * 3_000_000 + ")"),
    event(type="worker-heartbeat", hostname=EVIL, active=-5, processed="many", loadavg=[EVIL]),
    event(type="worker-heartbeat", hostname="", freq=0),
    event(type="task-" + EVIL, uuid="custom", payload={"deep": [[[[EVIL]]]]}),
    event(type="task-received", uuid="skewed", name="shop.late", timestamp=time.time() - HOUR),
]
HOSTILE_MESSAGES = [
    "",
    "not json",
    "[]",
    '{"headers": 5, "properties": []}',
    envelope(b"\xff\xfe", task=EVIL, id=EVIL),
    envelope(
        pickle.dumps(((Bomb(),), {}, {})), "application/x-python-serialize", "binary", task="p", id="pickled"
    ),
    envelope(b"[[1], {}, {}]", task=["x"], id={"y": 1}, eta=EVIL, retries="many"),
    envelope(json.dumps([["x" * 10_000_000], {}, {}]).encode(), task="shop.big", id="ten-megabytes"),
    envelope(
        json.dumps([[EVIL], {EVIL: EVIL, "password": "hunter2"}, {}]).encode(), task="evil", id="evil-args"
    ),
]


async def test_hostile_events_and_messages_harm_nobody(broker: RedisServer) -> None:
    client = broker.client()
    client.sadd("_kombu.binding.q", "q\x06\x16\x06\x16q")
    for message in HOSTILE_MESSAGES:
        client.lpush("q", message)
    client.hset("unacked", "tag", "not json")
    client.zadd("unacked_index", {"tag": time.time(), "gone": 1})
    client.set("celery-task-meta-bad", "not json")
    client.set("celery-task-meta-worse", json.dumps({"status": [EVIL], "result": EVIL, "children": 7}))
    client.lpush("_kombu.binding.wrongtype", "a list where a set should be")
    engine = Engine(Profile(broker=broker.url, timeout=0.5))
    await engine.start()
    try:
        await engine.ready(15)
        for payload in HOSTILE_EVENTS:
            client.publish("/0.celeryev/task.multi", payload)
        client.publish("/0.celeryev/task.multi", event(type="task-received", uuid="good", name="shop.good"))

        async def arrived() -> bool:
            return any(row.id == "good" for row in (await engine.tasks(TaskQuery())).rows)

        assert await until(arrived, 15)
        overview = await engine.overview()
        assert overview.connected and overview.events_malformed >= 5
        client.publish("/0.celeryev/task.multi", event(type="task-received", name="shop.nobody"))  # No id.

        async def counted() -> bool:
            return (await engine.overview()).events_malformed == overview.events_malformed + 1

        assert await until(counted, 15)
        ids = set()
        for sort in ("newest", "runtime", "wait", "name", "state", "worker", "queue", "retries"):
            page = await engine.tasks(TaskQuery(sort=sort, filter=""))  # type: ignore[arg-type]
            ids |= {row.id for row in page.rows}
            for row in page.rows:
                assert "hunter2" not in str(row)
        assert {"good", "huge", "ten-megabytes", "pickled", "evil-args", "skewed"} <= ids
        for id in ids:
            task = await engine.task(id)
            assert len(msgspec.json.encode(msgspec.to_builtins(task), order=None)) if id != EVIL else True
        for word in (
            "state:failure",
            "kwargs.password:hunter2",
            "args.0:x",
            "~x+",
            "since:1h",
            "error:owned",
        ):
            await engine.tasks(TaskQuery(filter=word))
        peeked = await engine.peek("q", 0, 100)
        assert peeked.total == len(HOSTILE_MESSAGES)
        assert "hunter2" not in str(peeked)
        [big] = [message for message in peeked.messages if message.id == "ten-megabytes"]
        assert big.size > 10_000_000 and big.problem and len(str(big.args)) < 1_000_000
        for name in [worker.name for worker in await engine.workers()]:
            await engine.worker(name)
        for line in (await engine.log(-1, 100, full=True)).lines:
            assert clean(line.text).isprintable()
        await engine.queues()
    finally:
        await engine.close()


async def test_a_worker_whose_clock_is_an_hour_behind_does_not_look_slow_or_lost(broker: RedisServer) -> None:
    engine = Engine(Profile(broker=broker.url, timeout=0.3))
    await engine.start()
    client = broker.client()
    try:
        await engine.ready(10)
        for number in range(6):
            past = time.time() - HOUR
            beat = event(
                type="worker-heartbeat", hostname="w@past", timestamp=past, freq=2, active=0, processed=number
            )
            client.publish("/0.celeryev/worker.heartbeat", beat)
            for step in ("received", "started", "succeeded"):
                fields = {"runtime": 0.1, "result": "1"} if step == "succeeded" else {}
                told = event(
                    type=f"task-{step}",
                    hostname="w@past",
                    uuid=f"t{number}",
                    name="shop.x",
                    timestamp=past,
                    **fields,
                )
                client.publish("/0.celeryev/task.multi", told)
            await asyncio.sleep(0.05)

        async def there() -> bool:
            return (await engine.tasks(TaskQuery(filter="state:success"))).matched == 6

        assert await until(there)
        [worker] = await engine.workers()
        assert worker.state in ("online", "busy")  # It beats, and answers no control call.
        assert worker.clock_skew == pytest.approx(-HOUR, abs=2)
        overview = await engine.overview()
        assert overview.lag is not None and overview.lag < 5
    finally:
        await engine.close()
