from __future__ import annotations

import pytest

from lazycelery.model.event import Event
from lazycelery.model.reports import ActiveQueue, QueueReport, TaskReport, WorkerReport, WorkerStats
from lazycelery.store import forgetting, queues
from lazycelery.store.facts import worker_facts
from lazycelery.store.store import Store
from tests.store.build import T0, beat, event, received, sent, started, store_of, succeeded


def control(at: float, worker: str = "w1@h", **fields: object) -> WorkerReport:
    return WorkerReport(worker=worker, at=T0 + at, **{"ping": True, **fields})  # type: ignore[arg-type]


def only(store: Store, at: float):
    [worker] = store.workers(T0 + at)
    return worker


def test_a_worker_that_beats_is_online():
    worker = only(
        store_of(beat(0, processed=5, loadavg=[0.1, 0.2, 0.3], sw_ident="py-celery", sw_ver="5.7.0")), 3
    )
    assert worker.state == "online"
    assert worker.why is None
    assert worker.heartbeat_age == pytest.approx(3)
    assert (worker.processed, worker.freq, worker.loadavg) == (5, 2.0, [0.1, 0.2, 0.3])
    assert worker.software == "py-celery 5.7.0"
    assert worker.concurrency is None
    assert worker.reserved is None


@pytest.mark.parametrize(
    ("system", "told", "shown"),
    [
        ("Linux", 88 << 20, 88 << 20),
        ("Darwin", 88 << 30, 88 << 20),
        (None, 88 << 20, 88 << 20),
        (None, 88 << 30, None),
    ],
)
def test_memory_is_told_in_the_unit_of_the_workers_system(system: str | None, told: int, shown: int | None):
    store = store_of(beat(0, sw_ident="py-celery", sw_sys=system))
    store.apply_worker(control(0, stats=WorkerStats(worker="w1@h", rss=told)))
    assert only(store, 1).rss == shown


def test_a_worker_whose_heartbeats_end_is_lost():
    store = store_of(beat(0))
    assert only(store, 9).state == "online"
    worker = only(store, 130)
    assert worker.state == "offline"
    assert worker.why == "lost 2m10s ago: its heartbeats ended without goodbye"
    assert worker.stopped == T0
    store.apply_events([beat(140)])
    assert only(store, 141).state == "online"


def test_a_slow_pace_of_heartbeats_has_more_patience():
    assert only(store_of(beat(0, freq=20.0)), 50).state == "online"
    assert only(store_of(beat(0, freq=20.0)), 70).state == "offline"


def test_a_worker_that_says_goodbye_is_offline_until_it_comes_back():
    store = store_of(beat(0), beat(10, kind="offline"))
    worker = only(store, 70)
    assert (worker.state, worker.why, worker.stopped) == ("offline", "stopped 1m ago", T0 + 10)
    store.apply_events([beat(80, kind="online")])
    assert only(store, 81).state == "online"


def test_publishers_are_no_workers():
    assert store_of(sent(1)).workers(T0) == []


def test_a_worker_with_all_slots_taken_is_busy_and_says_by_what():
    store = store_of(beat(99, active=2))
    jobs = [
        TaskReport(id=str(n), phase="active", worker="w1@h", name="shop.report", time_start=T0)
        for n in range(2)
    ]
    waiting = [TaskReport(id=f"r{n}", phase="reserved", worker="w1@h", name="x") for n in range(3)]
    stats = WorkerStats(worker="w1@h", pool="prefork", concurrency=2, processes=[1, 2], uptime=50, prefetch=8)
    store.apply_worker(control(100, stats=stats, active=jobs, reserved=waiting))
    worker = only(store, 100)
    assert worker.state == "busy"
    assert (
        worker.why == "busy: its 2 slots run shop.report, the oldest since 1m40s; 3 reserved wait behind them"
    )
    assert (worker.active, worker.reserved, worker.prefetch, worker.pool) == (2, 3, 8, "prefork")
    assert only(store, 102).uptime == pytest.approx(52)
    store.apply_events([beat(103, active=1)])
    assert only(store, 103).state == "online"
    detail = store.worker("w1@h", T0 + 100)
    assert detail is not None
    assert detail.active[0]["age"] == pytest.approx(100)
    assert [job["id"] for job in detail.reserved] == ["r0", "r1", "r2"]
    assert detail.at is None  # What is scheduled was never told.
    store.apply_worker(control(104, scheduled=[]))
    store.apply_worker(control(110, active=jobs))
    detail = store.worker("w1@h", T0 + 111)
    assert detail is not None and detail.at == T0 + 100  # The reserved ones are that old.
    assert store.worker("nobody", T0) is None


def test_what_ended_after_its_list_was_told_is_in_it_no_more():
    store = store_of(beat(99, active=2), received(99, "a"), started(99, "a"), received(99, "b"))
    jobs = [TaskReport(id="a", phase="active", worker="w1@h", name="shop.report", time_start=T0 + 99)]
    waiting = [TaskReport(id="b", phase="reserved", worker="w1@h", name="x")]
    store.apply_worker(control(100, active=jobs, reserved=waiting))
    store.apply_events([succeeded(102, "a")])
    detail = store.worker("w1@h", T0 + 103)
    assert detail is not None and not detail.active and [job["id"] for job in detail.reserved] == ["b"]
    again = TaskReport(id="a", phase="active", worker="w1@h", name="shop.report", time_start=T0 + 104)
    store.apply_worker(control(105, active=[again]))  # Delivered once more.
    detail = store.worker("w1@h", T0 + 106)
    assert detail is not None and [job["id"] for job in detail.active] == ["a"]


def test_a_solo_worker_in_its_task_is_busy_and_not_lost():
    store = store_of(beat(0, active=0), received(1), started(2))
    store.apply_worker(control(0, stats=WorkerStats(worker="w1@h", pool="solo", concurrency=1)))
    store.apply_events([beat(1.9, active=1)])
    worker = only(store, 60)
    assert (worker.state, worker.word) == ("busy", "silent")
    assert "answers nobody until it ends" in (worker.why or "")
    store.apply_events([succeeded(61), beat(62)])
    assert only(store, 70).state == "online"
    assert only(store, 200).state == "offline"


def test_a_worker_that_beats_but_does_not_answer_is_busy():
    store = store_of(beat(0))
    store.apply_worker(control(0))
    store.apply_worker(control(10, ping=False))
    store.apply_events([beat(20)])
    worker = only(store, 21)
    assert (worker.state, worker.word) == ("busy", "silent")
    assert worker.why == "silent: it sends heartbeats, the last 1s ago, but has not answered for 11s"
    store.apply_worker(control(22))
    assert only(store, 22).state == "online"


def test_a_worker_that_comes_back_was_not_silent_while_it_was_away():
    store = store_of(beat(0))
    store.apply_worker(control(0))
    store.apply_events([beat(1, kind="offline")])
    store.apply_worker(control(10, ping=False))
    store.apply_events([beat(400, kind="online"), beat(402)])
    assert only(store, 403).state == "online"


def test_while_we_hear_nothing_no_worker_is_called_lost():
    store = store_of(beat(0, worker="here@h"), beat(-60, worker="gone@h"))
    states = lambda at: {each.name: each.state for each in store.workers(T0 + at)}  # noqa: E731
    store.blind(T0 + 5)
    store.blind(T0 + 50)  # Still the same silence.
    assert states(60) == {"here@h": "unknown", "gone@h": "offline"}
    assert "not heard for 1m" in (store.worker("here@h", T0 + 60).worker.why or "")  # type: ignore[union-attr]
    store.gap(T0 + 5, T0 + 61)
    assert states(62) == {"here@h": "online", "gone@h": "offline"}
    assert states(80) == {"here@h": "offline", "gone@h": "offline"}


def test_after_a_gap_nothing_is_said_that_was_not_heard_since() -> None:
    store = store_of(beat(0, active=2))
    store.apply_worker(control(0, stats=WorkerStats(worker="w1@h", pool="prefork", concurrency=2)))
    store.blind(T0 + 5)
    store.gap(T0 + 5, T0 + 40)
    worker = only(store, 43)
    assert worker.why == "not heard since events came again 3s ago; its last heartbeat came 43s ago"
    store.apply_worker(control(42, ping=False, asked=T0 + 39))
    assert only(store, 43).why == worker.why  # Asked while nobody could have heard it.
    store.apply_worker(control(43, ping=False, asked=T0 + 42))
    worker = only(store, 45)
    assert (worker.state, worker.word) == ("busy", "silent")
    assert worker.why == (
        "silent: not heard since events came again 5s ago, nor has it answered (asked 2s ago); "
        "its last heartbeat came 45s ago"
    )
    store.apply_events([started(45.5)])
    assert only(store, 46).why == "busy: its 2 slots are taken"
    store.apply_events([beat(46, active=0)])
    worker = only(store, 47)
    assert worker.why == "silent: it sends heartbeats, the last 1s ago, but has not answered for 4s"
    store.apply_events([started(60)])
    worker = only(store, 61)
    assert worker.why == "silent: its last task event came 1s ago, but it has not answered for 18s"


def test_a_worker_that_just_came_is_not_said_to_be_silent() -> None:
    store = store_of(beat(10, kind="online"))
    store.apply_worker(control(11, ping=False, asked=T0 + 9))
    assert only(store, 11).why is None  # Asked before it came.
    store.apply_worker(control(12, ping=False, asked=T0 + 11))
    worker = only(store, 13)
    assert worker.state == "online"
    assert worker.why == "online by its own word, 3s ago; it has not answered yet"
    store.apply_events([beat(14)])
    assert (only(store, 15).why or "").startswith("silent: it sends heartbeats, the last 1s ago")
    store.apply_worker(control(16))
    assert only(store, 16).why is None


def test_a_mailbox_that_was_open_before_we_heard_nothing_keeps_no_worker() -> None:
    store = store_of(beat(0, active=0, freq=2.0))
    store.apply_worker(control(4, ping=False, listening=True))
    assert only(store, 5).why.startswith("silent: it listens")
    store.blind(T0 + 6)
    store.gap(T0 + 6, T0 + 12)
    assert only(store, 13).state != "offline"  # It is given time to be heard again.
    assert only(store, 30).state == "offline"


def test_what_was_taken_or_ended_since_a_look_at_the_messages_is_told():
    store = store_of(received(0), started(10))
    moved = store.holding.moved_since
    assert moved("t1", T0 + 9, T0 + 5) and not moved("t1", T0 + 11, T0 + 5)
    store.apply_events([succeeded(20)])
    assert moved("t1", T0 + 24, T0 + 19) and not moved("t1", T0 + 26, T0 + 21)
    store.apply_events([sent(30, "t2")])
    assert not moved("t2", T0, T0)
    assert not moved("unknown", T0, T0)


def test_a_closed_mailbox_is_noted_until_the_worker_is_heard_again():
    store = store_of(beat(0, active=0, freq=2.0))

    def shut(now: float) -> bool:
        return worker_facts(store.roll._workers.known["w1@h"], T0 + now).shut

    store.apply_worker(control(4, ping=False, listening=False))
    assert shut(5) and not shut(60)
    store.apply_worker(control(6, ping=False))
    assert not shut(6)  # Of this question it is not known.
    for heard in (control(8), control(8, ping=False, listening=True)):
        store.apply_worker(control(7, ping=False, listening=False))
        assert shut(7)
        store.apply_worker(heard)
        assert not shut(8)


def test_a_worker_without_heartbeats_lives_by_its_answers():
    store = Store(100)
    store.apply_worker(control(0))
    assert only(store, 10).state == "online"
    assert only(store, 300).state == "unknown"
    store.apply_worker(control(310, ping=False))
    assert only(store, 310).state == "offline"


def test_a_clock_that_is_an_hour_ahead_is_told_and_taken_out_of_the_lag():
    store = Store(1000)
    for n in range(50):
        one = started(3600 + n, f"t{n}")
        one.received = T0 + n + 0.2
        heart = beat(3600 + n)
        heart.received = T0 + n + 0.1
        store.apply_events([heart, one])
    assert only(store, 50).clock_skew == pytest.approx(3600 - 0.1, abs=0.05)
    assert store.lag() == pytest.approx(0.1, abs=0.05)


def test_small_delays_are_lag_and_no_skew():
    store = Store(1000)
    for n in range(20):
        one = started(n, f"t{n}")
        one.received = T0 + n + 0.05
        store.apply_events([one])
    assert store.lag() == pytest.approx(0.05, abs=0.01)


def test_lost_events_are_counted_against_processed():
    store = Store(1000)
    store.apply_events([beat(0, processed=100)])
    assert only(store, 0).loss is None
    for n in range(1, 31):
        if n % 3:
            store.apply_events([received(n, f"t{n}"), started(n + 0.1, f"t{n}")])
        store.apply_events([beat(n + 0.5, processed=100 + n)])
    assert only(store, 31).loss == pytest.approx(1 / 3, abs=0.06)
    assert store.loss() == pytest.approx(1 / 3, abs=0.06)
    store.gap(T0 + 31, T0 + 32)
    assert store.loss() is None


def test_nothing_lost_is_zero_and_a_restart_begins_anew():
    store = Store(1000)
    for n in range(10):
        store.apply_events([started(n, f"t{n}"), beat(n + 0.5, processed=n + 1)])
    assert store.loss() == 0.0
    store.apply_events([beat(11, processed=0), started(12, "x"), beat(13, processed=1)])
    assert store.loss() == 0.0


def test_a_worker_that_works_and_tells_nothing_has_events_off():
    store = Store(100)
    store.apply_events([beat(0, processed=1)])
    assert only(store, 0).events is None
    store.apply_events([beat(2, processed=2), beat(4, processed=3)])
    assert only(store, 4).events is False
    assert only(store, 4).loss is None
    assert only(store, 4).failed is None
    store.apply_events([started(5), beat(6, processed=4)])
    assert only(store, 6).events is True
    assert only(store, 6).failed == 0


def test_events_a_second_are_a_mean_of_the_last_ten():
    store = Store(1000)
    for second in range(20):
        store.apply_events([event("received", second, f"{second}-{n}") for n in range(50)])
    assert store.events_seen() == 1000
    assert store.events_per_second(T0 + 20) == pytest.approx(50, rel=0.15)
    assert store.events_per_second(T0 + 100) == 0


def probe(at: float, messages: int, name: str = "celery", **fields: object) -> QueueReport:
    return QueueReport(name=name, at=T0 + at, type="list", messages=messages, **fields)  # type: ignore[arg-type]


def queue(store: Store, name: str = "celery", at: float = 100):
    return next(each for each in store.queues(T0 + at) if each.name == name)


def test_a_queue_shows_what_the_broker_told():
    store = Store(100)
    store.apply_queues([probe(0, 5, unacked=2, priorities={"0": 3, "3": 2}, oldest_age=9.0)])
    one = queue(store, at=4)
    assert (one.messages, one.unacked, one.priorities, one.oldest_age) == (5, 2, {"0": 3, "3": 2}, 9.0)
    assert one.age == pytest.approx(4)
    assert one.consumers is None
    assert one.in_rate is None
    assert one.why is None


def test_consumers_are_the_workers_that_live():
    store = store_of(beat(0), beat(0, worker="w2@h"))
    store.apply_queues([probe(0, 0)])
    for name in ("w1@h", "w2@h"):
        store.apply_worker(control(0, name, queues=[ActiveQueue(name="celery")]))
    assert queue(store, at=1).workers == ["w1@h", "w2@h"]
    assert queue(store, at=1).consumers == 2
    store.apply_events([beat(2, kind="offline")])
    assert queue(store, at=3).workers == ["w2@h"]


def test_a_queue_that_nobody_consumes_says_so_and_names_the_likely_one():
    store = store_of(beat(0))
    store.apply_queues(
        [probe(0, 12, "defualt"), probe(0, 0, "default"), probe(0, 1, "zzz"), probe(0, 0, "empty")]
    )
    assert queue(store, "defualt", 1).why is None
    store.apply_worker(control(0, queues=[ActiveQueue(name="default")]))
    assert (
        queue(store, "defualt", 1).why == "12 messages in defualt, nobody consumes it. Did you mean default?"
    )
    assert queue(store, "zzz", 1).why == "1 message in zzz, nobody consumes it."
    assert queue(store, "empty", 1).why is None
    assert queue(store, "default", 1).why is None


def test_a_worker_that_has_not_told_its_queues_may_consume_any():
    store = store_of(beat(0), beat(0, worker="solo@h"))
    store.apply_queues([probe(0, 2, "slow"), probe(0, 0, "low")])
    store.apply_worker(control(0, queues=[ActiveQueue(name="low")]))
    one = queue(store, "slow", 1)
    assert one.consumers is None
    assert one.why == "2 messages in slow, no worker that told its queues consumes it; solo@h has not told."
    assert queue(store, "low", 1).consumers == 1
    store.apply_worker(control(2, "solo@h", queues=[ActiveQueue(name="slow")]))
    assert (queue(store, "slow", 3).consumers, queue(store, "slow", 3).why) == (1, None)
    store.apply_events([beat(4, worker="late@h"), beat(5, worker="late@h", kind="offline")])
    store.apply_queues([probe(4, 1, "zzz")])
    assert queue(store, "zzz", 6).why == "1 message in zzz, nobody consumes it."  # Who is gone takes nothing.


def test_rates_come_from_depths_and_events():
    store = Store(1000)
    for second in range(11):
        store.apply_queues([probe(second, 100 - 5 * second)])
        store.apply_events([each for n in range(8) for each in life(second, f"{second}-{n}")])
    one = queue(store, at=11)
    assert one.out_rate == pytest.approx(8)
    assert one.in_rate == pytest.approx(3)
    assert one.drain_time == pytest.approx(10)
    assert one.wait_estimate == pytest.approx(50 / 8)
    assert one.history == [100 - 5 * second for second in range(11)]


def test_where_nobody_consumes_no_end_is_promised():
    store = Store(1000)
    for second in range(11):
        store.apply_queues([probe(second, 100 - 5 * second, consumers=1)])
    assert queue(store, at=11).drain_time == pytest.approx(10)
    store.apply_queues([probe(11, 45, consumers=0)])
    one = queue(store, at=11)
    assert (one.consumers, one.wait_estimate, one.drain_time) == (0, None, None)


def life(at: float, uuid: str) -> list[Event]:
    return [sent(at, uuid), received(at, uuid), started(at, uuid)]


def test_a_queue_that_does_not_shrink_has_no_drain_time():
    store = Store(1000)
    store.apply_queues([probe(0, 10), probe(10, 20)])
    assert queue(store).drain_time is None
    assert queue(store).out_rate is None
    store.apply_queues([probe(20, 0)])
    assert queue(store).drain_time == 0.0


def test_workers_that_went_long_ago_are_forgotten_but_for_the_last_ones(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(forgetting, "KEPT", 3)
    store = store_of(beat(0, "lost@h"), started(0, "t1", "lost@h"))
    for number in range(6):
        store.apply_events([beat(number, f"pod-{number}@h"), beat(number + 1, f"pod-{number}@h", "offline")])
    store.apply_events([beat(100, "here@h")])
    store.second(T0 + 101)
    assert len(store.workers(T0 + 101)) == 8  # Whoever went a moment ago is news.
    store.apply_events([beat(2000, "here@h")])
    store.apply_queues([QueueReport(name="celery", at=T0 + 2000)])
    store.second(T0 + 2001)
    names = [worker.name for worker in store.workers(T0 + 2001)]
    assert names == ["here@h", "lost@h", "pod-4@h", "pod-5@h"]
    store.apply_events([beat(2002, "pod-0@h", "online")])
    assert [worker.state for worker in store.workers(T0 + 2003) if worker.name == "pod-0@h"] == ["online"]


def test_a_lost_run_of_a_forgotten_worker_stays_lost(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(forgetting, "KEPT", 0)
    store = store_of(beat(0, "lost@h"), started(0, "t1", "lost@h"))
    for second in range(10, 110, 10):  # Whoever looks less often was away, and blames nobody.
        store.apply_queues([QueueReport(name="celery", at=T0 + second)])
    store.second(T0 + 2000)
    assert store.workers(T0 + 2000) == []
    store.apply_queues([QueueReport(name="celery", at=T0 + 2001)])
    task = store.task("t1", T0 + 2001)
    assert task is not None and task.state == "lost"


def test_made_up_queues_are_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(queues, "MAX_QUEUES", 10)
    store = Store(1000)
    for number in range(50):
        store.apply_events([sent(number, f"t{number}", queue=f"q{number}")])
    assert [one.name for one in store.queues(T0 + 50)] == sorted(f"q{number}" for number in range(10))


def test_a_worker_that_only_connects_again_did_not_begin_anew():
    store = Store()

    def began() -> float:
        return dict(store.roll.starts())["w1@h"][2]

    store.apply_events([beat(0, kind="online", pid=7), beat(2, pid=7, processed=9)])
    assert began() == T0
    store.apply_events([beat(10, kind="online", pid=7, processed=9)])  # Its broker was gone for a while.
    assert began() == T0
    store.apply_events([beat(20, kind="online", pid=7, processed=0)])  # In a container each has this number.
    assert began() == T0 + 20
    store.apply_events([beat(30, kind="online", pid=8, processed=0)])
    assert began() == T0 + 30


def test_a_worker_is_young_until_it_answers_or_goes_and_for_ten_seconds() -> None:
    store = store_of(beat(0, kind="online", pid=7))
    assert store.young("w1@h", T0 + 9) and not store.young("w1@h", T0 + 10)
    assert not store.young("w2@h", T0 + 1)
    store.apply_worker(control(2, asked=T0 + 1, active=[]))
    assert not store.young("w1@h", T0 + 3)
    store.apply_events([beat(20, kind="online", pid=8)])  # What answered was the one before it.
    assert store.young("w1@h", T0 + 21)
    store.apply_events([beat(22, kind="offline", pid=8)])
    assert not store.young("w1@h", T0 + 22)


def test_events_of_queues_without_room_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "MAX_QUEUES", 10)
    store = store_of(*(sent(n, f"t{n}", queue=f"reply-{n}") for n in range(100)))
    tally = store._intake.tally
    assert tally.sent == 100 and tally._rest.sent == 90
    assert len(tally._records) == len(store.queues(T0)) == 10


def test_an_answer_that_may_be_older_than_a_goodbye_does_not_take_it_back() -> None:
    """A round ends with the last answer, or in time; who answered first may have stopped by then."""
    store = store_of(beat(0), beat(11, kind="offline"))
    store.apply_worker(control(12, asked=T0 + 10, active=[]))
    worker = only(store, 40)
    assert (worker.state, worker.lost, worker.stopped) == ("offline", False, T0 + 11)
    store.apply_worker(control(20, asked=T0 + 19))
    assert only(store, 20).state == "online"


def test_an_answer_that_may_be_older_than_the_end_of_a_connection_does_not_bring_it_back() -> None:
    store = store_of(beat(0))
    store.lateness.ended("w1@h", T0 + 5)
    store.apply_worker(control(7, asked=T0 + 3))
    assert only(store, 7).lost
    store.apply_worker(control(9, asked=T0 + 8))
    assert not only(store, 9).lost


def test_a_goodbye_before_the_clock_was_set_back_hides_nobody() -> None:
    store = store_of(beat(3600), beat(3601, kind="offline"))
    store.apply_worker(control(2, asked=T0 + 1))
    assert only(store, 3).state != "offline"
