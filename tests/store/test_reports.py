"""What control, broker and backend add to what events tell."""

from __future__ import annotations

import pytest

from lazycelery.model.message import Message, StoredMessage
from lazycelery.model.reports import ResultReport, TaskReport, WorkerReport
from lazycelery.model.task import TaskQuery
from lazycelery.store.raw import OVERHEAD, RawMessages
from lazycelery.store.store import Store
from tests.store.build import T0, event, failed, received, sent, started, store_of, succeeded, task


def active(id: str = "t1", began: float = 2, **fields: object) -> TaskReport:
    return TaskReport(
        id=id,
        phase="active",
        worker="w1@h",
        name="shop.add",
        time_start=T0 + began,
        **fields,  # type: ignore[arg-type]
    )


def report(at: float, **fields: object) -> WorkerReport:
    return WorkerReport(worker="w1@h", at=T0 + at, ping=True, **fields)  # type: ignore[arg-type]


def test_control_tells_of_tasks_that_no_event_told():
    store = Store(100)
    store.apply_worker(
        report(
            10,
            active=[active(args="(1,)", kwargs="{}", safe=True, pid=77, routing_key="celery", exchange="")],
            reserved=[
                TaskReport(
                    id="r", phase="reserved", worker="w1@h", name="x", args=[1, {"a": None}], kwargs={}
                )
            ],
            scheduled=[
                TaskReport(
                    id="s", phase="scheduled", worker="w1@h", name="x", eta="2030-01-01T00:00:00+00:00"
                )
            ],
        )
    )
    one = task(store)
    assert (one.state, one.worker, one.queue, one.pid) == ("started", "w1@h", "celery", 77)
    assert one.started == T0 + 2
    assert one.args == "(1,)"
    assert one.sources["args"] == one.sources["state"] == one.sources["started"] == "control"
    assert task(store, "r").state == "received"
    assert task(store, "r").args == [1, {"a": None}]
    assert task(store, "s").state == "scheduled"


def test_real_arguments_replace_the_repr_and_a_repr_never_replaces_them():
    store = store_of(received(1, args="('x...',)"))
    store.apply_tasks([active(args=["xyz"], kwargs={"n": 1})], T0 + 3)
    store.apply_events([received(1, args="('x...',)"), sent(0.5)])
    store.apply_tasks([active(args="('x...',)", safe=True)], T0 + 4)
    assert task(store).args == ["xyz"]
    assert task(store).sources["args"] == "control"
    store.apply_messages("celery", [Message(position=0, id="t1", args=["b"], kwargs={})], T0 + 5, "in-flight")
    store.apply_tasks([active(args=["c"])], T0 + 6)
    store.apply_results([ResultReport(id="t1", status="SUCCESS", result=3, args=["d"])], T0 + 7)
    assert task(store).args == ["b"]
    assert task(store).sources["args"] == "broker"
    assert task(store).result == 3


def test_an_answer_older_than_the_end_does_not_bring_a_task_back():
    store = store_of(received(1), started(2), succeeded(9))
    store.apply_worker(report(9.5, active=[active()]))
    assert task(store).state == "success"
    assert len(task(store).attempts) == 1
    # but one that began after the end is another run
    store.apply_worker(report(30, active=[active(began=25)]))
    assert task(store).state == "started"
    assert len(task(store).attempts) == 2


def test_a_task_that_its_worker_no_longer_lists_ended_unseen():
    store = store_of(received(1), started(2), received(1, "young"), started(18, "young"))
    store.apply_worker(report(20, active=[]))
    assert task(store).state == "unknown"
    assert "ended-unseen" in task(store).marks
    assert task(store, "young").state == "started"
    # the end that comes late is the truth
    store.apply_events([succeeded(19)])
    assert task(store).state == "success"
    assert task(store).marks == []


def began(pid: int = 41, worker: str = "w1@h") -> ResultReport:
    """What the backend keeps of a task that began, until it ends."""
    return ResultReport(id="t1", status="STARTED", result={"pid": pid, "hostname": worker})


def test_that_it_once_began_brings_back_no_task_that_its_worker_does_not_run():
    store = store_of(received(1), started(2))
    store.apply_results([began()], T0 + 3)
    store.apply_worker(report(20, active=[]))
    store.apply_results([began()], T0 + 21)
    assert (task(store).state, task(store).marks) == ("unknown", ["ended-unseen"])
    # another process, or another worker, is another run
    for at, again in ((22, began(42)), (23, began(42, "w2@h"))):
        store.apply_results([again], T0 + at)
        assert (task(store).state, task(store).marks[:1]) == ("started", ["delivered-again"])
        assert len(task(store).attempts) == at - 20
        if at == 22:
            store.apply_events([started(22)])
            store.apply_worker(report(60, active=[]))
            assert task(store).state == "unknown"


def test_a_task_that_began_after_its_worker_was_asked_is_not_missed_in_its_answer():
    """The answer may wait long to be read, where thousands come."""
    store = store_of(received(1), started(12))
    store.apply_worker(report(20, active=[], asked=T0 + 12))
    assert task(store).state == "started"
    store.apply_worker(report(30, active=[], asked=T0 + 29))
    assert task(store).state == "unknown"


def test_a_task_that_is_listed_again_runs_after_all():
    store = store_of(received(1), started(2))
    store.apply_worker(report(20, active=[]))
    store.apply_worker(report(30, active=[active()]))
    assert task(store).state == "started"
    assert task(store).started == T0 + 2
    assert "ended-unseen" not in task(store).marks


def test_silence_about_active_ends_nothing():
    store = store_of(received(1), started(2))
    store.apply_worker(report(20, active=None))
    store.apply_worker(WorkerReport(worker="w2@h", at=T0 + 20, active=[]))
    assert task(store).state == "started"


def test_a_result_tells_the_end_that_no_event_told():
    store = store_of(received(1), started(2))
    failure = {"exc_type": "ValueError", "exc_message": ["boom"], "exc_module": "builtins"}
    store.apply_results(
        [
            ResultReport(
                id="t1",
                status="FAILURE",
                result=failure,
                traceback="Traceback…",
                date_done=T0 + 5,
                parent_id="p",
                group_id="g",
                children=["c1"],
            )
        ],
        T0 + 6,
    )
    one = task(store)
    assert (one.state, one.error, one.traceback, one.finished) == (
        "failure",
        "ValueError('boom')",
        "Traceback…",
        T0 + 5,
    )
    assert (one.parent_id, one.group_id, one.children) == ("p", "g", ["c1"])
    assert one.sources["error"] == one.sources["state"] == "result"
    assert one.runtime == pytest.approx(3)


def test_the_backend_is_trusted_more_than_the_event_about_a_result():
    store = store_of(received(1), started(2))
    store.apply_results(
        [ResultReport(id="t1", status="SUCCESS", result={"a": [1]}, date_done=T0 + 3)], T0 + 3
    )
    store.apply_events([succeeded(3, result="{'a': [...]}")])
    assert task(store).result == {"a": [1]}
    assert task(store).truncated == []
    assert task(store).runtime == 1.0


def test_a_result_of_an_earlier_run_does_not_end_the_present_one():
    store = store_of(received(1), started(2), failed(3), received(60), started(61))
    store.apply_results([ResultReport(id="t1", status="FAILURE", result="x", date_done=T0 + 3)], T0 + 62)
    assert task(store).state == "started"


def test_results_come_in_the_order_they_were_done():
    store = Store(100)
    store.apply_results(
        [ResultReport(id=f"t{n}", status="SUCCESS", date_done=T0 + n) for n in (3, 1, 2)], T0 + 9
    )
    assert store.select("", 9, T0 + 9) == ["t3", "t2", "t1"]
    assert task(store, "t3").sources["state"] == "result"


@pytest.mark.parametrize(
    ("status", "state"),
    [("STARTED", "started"), ("PROGRESS", "started"), ("IGNORED", "success"), ("REVOKED", "revoked")],
)
def test_each_status_has_its_state(status, state):
    store = Store(100)
    result = {"pid": 5, "hostname": "w1@h", "current": 1}
    store.apply_results([ResultReport(id="t1", status=status, result=result)], T0)
    assert task(store).state == state
    if status == "STARTED":
        assert (task(store).pid, task(store).worker) == (5, "w1@h")
    if status == "PROGRESS":
        assert task(store).progress == result


def test_a_pending_result_is_no_task():
    store = Store(100)
    store.apply_results([ResultReport(id="t1", status="PENDING")], T0)
    assert store.task("t1", T0) is None


def test_a_waiting_message_is_a_known_task():
    store = Store(100)
    message = Message(
        position=0,
        id="m",
        task="shop.add",
        args=[1],
        kwargs={},
        priority=3,
        retries=0,
        root_id="m",
        group_id="g",
        age=5.0,
    )
    store.apply_messages("low", [message, Message(position=1, id=None)], T0, "waiting")
    one = task(store, "m")
    assert (one.state, one.queue, one.priority, one.group_id, one.sent) == ("waiting", "low", 3, "g", T0 - 5)
    assert one.sources["args"] == one.sources["state"] == "broker"
    store.apply_messages("low", [message], T0 + 1, "in-flight")
    assert task(store, "m").state == "received"
    store.apply_messages("low", [message], T0 + 2, "waiting")
    assert task(store, "m").state == "received"


def test_a_message_of_the_next_run_is_a_retry():
    store = store_of(received(1), started(2))
    store.apply_messages(
        "celery", [Message(position=0, id="t1", retries=1, args=[], kwargs={})], T0 + 3, "waiting"
    )
    assert task(store).state == "retry"
    assert len(task(store).attempts) == 2


def test_undecoded_arguments_are_not_taken_for_real_ones():
    store = Store(100)
    store.apply_messages(
        "q", [Message(position=0, id="m", args="pickle, 90 B", decoded=False)], T0, "waiting"
    )
    assert task(store, "m").args is None


def test_huge_values_are_cut_and_say_so():
    store = Store(100)
    store.apply_tasks([active(args=["x" * 10_000_000], kwargs={"n": list(range(1_000_000))})], T0)
    one = task(store)
    assert one.truncated == ["args", "kwargs"]
    assert len(one.args) <= 8192
    deep: list = []
    for _ in range(5000):
        deep = [deep]
    store.apply_tasks([active("t2", args=deep)], T0)
    assert "args" in task(store, "t2").truncated
    assert len(store.query(TaskQuery(), T0).rows) == 2


def test_what_we_sent_is_known_at_once():
    store = Store(100)
    store.note_sent("new", "shop.add", "celery", T0, "old")
    one = task(store, "new")
    assert (one.state, one.name, one.queue, one.sent) == ("waiting", "shop.add", "celery", T0)
    assert "retry-of old" in one.marks
    store.apply_events([received(1, "new"), started(2, "new"), succeeded(3, "new")])
    assert task(store, "new").state == "success"
    assert len(task(store, "new").attempts) == 1


def test_a_gap_marks_what_may_have_ended_unseen():
    store = store_of(received(1), started(2), received(1, "done"), succeeded(2, "done"))
    store.gap(T0 + 5, T0 + 9)
    assert "gap" in task(store).marks
    assert "gap" not in task(store, "done").marks
    store.apply_events([received(20, "new")])
    assert "gap" not in task(store, "new").marks


def test_a_revoked_flag_is_a_mark_and_no_state():
    store = store_of(received(1))
    store.apply_tasks([TaskReport(id="t1", phase="revoked", worker="w1@h")], T0)
    assert task(store).state == "received"
    assert "revoke-flagged" in task(store).marks


def test_an_event_tells_the_queue_better_than_a_guess():
    from lazycelery.model.reports import ActiveQueue

    store = Store(100)
    store.apply_worker(report(0, queues=[ActiveQueue(name="only")]))
    store.apply_events([received(1)])
    assert task(store).queue == "only"
    assert task(store).sources["queue"] == "inferred"
    store.apply_events([sent(0.5, queue="true")])
    assert task(store).queue == "true"
    assert task(store).sources["queue"] == "event"


def test_raw_messages_are_bounded_by_bytes_and_the_oldest_leave():
    raw = RawMessages(max_bytes=3 * (OVERHEAD + 10))
    for n in range(5):
        raw.keep(f"t{n}", StoredMessage(queue="q", priority=0, raw=b"x" * 10))
    assert [raw.get(f"t{n}") is not None for n in range(5)] == [False, False, True, True, True]
    raw.keep("t2", StoredMessage(queue="q", priority=0, raw=b"y" * 10))
    raw.keep("t5", StoredMessage(queue="q", priority=0, raw=b"x" * 10))
    assert raw.get("t3") is None
    kept = raw.get("t2")
    assert kept is not None
    assert kept.raw == b"y" * 10
    raw.keep("huge", StoredMessage(queue="q", priority=0, raw=b"x" * 10_000))
    assert raw.get("huge") is None
    assert len(raw) == 3
    assert raw.bytes == 3 * (OVERHEAD + 10)


def test_the_tick_moves_with_each_kind_of_news():
    store = Store(100)
    before = store.tick()
    store.apply_events([event("received", 1)])
    after = store.tick()
    assert after.tasks > before.tasks
    assert after.stamp > before.stamp
    store.apply_worker(report(1))
    assert store.tick().workers > after.workers


def test_an_age_whose_beginning_nobody_told_is_marked_as_the_least():
    store = store_of(sent(1, "told"))
    store.apply_worker(report(10, reserved=[TaskReport(id="seen", phase="reserved", worker="w1@h")]))
    rows = {row.id: row for row in store.query(TaskQuery(), T0 + 10).rows}
    assert (rows["told"].at_least, rows["seen"].at_least) == (False, True)
