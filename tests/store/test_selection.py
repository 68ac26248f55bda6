"""The first lines, found without an order, are those of the order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lazycelery.model.task import TaskQuery
from lazycelery.store import query as query_module
from lazycelery.store import selection
from lazycelery.store.orders import Order
from lazycelery.store.store import Store
from tests.store.build import T0, received, sent, started, succeeded
from tests.store.test_queries import NOW, SORTS, busy_store

FILTERS = ["", "state:failure", "-started runtime:>0", "name:shop.add retries:0", "age:>100s", "state:lost"]


@pytest.fixture
def few_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A few hundred tasks are selected from as a million would be."""
    monkeypatch.setattr(selection, "SLICE", 8)
    monkeypatch.setattr(selection, "FIRST", 3)
    monkeypatch.setattr(query_module, "LINES", 12)
    yield


def lives() -> Store:
    """Run times that are equal, that are not known, below nothing, and more tasks than there is room for."""
    store = Store(90)
    busy_store(5, store, 300)
    for number in range(70):
        at, id = 200.0 + number, f"u{number}"
        life = [sent(at, id, name=f"shop.n{number % 3}"), received(at + number % 5, id), started(at + 6, id)]
        store.apply_events(life[: 1 + number % 3])
        if number % 3:
            store.apply_events([succeeded(at + 9, id, runtime=[0.0, 0.25, 0.25, 1e-7, 3e4][number % 5])])
    return store


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("filter", FILTERS)
def test_the_first_lines_are_those_of_the_whole_order(sort, reverse, filter, few_lines, monkeypatch):
    store = lives()
    for offset, limit in ((0, 5), (0, 12), (3, 9), (7, 3)):
        query = TaskQuery(sort=sort, reverse=reverse, filter=filter, offset=offset, limit=limit)
        store._queries.orders._kept.clear()
        first = store.query(query, NOW)
        with monkeypatch.context() as patch:
            patch.setattr(query_module, "LINES", 0)
            whole = store.query(query, NOW)
        assert first == whole


@pytest.mark.parametrize(("last", "others", "reverse"), [("inf", "0.5", True), ("0.0", "-1.0", False)])
def test_run_times_that_no_clock_tells_hide_no_others(last, others, reverse, monkeypatch):
    monkeypatch.setattr(selection, "SLICE", 8)
    monkeypatch.setattr(selection, "FIRST", 8)
    monkeypatch.setattr(query_module, "LINES", 8)
    store = Store(200)
    store.apply_events([succeeded(n, f"t{n}", runtime=1.0) for n in range(300)])  # The last are the oldest.
    store.columns.vector("runtime")[:-16] = float(others)
    store.columns.vector("runtime")[-16:] = float(last)
    query = TaskQuery(sort="runtime", reverse=reverse, limit=8)
    first = store.query(query, NOW)
    monkeypatch.setattr(query_module, "LINES", 0)
    assert [row.id for row in first.rows] == [row.id for row in store.query(query, NOW).rows]


@pytest.mark.parametrize("sort", SORTS)
def test_a_held_task_is_found_near_and_far(sort, few_lines):
    store = lives()
    query = TaskQuery(sort=sort, limit=300)
    lines = [row.id for row in store.query(query, NOW).rows]
    for line in (0, 4, 11, 12, 40, len(lines) - 1):
        store._queries.orders._kept.clear()
        page = store.query(TaskQuery(sort=sort, limit=6, offset=-2, hold=lines[line]), NOW)
        assert page.held == line
        assert [row.id for row in page.rows] == lines[max(0, line - 2) :][:6]


def test_no_order_is_built_for_a_screen(few_lines, monkeypatch):
    store = lives()
    monkeypatch.setattr(Order, "update", lambda order: pytest.fail("an order was built"))
    assert store.query(TaskQuery(sort="runtime", limit=10), NOW).matched == len(store.columns)
    assert store.query(TaskQuery(filter="state:success", limit=12), T0).rows


def test_each_step_looks_at_a_slice(few_lines):
    steps = lives().query_steps(TaskQuery(sort="wait", limit=10), NOW)
    assert sum(1 for _ in steps) >= 90 // 8
