"""A task that runs on a worker that is gone."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from lazycelery.model.message import Message
from lazycelery.model.reports import QueueReport, ResultReport, TaskReport, WorkerReport
from lazycelery.model.task import TaskQuery
from lazycelery.store.store import Store
from tests.store.build import T0, beat, event, received, sent, started, store_of, succeeded, task
from tests.store.test_live_stream import Listener
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send


def at(store: Store, *moments: float) -> Store:
    """Nothing but looks at a queue at these moments: time goes by."""
    for moment in moments:
        store.apply_queues([QueueReport(name="celery", at=T0 + moment, messages=0)])
    return store


def running(*more: object) -> Store:
    """A task that began on w1 at 2; w1 beats until 4. w2 lives on."""
    store = store_of(sent(0), received(1), started(2), beat(2), beat(4))
    return at(store, 4)


def lost() -> Store:
    store = at(running(), 20, 36)
    assert task(store).state == "lost"
    return store


def states(store: Store) -> list[str]:
    return [attempt.state for attempt in task(store).attempts]


def test_a_run_is_lost_half_a_minute_after_the_last_word_of_its_worker():
    store = at(running(), 14, 24, 33)
    assert task(store).state == "started"
    at(store, 40)
    one = task(store)
    assert (one.state, one.started, one.finished) == ("lost", T0 + 2, None)
    assert one.sources["state"] == "inferred"
    assert "run-lost" in one.marks
    assert states(store) == ["lost"]
    assert store.counts() == {"lost": 1}
    [row] = store.query(TaskQuery(filter="state:lost"), T0 + 40).rows
    assert row.since == pytest.approx(T0 + 4)


def test_a_list_that_was_read_before_shows_the_loss():
    store = running()
    before = store.query(TaskQuery(), T0 + 4).rows[0]
    at(store, 20, 36)
    after = store.query(TaskQuery(), T0 + 36).rows[0]
    assert (before.state, after.state) == ("started", "lost")
    assert before.stamp != after.stamp


@pytest.mark.parametrize(
    ("news", "state"),
    [
        (succeeded(50), "success"),
        (event("failed", 50, exception="x"), "failure"),
        (event("progress", 50, extra={"current": 5}), "started"),
        (event("revoked", 50, terminated=True), "revoked"),
    ],
)
def test_a_later_event_takes_it_back(news, state):
    store = lost()
    store.apply_events([news])
    assert task(store).state == state
    assert "run-lost" not in task(store).marks
    assert states(store) == [state]


@pytest.mark.parametrize(("status", "state"), [("SUCCESS", "success"), ("PROGRESS", "started")])
def test_a_later_result_takes_it_back(status, state):
    store = lost()
    store.apply_results([ResultReport(id="t1", status=status, result={"current": 5})], T0 + 50)
    assert task(store).state == state
    assert states(store) == [state]


def test_a_document_that_was_known_before_takes_nothing_back():
    progress = ResultReport(id="t1", status="PROGRESS", result={"current": 5})
    begun = ResultReport(id="t1", status="STARTED", result={"pid": 9, "hostname": "w1@h"})
    store = running()
    store.apply_results([progress, begun], T0 + 3)
    at(store, 20, 36)
    store.apply_results([progress, begun], T0 + 40)
    assert task(store).state == "lost"
    store.apply_results(
        [ResultReport(id="t1", status="STARTED", result={"pid": 9, "hostname": "w2@h"})], T0 + 50
    )
    assert states(store) == ["lost", "started"]
    assert task(store).worker == "w2@h"


def test_late_words_of_before_the_loss_take_nothing_back():
    store = store_of(started(2), beat(4))
    at(store, 4, 20, 36)
    store.apply_events([received(1), sent(0.5), started(2)])
    assert task(store).state == "lost"
    assert task(store).received == T0 + 1


def test_news_of_the_task_from_elsewhere_puts_it_off():
    store = at(running(), 20)
    store.apply_results([ResultReport(id="t1", status="PROGRESS", result={"current": 5})], T0 + 30)
    at(store, 36, 50)
    assert task(store).state == "started"
    at(store, 61)
    assert task(store).state == "lost"


def test_a_task_whose_message_is_still_there_waits_for_its_redelivery():
    message = Message(position=0, id="t1", task="shop.add", args=[], kwargs={}, retries=0)
    store = at(running(), 20)
    store.apply_messages("celery", [message], T0 + 30, "in-flight")
    at(store, 36)
    one = task(store)
    assert one.state == "waiting"
    assert "run-lost" in one.marks
    assert states(store) == ["lost"]
    store.apply_messages("celery", [message], T0 + 40, "in-flight")
    assert task(store).state == "waiting"
    store.apply_events([received(70, worker="w2@h"), started(71, worker="w2@h")])
    assert states(store) == ["lost", "started"]
    assert {"delivered-again", "run-lost"} & {*task(store).marks} == {"delivered-again"}
    store.apply_events([succeeded(72, worker="w2@h")])
    assert (states(store), task(store).worker) == (["lost", "success"], "w2@h")


def test_a_message_that_is_seen_after_the_loss_waits_too():
    store = lost()
    message = Message(position=0, id="t1", task="shop.add", args=[], kwargs={}, retries=0)
    store.apply_messages("celery", [message], T0 + 40, "in-flight")
    assert task(store).state == "waiting"
    store.apply_tasks([TaskReport(id="t1", phase="reserved", worker="w2@h")], T0 + 50)
    assert states(store) == ["lost", "received"]
    assert task(store).worker == "w2@h"


def test_a_worker_that_was_only_silent_has_its_runs_back():
    store = lost()
    store.apply_events([beat(60)])
    at(store, 61)
    assert (task(store).state, task(store).marks) == ("started", [])
    at(store, 66, 71, 100)
    assert task(store).state == "lost"


@pytest.mark.parametrize("again", [beat(60, kind="online"), beat(60, pid=77)])
def test_another_process_under_the_same_name_does_not_run_them(again):
    store = store_of(received(1), started(2), beat(4, pid=76))
    at(store, 4, 20, 36)
    store.apply_events([again])
    at(store, 61)
    assert task(store).state == "lost"


def test_silence_is_not_the_workers_when_we_did_not_listen():
    store = running()
    store.gap(T0 + 5, T0 + 100)
    at(store, 101, 125, 139)
    assert task(store).state == "started", "workers come back one by one"
    at(store, 145)
    assert task(store).state == "lost"
    # asleep for an hour, and no probe in between
    store = at(running(), 3600, 3620)
    assert task(store).state == "started"
    at(store, 3631)
    assert task(store).state == "lost"


def test_what_was_lost_stays_lost_while_the_broker_is_away_and_after_it():
    store = at(running(), 20, 36)
    assert task(store).state == "lost"
    store.blind(T0 + 12)  # The look at the links: the broker is away, and nobody is heard.
    at(store, 41, 60, 75)
    assert task(store).state == "lost"
    store.gap(T0 + 12, T0 + 76)
    at(store, 80, 90)
    assert task(store).state == "lost"
    store.apply_events([beat(95)])
    at(store, 96)
    assert task(store).state == "started", "it lived after all"


def test_goodbye_and_a_busy_solo_worker_lose_nothing():
    from lazycelery.model.reports import WorkerStats

    polite = running()
    polite.apply_events([beat(5, kind="offline")])
    assert task(at(polite, 20, 36, 60)).state == "started"
    solo = running()
    solo.apply_worker(
        WorkerReport(worker="w1@h", at=T0 + 5, ping=True, stats=WorkerStats(worker="w1@h", pool="solo"))
    )
    assert task(at(solo, 20, 40, 60)).state == "started"


def test_only_what_runs_on_the_lost_worker_is_lost():
    store = running()
    store.apply_events([received(3, "r"), started(3, "w2", worker="w2@h"), succeeded(3, "s")])
    for moment in range(4, 40, 2):
        store.apply_events([beat(moment, "w2@h")])
    assert [task(store, id).state for id in ("t1", "r", "w2", "s")] == [
        "lost",
        "received",
        "started",
        "success",
    ]


@pytest.mark.broker
def test_a_late_task_of_a_killed_worker_is_lost_and_runs_again_elsewhere(
    broker: RedisServer, worker: Callable[..., CeleryWorker]
) -> None:
    listener = Listener(broker)
    first = worker("w1", env={"TEST_VISIBILITY": "1"})
    late, early = send(broker.url, "shop.late", 3), send(broker.url, "shop.nap", 60)
    listener.until(lambda: {listener.state(late), listener.state(early)} == {"started"})
    # the early one is acknowledged just after it has said that it started
    listener.until(lambda: broker.client().hlen("unacked") == 1)
    first.kill()
    died = time.time()
    for seconds in (1, 20, 45):
        listener.store.apply_queues([QueueReport(name="celery", at=died + seconds, messages=0)])
    assert {listener.state(late), listener.state(early)} == {"lost"}

    restore_unacknowledged(broker)
    worker("w2")
    listener.until(lambda: listener.state(late) == "success")
    one = listener.store.task(late, time.time())
    assert one is not None
    assert [(attempt.state, attempt.worker) for attempt in one.attempts] == [
        ("lost", "w1@test"),
        ("success", "w2@test"),
    ]
    assert one.attempts[0].sent is not None
    assert one.attempts[1].sent is None
    assert "delivered-again" in one.marks
    assert listener.state(early) == "lost"


def restore_unacknowledged(broker: RedisServer) -> None:
    """What any worker does now and then: give back what nobody acknowledged within the visibility timeout."""
    from celery import Celery

    with Celery("client", broker=broker.url, set_as_current=False) as app:
        app.conf.broker_transport_options = {"visibility_timeout": 1}
        deadline = time.monotonic() + 10
        while broker.client().hlen("unacked"):
            assert time.monotonic() < deadline
            with app.connection() as connection:
                connection.default_channel.qos.restore_visible(num=100)
