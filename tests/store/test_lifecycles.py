"""A task's life in events, as FACTS of the wire have it, in every order that may come."""

from __future__ import annotations

from itertools import permutations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazycelery.model.event import Event
from lazycelery.store.store import Store
from tests.store.build import (
    T0,
    beat,
    event,
    failed,
    received,
    retried,
    sent,
    started,
    store_of,
    succeeded,
    task,
)


def told(one: object) -> dict:
    """A task without what depends on our own clock."""
    fields = msgspec.to_builtins(one)
    fields.pop("seen")
    return fields


@pytest.mark.parametrize("end", [succeeded(4), failed(4), event("revoked", 4, terminated=True)])
def test_any_order_of_a_simple_life_ends_the_same(end):
    life = [sent(1), received(2), started(3), end]
    expected = told(task(store_of(*life)))
    assert expected["sent"] == T0 + 1
    assert expected["received"] == T0 + 2
    assert expected["started"] == T0 + 3
    assert expected["finished"] == T0 + 4
    assert expected["wait"] == 2.0
    for order in permutations(life):
        assert told(task(store_of(*order))) == expected
        store = Store(100)
        store.apply_events(list(order))
        assert told(task(store)) == expected


@settings(deadline=None)
@given(st.permutations([received(2), started(3), succeeded(4)]), st.integers(1, 3))
def test_what_was_seen_twice_changes_nothing(order, times):
    assert told(task(store_of(*order, *order[:times]))) == told(task(store_of(*order)))


RETRY_TWICE = [
    sent(0),
    received(1),
    started(2),
    sent(3, retries=1),
    received(3.1, retries=1),
    retried(3.2),
    started(4),
    received(5.1, retries=2),
    sent(5, retries=2),
    retried(5.2),
    started(6),
    succeeded(7),
]


def test_retries_are_attempts_of_one_task():
    one = task(store_of(*RETRY_TWICE))
    assert one.state == "success"
    assert one.retries == 2
    assert one.error is None
    assert [attempt.state for attempt in one.attempts] == ["retry", "retry", "success"]
    assert [attempt.error for attempt in one.attempts] == ["Timeout()", "Timeout()", None]
    assert [attempt.started for attempt in one.attempts] == [T0 + 2, T0 + 4, T0 + 6]
    assert [attempt.finished for attempt in one.attempts] == [T0 + 3.2, T0 + 5.2, T0 + 7]
    assert one.marks == []


def test_a_task_that_retries_for_days_goes_on_being_shown():
    """A poller gets to more retries than a column holds: its events were refused from there on."""
    store, at = store_of(received(0)), 0
    for retries in range(32_765, 32_771):
        at += 10
        store.apply_events([started(at), retried(at + 1), received(at + 2, retries=retries)])
    store.apply_events([started(at + 3), succeeded(at + 4)])
    one = store.task("t1", T0)
    assert (one.state, one.received, one.retries) == ("success", T0 + at + 2, 32_767)
    assert len(one.attempts) == 7 and not store._intake.malformed


def test_retries_without_sent_events_are_attempts_too():
    one = task(store_of(*[each for each in RETRY_TWICE if each.type != "task-sent"]))
    assert [attempt.state for attempt in one.attempts] == ["retry", "retry", "success"]
    assert one.sent is None
    assert one.wait is None, "nobody told when it was sent"


def test_a_retry_in_waiting_is_a_retry_with_its_reason():
    for order in ([sent(3, retries=1), retried(3.2)], [retried(3.2), sent(3.3, retries=1)], [retried(3.2)]):
        one = task(store_of(received(1), started(2), *order))
        assert one.state == "retry"
        assert one.error == "Timeout()"


def test_the_next_run_may_be_received_before_the_last_one_says_retried():
    store = store_of(received(1), started(2), received(3.1, retries=1))
    assert task(store).state == "received"
    store.apply_events([retried(3.2)])
    one = task(store)
    assert one.state == "received"
    assert one.attempts[0].state == "retry"
    assert one.attempts[0].error == "Timeout()"


@settings(deadline=None)
@given(st.sampled_from([(a, b) for a in range(len(RETRY_TWICE) - 1) for b in (a + 1,)]))
def test_neighbours_that_swap_end_the_same(swap):
    a, b = swap
    order = list(RETRY_TWICE)
    order[a], order[b] = order[b], order[a]
    one = task(store_of(*order))
    assert one.state == "success"
    assert [attempt.state for attempt in one.attempts] == ["retry", "retry", "success"]


@settings(deadline=None)
@given(st.lists(st.floats(0, 0.9), min_size=len(RETRY_TWICE), max_size=len(RETRY_TWICE)))
def test_events_that_come_up_to_a_second_late_end_the_same(delays):
    order = sorted(zip(RETRY_TWICE, delays, strict=True), key=lambda each: each[0].timestamp + each[1])
    one = task(store_of(*[each for each, _ in order]))
    assert one.state == "success"
    assert [attempt.state for attempt in one.attempts] == ["retry", "retry", "success"]


def test_a_retry_that_names_itself_as_parent_has_none():
    one = task(store_of(received(1, parent_id="t1", root_id="t1")))
    assert one.parent_id is None
    assert one.children == []


def test_children_follow_from_parents():
    store = store_of(received(1), received(2, "c1", parent_id="t1"), received(3, "c2", parent_id="t1"))
    assert task(store).children == ["c1", "c2"]


def test_reject_says_failed_and_rejected_and_stays_a_failure():
    for order in permutations([failed(4), event("rejected", 4.001, requeue=False)]):
        one = task(store_of(received(1), started(2), *order))
        assert one.state == "failure"
        assert one.error == "ValueError('x')"
        assert "also-rejected" in one.marks


def test_reject_with_requeue_waits_again_and_the_next_delivery_is_another_attempt():
    store = store_of(received(1), started(2), event("rejected", 3, requeue=True))
    assert task(store).state == "waiting"
    store.apply_events([received(4), started(5), succeeded(6)])
    one = task(store)
    assert one.state == "success"
    assert [attempt.state for attempt in one.attempts] == ["rejected", "success"]


def test_expired_has_no_reception():
    one = task(store_of(sent(1), event("revoked", 2, expired=True)))
    assert one.state == "revoked"
    assert one.received is None
    assert "expired" in one.marks


def test_a_custom_event_starts_nothing():
    progress = event("progress", 1, extra={"current": 5})
    store = store_of(progress)
    assert task(store).state == "unknown"
    assert task(store).progress == {"current": 5}
    store.apply_events([sent(0), received(0.5)])
    assert task(store).state == "received"
    store.apply_events([started(0.9), event("progress", 2, extra={"current": 9}), succeeded(3)])
    assert task(store).state == "success"
    assert task(store).progress == {"current": 9}


def test_a_custom_event_of_another_kind_makes_no_task():
    store = store_of(Event(type="myapp-thing", uuid="u", hostname="w1@h", timestamp=T0, received=T0))
    assert store.task("u", T0) is None


def test_an_eta_task_is_scheduled_and_its_wait_begins_when_it_is_due():
    eta = "2026-09-21T14:14:20+00:00"  # T0 + 60
    store = store_of(sent(0, eta=eta), received(1, eta=eta))
    assert task(store).state == "scheduled"
    store.apply_events([started(60.5)])
    assert task(store).wait == pytest.approx(0.5, abs=1)


def test_a_redelivery_is_another_attempt():
    store = store_of(received(1), started(2), received(50, worker="w2@h"), started(51, worker="w2@h"))
    one = task(store)
    assert one.state == "started"
    assert one.worker == "w2@h"
    assert len(one.attempts) == 2
    assert "delivered-again" in one.marks
    # the first run ends while the second still runs
    store.apply_events([succeeded(52)])
    assert task(store).state == "started"
    assert task(store).attempts[0].state == "success"
    store.apply_events([succeeded(53, worker="w2@h")])
    assert task(store).state == "success"


def test_a_finished_task_that_is_delivered_again_runs_again():
    store = store_of(received(1), started(2), succeeded(3), received(100))
    assert task(store).state == "received"
    assert [attempt.state for attempt in task(store).attempts] == ["success", "received"]


def test_late_words_of_a_finished_run_change_no_state():
    store = store_of(sent(1), succeeded(4), started(3), received(2))
    assert task(store).state == "success"
    assert len(task(store).attempts) == 1


def test_an_end_alone_tells_its_start_and_says_that_it_is_inferred():
    one = task(store_of(succeeded(5, runtime=2.0)))
    assert one.started == T0 + 3
    assert one.sources["started"] == "inferred"
    assert one.attempts[0].inferred == ["started", "received"]
    assert one.received is None
    assert "state-inferred" in one.marks


def test_where_nobody_told_the_sending_nobody_knows_the_wait():
    assert task(store_of(received(5), started(9))).wait is None, "how long did it lie in its queue before?"
    eta = "2026-09-21T14:13:28+00:00"  # T0 + 8: what waits for its ETA is not late before.
    assert task(store_of(received(5, eta=eta), started(9))).wait == pytest.approx(1.0, abs=1e-3)


def test_a_wait_is_never_negative():
    one = task(store_of(sent(10), received(2), started(3)))
    assert one.wait == 0.0
    assert "wait-clamped" in one.marks
    assert "received-before-sent" in one.marks


def test_cut_reprs_are_named():
    long = "('" + "x" * 1016 + "...',)"
    one = task(store_of(received(1, args=long, kwargs="{'a': {...}}")))
    assert one.truncated == ["args", "kwargs"]
    assert task(store_of(received(1, args="('...',)"))).truncated == []


def test_batches_are_put_in_the_order_of_the_workers_clock():
    store = Store(100)
    store.apply_events([started(3), sent(1), received(2)])
    assert task(store).state == "started"
    assert task(store).wait == 2.0


def test_a_batch_of_events_without_a_type_is_left_out():
    store = Store(100)
    store.apply_events([Event(type=None, clock=2), Event(type=None, clock=1), received(1)])  # type: ignore[arg-type]
    assert store.events_malformed() == 2
    assert task(store).state == "received"


WILD = (
    st.none()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=2), st.none(), max_size=1)
)


@settings(deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "type": st.sampled_from(
                    [each.type for each in RETRY_TWICE] + ["worker-heartbeat", "task-x", "x"]
                )
                | WILD
            },
            optional={
                name: WILD | st.sampled_from(["t1", "w1@h", T0])
                for name in Event.__struct_fields__
                if name not in ("type",)
            },
        ),
        max_size=6,
    )
)
def test_hostile_events_never_raise_and_leave_a_readable_store(hostile):
    store = Store(100)
    store.apply_events([received(1), beat(1)])
    store.apply_events([Event(**fields) for fields in hostile])
    for row in store.query(_all(), T0).rows:
        found = store.task(row.id, T0)
        assert found is not None
        msgspec.json.encode(found)
    msgspec.json.encode(store.workers(T0))
    store.lag(), store.loss(), store.events_per_second(T0)


def _all():
    from lazycelery.model.task import TaskQuery

    return TaskQuery()
