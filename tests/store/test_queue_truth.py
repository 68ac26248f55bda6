"""What is not known of a queue is not shown as known."""

from __future__ import annotations

from lazycelery.model.event import Event
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
