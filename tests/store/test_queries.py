from __future__ import annotations

import random

import pytest

from lazycelery.model.task import TaskQuery, TaskRow
from lazycelery.store import query as query_module
from lazycelery.store.store import Store
from tests.store.build import T0, event, failed, received, retried, sent, started, store_of, succeeded

NOW = T0 + 1000
SORTS = ["newest", "runtime", "wait", "name", "state", "worker", "queue", "retries"]


def ids(store: Store, **query: object) -> list[str]:
    return [row.id for row in store.query(TaskQuery(**query), NOW).rows]  # type: ignore[arg-type]


def busy_store(seed: int, store: Store, steps: int = 300) -> None:
    """Random lives, so that live orders can be compared with fresh ones."""
    dice = random.Random(seed)
    for step in range(steps):
        at = step * 0.5
        uuid = f"t{dice.randrange(60)}"
        kind = dice.choice([sent, received, started, succeeded, failed, retried])
        store.apply_events([kind(at, uuid)])


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("filter", ["", "state:failure", "-started runtime:>0", "name:shop.add retries:0"])
@pytest.mark.parametrize("lines", [0, 1024])
def test_a_live_order_is_the_same_as_a_fresh_one(sort, reverse, filter, lines, monkeypatch):
    monkeypatch.setattr(query_module, "LINES", lines)
    live = Store(40)
    query = TaskQuery(sort=sort, reverse=reverse, filter=filter)
    for part in range(10):
        busy_store(part, live, 40)
        kept = live.query(query, NOW)
        live._queries.orders._kept.clear()
        fresh = live.query(query, NOW)
        assert [row.id for row in kept.rows] == [row.id for row in fresh.rows]
        assert kept.matched == fresh.matched


def test_newest_is_first_and_reverse_turns_it():
    store = store_of(received(1, "a"), received(2, "b"), received(3, "c"), succeeded(4, "a"))
    assert ids(store) == ["c", "b", "a"]
    assert ids(store, reverse=True) == ["a", "b", "c"]


def test_longest_is_first_and_the_unknown_last_either_way():
    store = store_of(
        succeeded(9, "short", runtime=0.1),
        received(9, "none"),
        succeeded(9, "long", runtime=100.0),
        succeeded(9, "mid"),
    )
    assert ids(store, sort="runtime") == ["long", "mid", "short", "none"]
    assert ids(store, sort="runtime", reverse=True) == ["short", "mid", "long", "none"]


def test_names_are_in_alphabetic_order_also_when_a_new_one_comes():
    store = store_of(received(1, "a", name="m"), received(2, "b", name="z"))
    assert ids(store, sort="name") == ["a", "b"]
    store.apply_events([received(3, "c", name="B"), received(4, "d", name="z")])
    assert ids(store, sort="name") == ["c", "a", "d", "b"]


def test_a_window_has_its_place():
    store = store_of(*[received(n, f"t{n}") for n in range(10)])
    page = store.query(TaskQuery(offset=3, limit=2), NOW)
    assert [row.id for row in page.rows] == ["t6", "t5"]
    assert (page.start, page.matched, page.known, page.evicted) == (3, 10, 10, 0)
    assert page.oldest == pytest.approx(T0 + 0.01)
    assert page.stamp == store.tick().tasks
    assert ids(store, offset=99) == ["t0"]


def test_a_held_task_does_not_run_away():
    store = store_of(*[received(n, f"t{n}") for n in range(10)])
    assert store.query(TaskQuery(hold="t5", offset=-1, limit=3), NOW).held == 4
    store.apply_events([received(20 + n, f"n{n}") for n in range(100)])
    page = store.query(TaskQuery(hold="t5", offset=-1, limit=3), NOW)
    assert [row.id for row in page.rows] == ["t6", "t5", "t4"]
    assert (page.held, page.start) == (104, 103)
    gone = store.query(TaskQuery(hold="nobody", limit=1), NOW)
    assert gone.held is None
    assert gone.start == 0


def test_a_row_keeps_its_number_and_its_stamp_moves_with_it():
    store = store_of(received(1, "a"), received(2, "b"))
    before = {row.id: row for row in store.query(TaskQuery(), NOW).rows}
    store.apply_events([started(3, "a")])
    after = {row.id: row for row in store.query(TaskQuery(), NOW).rows}
    assert after["a"].row == before["a"].row
    assert after["a"].stamp != before["a"].stamp
    assert after["b"] == before["b"]


def test_a_row_is_short_whatever_the_task_holds():
    store = store_of(received(1, args="x" * 5000, kwargs="y" * 5000), failed(2))
    store.apply_events([event("failed", 3, "u", exception="z" * 5000)])
    for row in store.query(TaskQuery(), NOW).rows:
        assert len(row.args or "") <= 200
        assert len(row.error or "") <= 200


def test_writers_may_come_between_the_slices_of_a_query():
    store = Store(20_000)
    store.apply_events([received(n / 100, f"t{n}", args=f"('{n % 7}',)") for n in range(9000)])
    steps = store.query_steps(TaskQuery(filter="args:'3'", limit=5000), NOW)
    slices = 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            page = done.value
            break
        slices += 1
        store.apply_events(
            [received(100 + slices, f"n{slices}", args="('3',)"), succeeded(200, f"t{slices}")]
        )
    assert slices > 2
    assert page.matched >= 9000 // 7
    fresh = Store(20_000)
    assert fresh.select("x", 1, NOW) == []
    assert len(store.select("args:'3'", 9999, NOW)) == 9000 // 7 + 1 * ((9000 % 7) > 3) + slices


def test_a_filter_may_be_asked_about_some_ids_only():
    store = store_of(failed(1, "a"), failed(2, "b"), succeeded(3, "c"))
    assert store.among("state:failure", ["a", "c", "nobody"], NOW) == {"a"}
    assert store.among("state:failure age:>1s", ["b"], NOW) == {"b"}


def test_ids_are_found_by_their_beginning():
    store = store_of(received(1, "abcd-1"), received(2, "abcd-2"), received(3, "abcd"))
    assert store.resolve("abcd-") == ["abcd-1", "abcd-2"]
    assert store.resolve("abcd") == ["abcd"]
    assert store.resolve("x") == []
    assert len(store.resolve("abcd-", limit=1)) == 1


def test_the_oldest_finished_leave_first_and_nothing_unfinished_or_failed_before_them():
    store = Store(64)
    store.apply_events([received(1, "run"), started(2, "run"), received(3, "wait"), failed(4, "bad")])
    for n in range(500):
        store.apply_events([received(10 + n, f"ok{n}"), succeeded(10.5 + n, f"ok{n}")])
    page = store.query(TaskQuery(limit=100), NOW)
    assert page.known <= 64
    kept = [row.id for row in page.rows]
    assert {"run", "wait", "bad"} <= set(kept)
    assert kept[0] == "ok499"
    assert page.evicted == 503 - page.known
    assert sum(store.counts().values()) == page.known
    assert store.task("ok0", NOW) is None


def test_neither_failures_nor_tasks_without_an_end_crowd_all_others_out():
    """Of twenty one fails, and of one the end is never told: by and by no successes were left."""
    store = Store(1600)
    for n in range(40_000):
        end = failed if n % 20 == 3 else started if n % 20 == 7 else succeeded
        store.apply_events([received(n, f"t{n}"), end(n + 0.5, f"t{n}")])
    counts = store.counts()
    assert sum(counts.values()) <= 1600
    least = 1600 // 4 - 1600 // 16
    assert min(counts["success"], counts["failure"], counts["started"]) >= least
    newest = [row.id for row in store.query(TaskQuery(limit=300), NOW).rows]
    assert newest == [f"t{n}" for n in range(39_999, 39_699, -1)]
    for state in ("success", "failure", "started"):
        numbers = sorted(int(row.id[1:]) for row in _all(store, f"state:{state}"))
        every = [n for n in range(40_000) if n >= numbers[0] and _ends(n) == state]
        assert numbers == every, f"{state}: not the oldest have left"


def _ends(number: int) -> str:
    return {3: "failure", 7: "started"}.get(number % 20, "success")


def _all(store: Store, filter: str) -> list[TaskRow]:
    return store.query(TaskQuery(filter=filter, limit=10_000), NOW).rows


def test_a_store_full_of_failures_and_of_unfinished_ones_stays_bounded():
    store = Store(32)
    store.apply_events([failed(n, f"f{n}") for n in range(100)])
    assert store.query(TaskQuery(), NOW).known <= 32
    store.apply_events([started(n, f"r{n}") for n in range(30)])
    store.apply_events([sent(n, f"s{n}") for n in range(100)])
    assert store.counts()["failure"] == 32 // 4
    assert store.counts()["started"] > 32 // 4
    store.apply_events([started(n, f"x{n}") for n in range(100)])
    assert store.query(TaskQuery(), NOW).known <= 32


def test_a_batch_larger_than_the_store_is_no_trouble():
    store = Store(8)
    store.apply_events([started(n / 1000, f"t{n}") for n in range(10_000)])
    assert len(store.query(TaskQuery(limit=100), NOW).rows) <= 8


def test_counts_add_up_after_anything():
    store = Store(40)
    busy_store(5, store, 2000)
    page = store.query(TaskQuery(limit=1000), NOW)
    counted: dict[str, int] = {}
    for row in page.rows:
        counted[row.state] = counted.get(row.state, 0) + 1
    assert store.counts() == counted
