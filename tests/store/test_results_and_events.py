"""The result backend and the event stream tell of the same runs, each at its own pace."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lazycelery.engine.engine import Engine
from lazycelery.model.event import Event
from lazycelery.model.profile import Profile
from lazycelery.model.reports import ResultReport
from lazycelery.model.task import TaskQuery
from lazycelery.store.store import Store
from tests.store.build import T0, event, failed, received, retried, sent, started, succeeded, task
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, app_env

News = Event | ResultReport
BOOM = {"exc_type": "ValueError", "exc_message": ["x"], "exc_module": "builtins"}


def result(at: float, status: str = "SUCCESS", **fields: Any) -> ResultReport:
    told = {"id": "t1", "result": 3 if status == "SUCCESS" else BOOM, **fields}
    return ResultReport(status=status, date_done=T0 + at, **told)


def store_of(*news: News) -> Store:
    store = Store(1000)
    for one in news:
        take(store, one)
    return store


def take(store: Store, one: News) -> None:
    if isinstance(one, Event):
        store.apply_events([one])
    else:
        store.apply_results([one], (one.date_done or T0) + 0.001)


def told(store: Store) -> dict[str, Any]:
    fields = msgspec.to_builtins(task(store))
    fields.pop("seen")
    return fields


@pytest.mark.parametrize("said", ["\x00garbage", '\x00["not", "what was sent"]', "\x00" * 9, "\x00"])
@pytest.mark.parametrize("careful", [False, True])
def test_no_text_from_the_wire_is_taken_for_a_value_that_a_trusted_source_told(
    said: str, careful: bool
) -> None:
    store = Store(1000)
    fields = {"eta": "2030-01-01T00:00:00"} if careful else {}
    store.apply_events(
        [
            received(1, args=said, kwargs=said, **fields),
            started(1.5),
            succeeded(2, result=said),
            received(1, "t2"),
            started(1.5, "t2"),
            event("failed", 2, "t2", exception=said, traceback=said),
        ]
    )
    store.apply_results([result(2, id="t3", args=said, kwargs=said)], T0 + 3)
    store.apply_results([result(2, "FAILURE", id="t4", result=said)], T0 + 3)
    row, shown = store.query(TaskQuery(filter="t1"), T0 + 9).rows[0], "\ufffd" + said[1:]
    assert shown in (row.args or "")
    for one in (task(store), task(store, "t3")):
        assert (one.args, one.kwargs) == (shown, shown)
    assert task(store).result == task(store, "t2").error == task(store, "t4").error == shown


@pytest.mark.parametrize("runtime", [-1.0, 1e300])
@pytest.mark.parametrize("careful", [False, True])
def test_a_run_time_that_no_clock_tells_is_none(runtime: float, careful: bool) -> None:
    fields = {"eta": "2000-01-01T00:00:00"} if careful else {}
    store = store_of(received(1, **fields), started(1.5), succeeded(2, runtime=runtime))
    told = task(store).runtime
    assert told is None or told == pytest.approx(0.5)


def test_a_text_of_an_older_history_that_only_looks_like_a_value_is_told_as_it_is() -> None:
    store = store_of(received(1), started(1.5), succeeded(2))
    store.columns.args[0] = "\x00garbage"
    assert task(store).args == "garbage"
    assert store.query(TaskQuery(filter="args:garbage"), T0 + 9).rows[0].args == "'garbage'"


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (succeeded(2.014, runtime=0.005), "SUCCESS"),
        (failed(2.014), "FAILURE"),
        (event("revoked", 2.014), "REVOKED"),
    ],
)
def test_a_result_may_come_between_any_events_of_its_run(end, status):
    # the child writes the result before the main process says that the task has started
    life = [sent(1), received(2), started(2.012), result(2.010, status), end]
    expected = told(store_of(*life))
    assert expected["marks"] == []
    assert len(expected["attempts"]) == 1
    assert [expected[name] for name in ("sent", "received", "started", "finished")] == [
        T0 + 1,
        T0 + 2,
        T0 + 2.012,
        T0 + 2.014,
    ]
    assert expected["worker"] == "w1@h"
    for order in permutations(life):
        assert told(store_of(*order)) == expected, order


@pytest.mark.parametrize("status", ["SUCCESS", "FAILURE", "REVOKED"])
def test_without_the_events_end_the_order_does_not_matter_either(status):
    life = [sent(1), received(2), started(2.012), result(2.010, status)]
    expected = told(store_of(*life))
    assert (expected["worker"], expected["runtime"], len(expected["attempts"])) == ("w1@h", 0.0, 1)
    for order in permutations(life):
        assert told(store_of(*order)) == expected, order


def test_a_start_may_be_later_than_the_result_by_as_much_as_clocks_differ():
    ahead = [event("started", 40.0 + n, "other") for n in range(3)]
    for one in ahead:
        one.received = one.timestamp - 30
    store = store_of(*ahead, received(31))
    store.apply_results([ResultReport(id="t1", status="SUCCESS")], T0 + 1.1)
    store.apply_events([started(31.2)])
    assert (task(store).state, len(task(store).attempts)) == ("success", 1)


@pytest.mark.parametrize("status", ["SUCCESS", "FAILURE", "REVOKED"])
def test_a_delivery_clearly_after_the_result_runs_again(status):
    store = store_of(received(1), started(2), result(3, status), received(60), started(61))
    one = task(store)
    assert one.state == "started"
    assert "delivered-again" in one.marks
    assert [attempt.state for attempt in one.attempts] == [status.lower(), "started"]
    assert one.sources["started"] == "event"


def test_a_delivery_after_a_run_that_was_seen_whole_runs_again_however_soon():
    store = store_of(received(1), started(2), result(3), received(3.2, worker="w2@h"))
    assert [attempt.state for attempt in task(store).attempts] == ["success", "received"]


def test_a_result_that_is_read_again_does_not_end_the_next_run():
    for news in ([received(60)], [received(60), started(61)], [started(61)]):
        store = store_of(received(1), started(2), succeeded(3), *news, result(3))
        assert task(store).state in ("received", "started")
        assert task(store).attempts[0].state == "success"


RETRY_TWICE = [
    *(sent(0), received(0.01), sent(0.030, retries=1), result(0.031, "RETRY"), started(0.033)),
    *(received(0.0305, retries=1), retried(0.035), started(0.041), sent(0.060, retries=2)),
    *(result(0.061, "RETRY"), received(0.0605, retries=2), retried(0.064)),
    *(result(0.080), started(0.082), succeeded(0.084)),
]


def test_retries_with_results_are_attempts_of_one_task():
    one = task(store_of(*RETRY_TWICE))
    assert [attempt.state for attempt in one.attempts] == ["retry", "retry", "success"]
    assert [attempt.sent for attempt in one.attempts] == [T0, T0 + 0.030, T0 + 0.060]
    assert [attempt.started for attempt in one.attempts] == [T0 + 0.033, T0 + 0.041, T0 + 0.082]
    assert one.marks == []


@settings(deadline=None)
@given(st.permutations([each for each in RETRY_TWICE if isinstance(each, ResultReport)]), st.data())
def test_results_may_fall_anywhere_among_the_events_of_retries(results, data):
    order: list[News] = [each for each in RETRY_TWICE if isinstance(each, Event)]
    for one in results:
        order.insert(data.draw(st.integers(0, len(order))), one)
    done = task(store_of(*order))
    assert done.state == "success"
    assert "delivered-again" not in done.marks
    assert [attempt.number for attempt in done.attempts] == [*range(len(done.attempts))]
    assert len(done.attempts) == 3


def test_a_retrys_document_without_a_date_is_not_of_the_run_that_waits():
    """So Celery writes it; it stays until the next run begins, and may be read again at any time."""
    eta = "2026-09-21T14:23:20+00:00"
    store = store_of(sent(0), received(0.01), started(0.02), sent(0.03, retries=1, eta=eta))
    for one in (received(0.04, retries=1, eta=eta), retried(0.05)):
        take(store, one)
    store.apply_results([ResultReport(id="t1", status="RETRY", result=BOOM)], T0 + 9)
    assert [attempt.state for attempt in task(store).attempts] == ["retry", "scheduled"]
    assert task(store).state == "scheduled"
    take(store, started(601))
    take(store, retried(602))
    assert task(store).state == "retry"


def test_a_retry_that_only_the_backend_told_has_its_reason():
    store = store_of(sent(0), received(1), result(3, "RETRY"))
    assert (task(store).state, task(store).error) == ("retry", "ValueError('x')")
    take(store, started(3.002))
    assert (task(store).state, len(task(store).attempts)) == ("retry", 1)
    take(store, received(5, retries=1))
    assert [attempt.state for attempt in task(store).attempts] == ["retry", "received"]


SEND = """
import sys
from tests.support.tasks import add
ids = [add.delay(n, n).id for n in range(int(sys.argv[1]))]
print(*ids)
"""


@pytest.mark.broker
async def test_fast_tasks_have_one_attempt_each_while_results_are_heard_too(
    broker: RedisServer, worker: Callable[..., CeleryWorker]
) -> None:
    await asyncio.to_thread(worker)
    engine = Engine(Profile(broker=broker.url, backend=broker.url))
    await engine.start()
    try:
        await engine.ready(10)
        await asyncio.wait_for(subscribed(broker), 10)
        ids = await sent_by_client(broker, 200)
        await asyncio.wait_for(all_told(engine, ids), 60)
        odd = {}
        for id in ids:
            one = await engine.task(id, fetch=False)
            if (
                {"delivered-again", "state-inferred"} & {*one.marks}
                or len(one.attempts) != 1
                or one.received is None
                or one.sent is None
            ):
                odd[id] = one
        assert not odd
    finally:
        await engine.close()


async def subscribed(broker: RedisServer) -> None:
    client = broker.client()
    while not int(client.pubsub_numpat()) >= 2:  # type: ignore[arg-type]
        await asyncio.sleep(0.05)


async def sent_by_client(broker: RedisServer, count: int) -> list[str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SEND, str(count), env=app_env(broker.url), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return out.decode().split()


async def all_told(engine: Engine, ids: list[str]) -> None:
    """Both sources have told the end of each task."""
    while (await engine.overview()).events_seen < 4 * len(ids):
        await asyncio.sleep(0.1)
    for id in ids:
        while (await engine.task(id, fetch=False)).sources.get("result") != "result":
            await asyncio.sleep(0.1)
