"""The store against the true event stream of a live worker."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable

import msgspec
import pytest

from lazycelery.model.event import Event
from lazycelery.model.reports import WorkerReport
from lazycelery.store.store import Store
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

FIELDS = set(Event.__struct_fields__)


class Listener:
    """Feeds a store from the broker's event channel, as messages come."""

    def __init__(self, broker: RedisServer) -> None:
        self.store = Store(1000)
        self.events: list[Event] = []
        self.pubsub = broker.client().pubsub()
        self.pubsub.psubscribe("/0.celeryev/*")

    def until(self, condition: Callable[[], bool], wait: float = 20) -> None:
        deadline = time.monotonic() + wait
        while not condition():
            assert time.monotonic() < deadline, [(e.type, e.uuid) for e in self.events]
            message = self.pubsub.get_message(ignore_subscribe_messages=True, timeout=0.2)
            if message is not None:
                batch = decoded(message["data"])
                self.events += batch
                self.store.apply_events(batch)

    def state(self, id: str) -> str | None:
        found = self.store.task(id, time.time())
        return found.state if found is not None else None

    def types(self, id: str) -> list[str]:
        return [one.type for one in self.events if one.uuid == id]


def decoded(data: bytes) -> list[Event]:
    body = json.loads(base64.b64decode(json.loads(data)["body"]))
    events = []
    for one in body if isinstance(body, list) else [body]:
        known = {name: value for name, value in one.items() if name in FIELDS}
        events.append(msgspec.convert({**known, "received": time.time()}, Event))
    return events


@pytest.mark.broker
def test_every_life_of_a_live_worker_ends_where_it_should(
    broker: RedisServer, worker: Callable[..., CeleryWorker]
) -> None:
    listener = Listener(broker)
    expired = send(broker.url, "shop.add", 1, 2, expires=0.5)
    listener.until(lambda: listener.state(expired) == "waiting")
    started_at = time.time()
    worker("w1")

    ok = send(broker.url, "shop.add", 1, 2)
    bad = send(broker.url, "shop.charge", 7)
    flaky = send(broker.url, "shop.flaky", 2)
    rejected = send(broker.url, "shop.rejected")
    ignored = send(broker.url, "shop.ignored")
    later = send(broker.url, "shop.add", 1, 1, countdown=4)
    listener.until(lambda: listener.state(later) == "scheduled")
    revoke(broker, later)
    ends = {
        ok: "success",
        bad: "failure",
        flaky: "success",
        expired: "revoked",
        later: "revoked",
        rejected: "failure",
    }
    listener.until(lambda: {id: listener.state(id) for id in ends} == ends)
    listener.until(lambda: "task-rejected" in listener.types(rejected))

    store, now = listener.store, time.time()
    tries = store.task(flaky, now)
    assert tries is not None
    assert [attempt.state for attempt in tries.attempts] == ["retry", "retry", "success"]
    assert tries.retries == 2
    assert tries.parent_id is None
    assert all(attempt.worker == "w1@test" for attempt in tries.attempts)
    failure = store.task(bad, now)
    assert failure is not None
    assert "card declined for order 7" in (failure.error or "")
    assert (failure.traceback or "").startswith("Traceback")
    assert failure.runtime is not None
    assert failure.queue == "celery"
    for id, mark in ((expired, "expired"), (rejected, "also-rejected")):
        found = store.task(id, now)
        assert found is not None
        assert mark in found.marks
    assert listener.types(expired) == ["task-sent", "task-revoked"]
    # The sender tells of it once it is sent: the worker may be faster.
    assert sorted(listener.types(ignored)) == ["task-received", "task-sent", "task-started"]

    assert listener.state(ignored) == "started"
    store.apply_worker(WorkerReport(worker="w1@test", at=time.time() + 10, ping=True, active=[]))
    ended = store.task(ignored, now)
    assert ended is not None
    assert ended.state == "unknown"
    assert "ended-unseen" in ended.marks

    [one] = store.workers(time.time())
    assert one.name == "w1@test"
    assert one.state == "online"
    assert one.events is True
    assert one.failed == 2
    assert one.clock_skew == 0.0
    assert store.events_seen() == len(listener.events)
    assert 0 <= (store.lag() or -1) < 1
    listener.until(lambda: (store.workers(time.time())[0].processed or 0) >= 7)
    assert store.loss() in (None, 0.0)
    assert time.time() - started_at < 60


def revoke(broker: RedisServer, id: str) -> None:
    from celery import Celery

    with Celery("client", broker=broker.url, set_as_current=False) as app:
        app.control.revoke(id)
