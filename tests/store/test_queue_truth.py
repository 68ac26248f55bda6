"""What is not known of a queue is not shown as known."""

from __future__ import annotations

from lazycelery.model.event import Event
from lazycelery.model.message import Message
from lazycelery.model.reports import ActiveQueue, QueueReport, WorkerReport
from lazycelery.store.store import Store

NOW = 1_000_000.0


def sent(id: str, at: float) -> Event:
    return Event(type="task-sent", uuid=id, name="n", queue="q", hostname="gen1@h", timestamp=at, received=at)


def started(id: str, at: float) -> list[Event]:
    return [
        Event(type=f"task-{step}", uuid=id, name="n", hostname="w@h", timestamp=at, received=at, clock=1)
        for step in ("received", "started")
    ]


def depth(store: Store, messages: int, at: float) -> None:
    store.apply_queues([QueueReport(name="q", at=at, messages=messages)])


def test_a_task_that_waited_in_a_queue_that_is_empty_now_waits_no_more() -> None:
    store = Store()
    store.apply_events([sent("gone", NOW), sent("fresh", NOW + 58)])
    depth(store, 2, NOW + 1)
    assert store.counts() == {"waiting": 2}
    depth(store, 0, NOW + 60)
    task = store.task("gone", NOW + 60)
    assert task is not None and task.state == "unknown" and "ended-unseen" in task.marks
    assert store.counts() == {"waiting": 1, "unknown": 1}  # The fresh one may be on its way.


def test_an_event_that_comes_late_knows_better() -> None:
    store = Store()
    store.apply_events([sent("late", NOW)])
    depth(store, 0, NOW + 60)
    store.apply_events(started("late", NOW + 61))
    assert store.counts() == {"started": 1}


def test_a_task_whose_message_is_seen_in_another_queue_waits_again() -> None:
    store, message = Store(), Message(position=0, id="moved", task="n")
    store.apply_events([sent("moved", NOW)])
    depth(store, 0, NOW + 60)
    store.apply_messages("other", [message], NOW + 59, "waiting")
    assert store.counts() == {"unknown": 1}  # A look from before it was gone.
    store.apply_messages("other", [message], NOW + 61, "in-flight")
    assert store.counts() == {"unknown": 1}
    store.apply_messages("other", [message], NOW + 62, "waiting")
    task = store.task("moved", NOW + 62)
    assert task is not None and (task.state, task.queue, task.marks) == ("waiting", "other", [])
    depth(store, 0, NOW + 90)
    assert store.counts() == {"waiting": 1}
    store.apply_events(started("moved", NOW + 91))
    assert store.counts() == {"started": 1}


def test_a_run_that_ended_unseen_and_waits_again_is_another_run() -> None:
    store = Store()
    store.apply_events(started("again", NOW))
    store.apply_worker(WorkerReport(worker="w@h", at=NOW + 20, ping=True, active=[]))
    store.apply_messages("q", [Message(position=0, id="again", task="n")], NOW + 30, "waiting")
    task = store.task("again", NOW + 30)
    assert task is not None and (task.state, task.marks) == ("waiting", ["delivered-again"])
    assert [one.state for one in task.attempts] == ["unknown", "waiting"]


def test_rates_are_unknown_once_no_event_comes() -> None:
    store = Store()
    store.apply_worker(WorkerReport(worker="w@h", at=NOW, ping=True, queues=[ActiveQueue(name="q")]))
    for second in range(10):
        store.apply_events([sent(f"t{second}", NOW + second), *started(f"t{second}", NOW + second)])
        depth(store, 5, NOW + second)
    [queue] = store.queues(NOW + 10)
    assert queue.out_rate == 1.0 or (queue.out_rate is not None and queue.out_rate > 0.5)
    for second in range(10, 60, 2):
        depth(store, 5, NOW + second)
    [queue] = store.queues(NOW + 60)
    assert (queue.in_rate, queue.out_rate, queue.wait_estimate) == (None, None, None)


def test_what_the_broker_counts_comes_before_what_events_tell() -> None:
    store = Store()
    report = QueueReport(
        name="q", at=NOW, messages=60, in_rate=2.0, out_rate=5.0, history=[90, 80, 70], workers=["w@h"]
    )
    store.apply_queues([report])
    [queue] = store.queues(NOW + 1)
    assert (queue.in_rate, queue.out_rate, queue.wait_estimate, queue.drain_time) == (2.0, 5.0, 12.0, 20.0)
    assert queue.history == [90, 80, 70, 60] and queue.workers == ["w@h"]
    assert queue.sources["in_rate"] == "broker" and queue.sources["workers"] == "broker"
    store.apply_queues([QueueReport(name="q", at=NOW + 2, messages=50, history=[1, 2, 3])])
    [queue] = store.queues(NOW + 2)
    assert queue.history == [90, 80, 70, 60, 50]


def test_dead_letters_are_called_so_and_not_a_queue_without_consumer() -> None:
    store = Store()
    store.apply_worker(WorkerReport(worker="w@h", at=NOW, ping=True, queues=[ActiveQueue(name="mail")]))
    store.apply_queues([QueueReport(name="dead", at=NOW, messages=2, dead_letter_from=["mail"])])
    found = {queue.name: queue for queue in store.queues(NOW)}
    assert found["dead"].why == "2 dead letters from mail in dead."
