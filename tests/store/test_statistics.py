"""Counts and quantiles by task name, worker and queue."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from typing import Any

import pytest

from lazycelery.model.statistics import Kind, Statistics
from lazycelery.store import rings
from lazycelery.store import statistics as module
from lazycelery.store.loss import Rate
from lazycelery.store.sketch import bucket, merge, quantiles
from lazycelery.store.statistics import HOUR, Figures
from lazycelery.store.store import Store
from lazycelery.store.sums import Sums
from tests.store.build import T0, failed, received, retried, sent, started, succeeded


def ran(store: Store, at: float, uuid: str, runtime: float, worker: str = "w1@h", wait: float = 0.5) -> None:
    store.apply_events(
        [
            sent(at, uuid),
            received(at + 0.1, uuid, worker=worker),
            started(at + wait, uuid, worker),
            succeeded(at + wait + runtime, uuid, worker, runtime=runtime),
        ]
    )


def read(
    store: Store, kind: Kind, window: float, now: float, between: Callable[[], None] = int
) -> Statistics:
    """All of a kind; `between` is called after each slice."""
    steps = store.statistics_steps(kind, window, now)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        between()


def seconds(store: Store, first: int, last: int) -> None:
    for second in range(first, last):
        store.second(T0 + second)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.95, 1.0])
def test_quantiles_are_within_two_and_a_half_percent(share: float) -> None:
    values = [0.001 * 1.01**number for number in range(1000)]
    buckets: dict[int, int] = {}
    for value in values:
        merge(buckets, {bucket(value): 1})
    [found] = quantiles(buckets, (share,))
    assert found == pytest.approx(values[round(share * 999)], rel=0.026)


def test_nothing_counted_has_no_quantile() -> None:
    assert quantiles({}, (0.5, 0.99)) == [None, None]


def test_a_duration_of_nothing_and_one_of_years_are_counted() -> None:
    assert bucket(0.0) == bucket(-1.0) == 0
    [most] = quantiles({bucket(3e8): 1}, (0.5,))
    assert most == pytest.approx(3e8, rel=0.026)


def test_a_task_name_its_worker_and_its_queue_are_told_apart() -> None:
    store = Store()
    store.second(T0)
    for number in range(20):
        ran(store, 0, f"t{number}", runtime=2.0, worker=f"w{number % 2}@h")
    store.apply_events([received(1, "f"), started(1.5, "f"), failed(2, "f")])
    store.apply_events([received(1, "r"), started(1.5, "r"), retried(2, "r")])
    seconds(store, 1, 11)
    [task] = read(store, "task", 60, T0 + 10).rows
    assert (task.key, task.sent, task.started, task.succeeded, task.failed, task.retried) == (
        *("shop.add", 20, 22),
        *(20, 1, 1),
    )
    assert task.failure_share == pytest.approx(1 / 21) and task.retry_share == pytest.approx(1 / 22)
    assert task.runtime_p50 == pytest.approx(2.0, rel=0.03) and task.wait_p50 == pytest.approx(0.5, rel=0.03)
    assert task.rate == pytest.approx(22 / 11, rel=0.1)
    workers = {row.key: row.succeeded for row in read(store, "worker", 60, T0 + 10).rows}
    assert workers == {"w0@h": 10, "w1@h": 10}
    [queue] = read(store, "queue", 60, T0 + 10).rows
    assert (queue.key, queue.succeeded, queue.failed) == ("celery", 20, 0)


@pytest.mark.parametrize(("window", "blind"), [(60, 20), (7200, 3600), (86_400, 40_000)])
def test_a_rate_is_of_the_seconds_in_which_events_could_be_seen(window: float, blind: int) -> None:
    store = Store()
    store.second(T0)
    for number in range(20):
        ran(store, 0, f"t{number}", runtime=0.5)
    seconds(store, 1, 11)
    for second in range(11, 11 + blind):
        store.second(T0 + second, seeing=False)
    now = T0 + 10 + blind
    found = read(store, "task", window, now)
    assert found.seen == pytest.approx(11, abs=1.5) and found.since <= T0
    usual = store.usual("task", "shop.add", now, window)
    assert [row.rate for row in (*found.rows, usual)] == pytest.approx([20 / found.seen] * 2)


@pytest.mark.parametrize(("window", "wanted"), [(30, 0), (600, 1), (7200, 2), (86_400, 3)])
def test_a_window_counts_what_lies_within_it(window: float, wanted: int) -> None:
    store = Store()
    store.second(T0)
    second = 1
    for number, at in enumerate((10, 10_500, 17_150)):
        seconds(store, second, at)
        second = at
        ran(store, at, f"t{number}", 1.0)
    seconds(store, second, 17_200)
    found = read(store, "task", window, T0 + 17_200)
    assert sum(row.succeeded for row in found.rows) == wanted
    assert found.since >= T0 - 1


def test_what_is_usual_comes_from_days() -> None:
    store = Store()
    store.second(T0)
    ran(store, 0, "a", 4.0)
    seconds(store, 1, 20_000)
    usual = store.usual("task", "shop.add", T0 + 20_000)
    assert usual is not None and usual.succeeded == 1
    assert usual.runtime_p95 == pytest.approx(4.0, rel=0.03)
    assert store.usual("task", "never.seen", T0) is None


def test_it_stays_bounded_whatever_names_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STEP", 30)
    monkeypatch.setattr(rings, "MAX_STEP", 30)
    monkeypatch.setattr(rings, "MAX_CELLS", 400)
    store = Store()
    figures: Figures = store._intake.figures
    for second in range(300):
        for number in range(40):
            uuid = f"{second}-{number}"
            store.apply_events([received(second, uuid, name=f"n{second}.{number}")])
        store.second(T0 + second)
    cells = sum(ring.cells() for ring in figures.rings.all)
    assert cells <= 400
    assert read(store, "task", 60, T0 + 300).left_out > 0


def test_a_clock_that_jumps_back_does_no_harm() -> None:
    store = Store()
    seconds(store, 0, 100)
    ran(store, 100, "a", 1.0)
    seconds(store, -5000, -4900)
    ran(store, -4900, "b", 1.0)
    store.second(T0 - 4899)
    rows = read(store, "task", 86_400, T0 - 4899).rows
    assert sum(row.succeeded for row in rows) == 2


def ten_a_second(store: Store, first: int, last: int) -> None:
    for second in range(first, last):
        for number in range(10):
            uuid = f"{second}-{number}"
            store.apply_events([received(second, uuid), started(second, uuid), succeeded(second, uuid)])
        store.second(T0 + second)


@pytest.mark.parametrize("back", [3600, 12, 10 * 86_400])
@pytest.mark.parametrize("after", [1, 5, 130])
def test_rates_stay_what_they_are_when_the_clock_jumps_back(back: int, after: int) -> None:
    store = Store()
    ten_a_second(store, 0, 300)
    ten_a_second(store, 300 - back, 300 - back + after)
    now = T0 + 300 - back + after - 1
    for window, most in ((60, 62), (150, 150 + 62), (3600, 300 + after), (86_400, 300 + after)):
        found = read(store, "task", window, now)
        [row] = found.rows
        assert row.rate == pytest.approx(10.0, rel=0.05)
        assert row.succeeded <= 10 * most
        usual = store.usual("task", "shop.add", now, window)
        assert usual is not None and usual.rate == pytest.approx(10.0, rel=0.05)


def test_what_happened_before_the_clock_jumped_back_leaves_its_window_in_time() -> None:
    store = Store()
    ten_a_second(store, 0, 300)
    seconds(store, -10_000, -9_790)
    [before] = read(store, "task", 600, T0 - 9_790).rows
    assert before.succeeded == 3000
    assert not read(store, "task", 150, T0 - 9_790).rows


def test_a_minute_counts_once_also_when_the_clock_jumped_back_since() -> None:
    store = Store()
    store.second(T0)
    minutes = store.figures.minutes.steps
    ten_a_second(store, 1, 300)
    last = minutes[-1]
    ten_a_second(store, -3600, -3400)
    fresh = rings.after(minutes, last)
    assert 3 <= len(fresh) <= 5
    assert sum(sum(cell.counts[3] for cell in kept.cells.values()) for kept in fresh) <= 3 * 2600


@pytest.mark.parametrize("back", [3600.0, 3.0])
def test_events_a_second_stay_what_they_are_when_the_clock_jumps_back(back: float) -> None:
    rate = Rate()
    for second in range(30):
        rate.add(T0 + second, 10)
    for second in range(30, 45):
        rate.add(T0 + second - back, 10)
        assert rate.per_second(T0 + second - back + 0.5) == pytest.approx(10.0, rel=0.15)


def test_events_a_second_end_also_when_the_clock_jumped_back_with_them() -> None:
    store = Store()
    ten_a_second(store, 0, 30)
    assert store.events_per_second(T0 + 30) == pytest.approx(30.0, rel=0.15)
    seconds(store, -3600, -3580)
    assert store.events_per_second(T0 - 3580) == 0.0


def test_hours_are_kept_for_another_and_put_before_its_own() -> None:
    store = Store()
    store.second(T0)
    ran(store, 0, "a", 4.0)
    store.second(T0 + 1)
    again = Store()
    again._intake.figures.columns = store._intake.figures.columns
    for at, key, cell in store._intake.figures.hours():
        again._intake.figures.put_before(at, {key: cell})
    again.second(T0 + 4000)
    usual = again._intake.figures.one("task", "shop.add", 86_400, T0 + 4000)
    assert usual is not None and usual.succeeded == 1


def test_what_is_counted_while_it_is_read_counts_once() -> None:
    store = Store()
    store.second(T0)
    for number in range(50):
        ran(store, 0, f"t{number}", 1.0)
    now = T0 + 1

    def hour_over() -> None:
        nonlocal now
        now += 3600
        store.second(now)

    found = read(store, "task", 86_400, now, hour_over)
    assert now > T0 + 1 and [row.succeeded for row in found.rows] == [50]


def test_what_is_kept_of_an_hour_is_counted_once_though_seconds_go_by_meanwhile() -> None:
    store = Store()
    store.second(T0)
    for number in range(20):
        ran(store, 0, f"t{number}", 1.0, worker=f"w{number}@h")
    kept = 0
    for second, (_, _, cell) in enumerate(store.figures.hours(2), 1):
        kept += cell.counts[module.SUCCEEDED]
        store.second(T0 + second)
    assert kept == 3 * 20  # By name, worker and queue.


def result_of(steps: Generator[None, None, Any]) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return done.value


def test_a_window_that_is_asked_for_again_and_again_is_counted_as_one_that_is_new() -> None:
    store, dice = Store(100), random.Random(3)
    for second in range(9000):
        at = T0 + second
        if dice.random() < 0.1:
            id = f"t{second}"
            name = f"shop.n{dice.randrange(5)}"
            store.apply_events(
                [received(second, id, name=name), succeeded(second, id, runtime=dice.random())]
            )
        store.second(at)
        if dice.random() < 0.004:
            for window in (30.0, 600.0, HOUR, 3 * HOUR):
                told = result_of(store.statistics_steps("task", window, at))
                figures = store.figures
                figures._sums = Sums() if dice.random() < 0.2 else figures._sums
                under_way, finished = figures._steps(window, at)
                span = max(1.0, at - min(kept.at for kept in (*under_way, *finished) if kept.at))
                assert told.rows == result_of(figures._rows("task", under_way, finished, span))


def test_an_hour_is_summed_up_before_anybody_asks() -> None:
    store = Store(100)
    for second in range(4000):
        store.apply_events([received(second, f"t{second}"), succeeded(second, f"t{second}")])
        store.second(T0 + second)
    steps = store.statistics_steps("task", HOUR, T0 + 4000)
    assert sum(1 for _ in steps) < 10  # Sixty minutes would be sixty steps.
