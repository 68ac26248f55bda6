"""What is let go under load, and what is not."""

from __future__ import annotations

import random

import pytest

from lazycelery.model.event import Event
from lazycelery.model.message import Message
from lazycelery.model.reports import ResultReport, TaskReport, WorkerReport
from lazycelery.model.task import TaskQuery
from lazycelery.store.store import Store
from lazycelery.store.thinning import HOLD, MOST_HELD, SHORT
from tests.store.build import T0, beat, failed, received, retried, sent, started, succeeded

LONG = f"('{'x' * SHORT}',)"


def thinned(*events: Event, stage: int = 3) -> Store:
    store = Store()
    store.relieve(stage, T0)
    store.apply_events(list(events))
    return store


def let_go() -> str:
    """An id that is not among the few that are kept; which are, depends on the process."""
    return next(id for id in map(str, range(100)) if hash(id) % 100)


def life(id: str, at: float = 0.0, end: str = "succeeded") -> list[Event]:
    last = succeeded(at + 3, id, runtime=1.5) if end == "succeeded" else failed(at + 3, id)
    return [sent(at, id), received(at + 1, id), started(at + 2, id), last]


def test_long_texts_go_first_and_it_is_said() -> None:
    store = thinned(
        received(1, args=LONG), started(2), succeeded(3, result="y" * 500), failed(5, "f"), stage=1
    )
    task = store.task("t1", T0 + 4)
    assert task is not None and (task.args, task.kwargs, task.result) == (None, "{}", None)
    assert task.not_kept == ["args", "result"] and task.runtime == 1.0
    [row] = [row for row in store.query(TaskQuery(), T0 + 4).rows if row.id == "t1"]
    assert row.not_kept
    assert store.relief().texts == 2
    bad = store.task("f", T0 + 6)
    assert bad is not None and bad.error == "ValueError('x')" and bad.traceback and not bad.not_kept


def test_a_text_that_another_source_tells_later_is_there() -> None:
    store = thinned(received(1, args=LONG), stage=1)
    store.apply_results([ResultReport(id="t1", status="SUCCESS", args=[1], result=2)], T0 + 5)
    task = store.task("t1", T0 + 6)
    assert task is not None and task.not_kept == []


def test_a_success_is_let_go_and_counted() -> None:
    id = let_go()
    store = thinned(*life(id))
    assert not store.knows(id) and store.relief().successes == 1
    [row] = _statistics(store)
    assert (row.sent, row.received, row.started, row.succeeded) == (1, 1, 1, 1)
    assert row.runtime_p50 == pytest.approx(1.5, rel=0.05) and row.wait_p50 == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("end", [failed(3, "x"), retried(3, "x")], ids=["failed", "retried"])
def test_whatever_does_not_succeed_is_kept_whole(end: Event) -> None:
    end.uuid = id = let_go()
    store = thinned(*life(id)[:3], end)
    task = store.task(id, T0 + 4)
    assert task is not None and task.state in ("failure", "retry") and store.relief().successes == 0
    assert (task.name, task.queue, task.args, task.sent) == ("shop.add", "celery", "(1, 2)", T0)
    assert task.error == end.exception and task.started == T0 + 2
    [row] = _statistics(store)
    assert (row.sent, row.started, row.failed + row.retried) == (1, 1, 1)


def test_counts_are_those_of_a_store_that_keeps_all() -> None:
    chance = random.Random(7)
    events: list[Event] = []
    for number in range(2000):
        events += life(
            f"id-{number}", chance.random() * 2, "failed" if chance.random() < 0.1 else "succeeded"
        )
    events.sort(key=lambda event: event.timestamp)
    whole, thin = Store(), Store()
    thin.relieve(2, T0)
    for start in range(0, len(events), 50):
        whole.apply_events(events[start : start + 50])
        thin.apply_events(events[start : start + 50])
    assert _statistics(whole) == _statistics(thin)
    for kind in ("worker", "queue"):
        assert _statistics(whole, kind) == _statistics(thin, kind)
    failures = whole.select("state:failure", 2000, T0 + 10)
    assert sorted(thin.select("state:failure", 2000, T0 + 10)) == sorted(failures)
    kept = thin.counts()["success"]
    assert kept + thin.relief().successes == whole.counts()["success"] and kept < 600


def test_a_worker_counts_the_same_starts_so_that_nothing_seems_lost() -> None:
    store = Store()
    store.relieve(3, T0)
    for n in range(10):
        store.apply_events([*life(f"id-{n}", n), beat(n + 4, processed=n + 1)])
    assert store.workers(T0 + 15)[0].loss == 0.0


def test_a_task_that_runs_for_long_is_shown_while_it_runs() -> None:
    id = let_go()
    store = thinned(*life(id)[:3])
    assert not store.knows(id)
    store.apply_events([beat(2 + HOLD)])
    task = store.task(id, T0 + 10)
    assert task is not None and task.state == "started" and task.name == "shop.add"
    store.apply_events([succeeded(20, id)])
    assert store.counts() == {"success": 1}


def test_a_task_that_waits_for_long_is_shown_once_a_worker_has_it() -> None:
    id = let_go()
    store = thinned(sent(0, id))
    store.apply_events([beat(2 + HOLD)])
    assert not store.knows(id) and store.relief().waiting == 1
    store.apply_events([received(20, id), failed(21, id)])
    task = store.task(id, T0 + 22)
    assert task is not None and task.name == "shop.add" and task.state == "failure"


def test_at_its_end_what_was_held_back_is_shown_also_when_no_more_events_come() -> None:
    id = let_go()
    store = thinned(*life(id)[:3])
    store.relieve(0, T0 + 3)
    store.second(T0 + 3)
    assert store.counts() == {"started": 1}
    store.apply_events(life("later"))
    assert store.counts() == {"started": 1, "success": 1}


def test_what_a_second_shows_is_told_with_its_events() -> None:
    """For the history, and for who follows the events."""
    id = let_go()
    store = thinned(*life(id)[:3])
    assert not len(store.told.rows) and not store.second(T0 + 3)
    assert store.second(T0 + 3 + HOLD)
    told = store.told
    assert [one.type for one in told.events] == ["task-sent", "task-received", "task-started"]
    assert len(told.rows) == 3 and set(told.rows.tolist()) == {store.columns.row[0]}
    assert not store.second(T0 + 4 + HOLD)


@pytest.mark.parametrize("runtime", [1e300, float("inf"), float("nan"), -1.0])
def test_an_odd_run_time_ends_no_statistics(runtime: float) -> None:
    store = thinned(*life(id := let_go())[:3], succeeded(3, id, runtime=runtime))
    [row] = _statistics(store)
    assert (row.started, row.succeeded, row.runtime_p50) == (1, 1, None)


def test_a_run_time_that_is_no_number_ends_none_and_its_task_is_shown() -> None:
    store = thinned(*life(id := let_go())[:3], succeeded(3, id, runtime="soon"))
    assert [row.started for row in _statistics(store)] == [1]
    store.second(T0 + 3 + HOLD)
    task = store.task(id, T0 + 9)
    assert task is not None and task.state == "success" and task.name == "shop.add"


def test_a_clock_that_jumps_back_holds_nothing_for_ever() -> None:
    id = let_go()
    store = thinned(*life(id)[:3])
    store.second(T0 - 3600)
    assert store.counts() == {"started": 1}


def test_what_is_known_already_is_never_let_go() -> None:
    id = let_go()
    store = Store()
    store.apply_events(life(id)[:1])
    store.relieve(3, T0)
    store.apply_events(life(id)[1:])
    assert store.counts() == {"success": 1} and store.relief().successes == 0


def test_a_success_that_another_source_knows_is_shown_with_its_end() -> None:
    id = let_go()
    store = thinned(*life(id)[:3])
    active = TaskReport(id=id, phase="active", worker="w1@a", name="shop.add", time_start=T0 - 60)
    store.apply_tasks([active], T0 + 2.5)
    store.apply_events(life(id)[3:])
    assert store.counts() == {"success": 1} and store.relief().successes == 0
    [row] = _statistics(store)
    assert (row.sent, row.received, row.started, row.succeeded) == (1, 1, 1, 1)


def test_an_answer_that_is_older_than_the_end_brings_back_nothing() -> None:
    id = let_go()
    store = thinned(*life(id))
    old = TaskReport(id=id, phase="active", worker="w1@a", time_start=T0 + 2)
    store.apply_worker(WorkerReport(worker="w1@a", at=T0 + 4, ping=True, active=[old]))
    store.apply_messages("celery", [Message(position=0, id=id)], T0 + 4, "in-flight")
    assert store.counts() == {}
    long = TaskReport(id="long", phase="active", worker="w1@a", time_start=T0 - 60)
    store.apply_worker(WorkerReport(worker="w1@a", at=T0 + 4, ping=True, active=[long]))
    assert store.counts() == {"started": 1}


def test_the_doctor_counts_successes_that_were_let_go() -> None:
    store = Store()
    store.relieve(3, T0)
    for number in range(400):
        at = number / 100
        store.apply_events(life(f"id-{number}", at, "failed" if number % 40 == 0 else "succeeded"))
    store.second(T0 + 8)
    steps = store.task_facts_steps(T0 + 8, 120.0)
    with pytest.raises(StopIteration) as done:
        while True:
            next(steps)
    fact = done.value.value.names["shop.add"]
    assert (fact.failed, fact.ended) == (10, 400)


def test_what_is_held_back_is_bounded() -> None:
    store = Store(200_000)
    store.relieve(3, T0)
    events = [received(0, f"id-{number}") for number in range(MOST_HELD + 5000)]
    store.apply_events(events)
    assert len(store._intake.thinning._held) == MOST_HELD


def test_a_result_of_what_was_let_go_does_not_bring_it_back() -> None:
    id = let_go()
    store = thinned(*life(id))
    store.apply_results([ResultReport(id=id, status="SUCCESS", result=3)], T0 + 5)
    store.apply_results([ResultReport(id="bad", status="FAILURE", result="x")], T0 + 5)
    assert store.counts() == {"failure": 1}


def test_hostile_events_are_left_out_and_the_rest_is_taken() -> None:
    id = let_go()
    bad = [
        received(1, id),
        Event(type="task-received", uuid=7),
        Event(type="task-started", uuid=id, timestamp="x"),
    ]  # type: ignore[arg-type]
    store = thinned(*bad, *life(id)[2:])
    assert not store.knows(id) and store.events_malformed() >= 1


def _statistics(store: Store, kind: str = "task") -> list:  # type: ignore[type-arg]
    steps = store.statistics_steps(kind, 3600, T0 + 10)  # type: ignore[arg-type]
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return list(done.value.rows)
