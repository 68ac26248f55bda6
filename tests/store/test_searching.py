"""A search through texts tells its first hits before it is through, and goes on when it is asked again."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator

import pytest

from lazycelery.model.task import TaskPage, TaskQuery
from lazycelery.store import orders
from lazycelery.store.filter import matching
from lazycelery.store.filter.matching import Matcher
from lazycelery.store.orders import Order
from lazycelery.store.store import Store
from tests.store.build import T0, event, failed, received, started, succeeded
from tests.store.test_large_stores import result_of
from tests.store.test_queries import SORTS

NOW = T0 + 1000
BLOCK = 16


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A few hundred tasks are looked through as a million would be."""
    monkeypatch.setattr(matching, "BLOCK", BLOCK)
    monkeypatch.setattr(orders, "REBUILD", 1 << 20)
    yield


def never() -> bool:
    return False


def always() -> bool:
    return True


def store_of_words(tasks: int = 400, every: int = 4) -> Store:
    """Each fourth has the word."""
    store = Store(1000)
    for n in range(tasks):
        word = "sought" if n % every == 0 else "other"
        store.apply_events(
            [
                received(n / 10, f"t{n}", name=f"shop.n{n % 3}", args=f"('{word}',)"),
                started(n / 10 + 0.01, f"t{n}"),
                succeeded(n / 10 + 0.05, f"t{n}", runtime=float(n * 7 % 31)),
            ]
        )
    return store


def ask(store: Store, due: Callable[[], bool] | None = never, **query: object) -> tuple[TaskPage, int]:
    """An answer, and in how many steps it came."""
    asked = TaskQuery(**{"filter": "args:sought", "limit": 5, **query})  # type: ignore[arg-type]
    return result_of(store.query_steps(asked, NOW, due))


def ids(page: TaskPage) -> list[str]:
    return [row.id for row in page.rows]


def test_the_first_hits_are_told_as_soon_as_they_fill_the_window() -> None:
    page, steps = ask(store_of_words())
    assert ids(page) == ["t396", "t392", "t388", "t384", "t380"]
    assert steps <= 4 and page.matched < 12 and page.searched < 0.2
    assert page.known == 400


def test_the_oldest_come_first_where_they_are_asked_for_first() -> None:
    page, steps = ask(store_of_words(), reverse=True)
    assert ids(page) == ["t0", "t4", "t8", "t12", "t16"] and steps <= 4


def test_what_is_due_is_told_though_it_does_not_fill_the_window() -> None:
    page, _ = ask(store_of_words(every=399), always)
    assert page.searched < 1 and len(page.rows) == page.matched < 2
    page, _ = ask(store_of_words(every=1000), always, filter="nowhere")
    assert not page.rows and not page.matched and page.searched < 1


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("filter", ["sought", "args:sought state:success", "sought age:>10s", "args:~s.ught"])
def test_asked_again_it_grows_until_it_is_what_it_is_at_once(sort: str, filter: str) -> None:
    store, shares, counts = store_of_words(), [], []
    while True:
        page, _ = ask(store, always, sort=sort, filter=filter)
        shares.append(page.searched)
        counts.append(page.matched)
        if page.searched == 1:
            break
    assert len(shares) > 3 and shares == sorted(shares) and counts == sorted(counts)
    store._queries.orders._kept.clear()
    whole, _ = ask(store, None, sort=sort, filter=filter)
    assert (ids(page), page.matched) == (ids(whole), 100) and whole.searched == 1


def test_who_does_not_ask_for_parts_gets_the_whole() -> None:
    page, _ = ask(store_of_words(), None)
    assert (page.matched, page.searched) == (100, 1.0)


def test_each_task_is_looked_at_once_though_it_is_asked_many_times(monkeypatch: pytest.MonkeyPatch) -> None:
    store, looked = store_of_words(), []

    def still(matcher: Matcher, slots: matching.Slots, real=Matcher.still) -> matching.Mask:  # type: ignore[no-untyped-def]
        looked.extend(slots.tolist())
        mask: matching.Mask = real(matcher, slots)
        return mask

    monkeypatch.setattr(Matcher, "still", still)
    while ask(store, always)[0].searched < 1:
        pass
    assert sorted(looked) == list(range(400))
    looked.clear()
    store.apply_events([received(900, "new", args="('sought',)"), failed(901, "t4")])
    page, _ = ask(store, always)
    assert page.searched == 1 and page.rows[0].id == "new" and sorted(looked) == [4, 400]


def test_a_search_that_was_left_goes_on_where_it_was() -> None:
    store = store_of_words()
    steps = store.query_steps(TaskQuery(filter="args:sought"), NOW)
    for _ in range(20):
        next(steps)
    steps.close()  # Cancelled: another filter was typed.
    _, fresh = ask(store_of_words(), None)
    page, left = ask(store, None)
    assert page.matched == 100 and left < fresh - 15


def test_two_may_ask_at_once() -> None:
    store = store_of_words()
    query = TaskQuery(filter="args:sought", limit=200)
    one, other = store.query_steps(query, NOW), store.query_steps(query, NOW, always)
    parts = []
    for _ in range(3):
        next(one)
        parts.append(result_of(other)[0].searched)
        other = store.query_steps(query, NOW, always)
    assert parts == sorted(set(parts)) and parts[-1] < 1
    assert result_of(one)[0].matched == result_of(other)[0].matched == 100


def test_what_changes_while_it_goes_on_is_told_as_it_is() -> None:
    store = store_of_words()
    assert ids(ask(store, filter="args:sought state:success")[0])[0] == "t396"
    store.apply_events([event("retried", 600, "t396"), received(601, "new", args="('sought',)")])
    page, _ = ask(store, always, filter="args:sought state:success")
    assert page.searched < 1 and "t396" not in ids(page), "it is none of these any more"
    page, _ = ask(store, None, filter="args:sought state:success")
    assert "t396" not in ids(page) and page.matched == 99


def test_what_leaves_while_it_goes_on_is_told_no_more() -> None:
    store = store_of_words(1000, every=1)
    page, _ = ask(store, reverse=True)
    assert ids(page)[0] == "t0"
    store.apply_events([received(2000 + n, f"n{n}", args="('other',)") for n in range(300)])
    gone = page.rows[0].id
    assert store.task(gone, NOW) is None
    page, _ = ask(store, always, reverse=True, limit=400)
    assert page.rows and not any(one.startswith("n") for one in ids(page)) and gone not in ids(page)
    page, _ = ask(store, None, reverse=True)
    assert page.matched == page.known - 300 > 0


def test_a_held_task_is_on_its_line_or_the_whole_is_waited_for() -> None:
    store = store_of_words()
    page, _ = ask(store, always, hold="t392", offset=-1)
    assert page.held == 1 and ids(page)[1] == "t392"
    page, _ = ask(store, always, hold="t8", offset=-1)
    assert page.held == 97 and ids(page)[1] == "t8"


def test_a_new_name_moves_the_lines_and_reads_no_text_again(monkeypatch: pytest.MonkeyPatch) -> None:
    store, looked = store_of_words(), []
    ask(store, None, sort="name")
    look = Order._look
    monkeypatch.setattr(Order, "_look", lambda order, slots: looked.append(len(slots)) or look(order, slots))
    store.apply_events([received(900, "new", name="a.first", args="('sought',)"), failed(901, "t4")])
    monkeypatch.setattr(Matcher, "between", lambda *_: pytest.fail("all were looked at again"))
    page, _ = ask(store, never, sort="name", limit=200)
    assert page.searched == 1 and looked == [2] and page.matched == 101
    assert page.rows[0].id == "new"
    names = [row.name or "" for row in page.rows]
    assert names == sorted(names)
    store._queries.orders._kept.clear()
    assert ids(ask(store, None, sort="name", limit=200)[0]) == ids(page)


def test_names_that_come_between_the_steps_are_in_their_places() -> None:
    store = store_of_words()
    steps = store.query_steps(TaskQuery(filter="args:sought", sort="name", limit=900), NOW)
    for n in range(12):
        next(steps)
        store.apply_events([received(900 + n, f"new{n}", name=f"b.n{n:02}", args="('sought',)")])
    page, _ = result_of(steps)
    assert page.matched >= 100
    page, _ = ask(store, None, sort="name", limit=900)
    names = [row.name or "" for row in page.rows]
    assert names == sorted(names) and page.matched == 112


def test_a_search_that_nobody_will_go_on_with_is_let_go_at_once() -> None:
    """It holds megabytes of a large store, and all of the memory is looked through rarely."""
    store = store_of_words()
    gc.disable()
    try:
        ask(store, always)
        search = store._queries.orders.order("args:sought", "newest", False).search
        assert search is not None
        left = weakref.ref(search)
        del search
        for number in range(orders.KEPT):
            ask(store, always, filter=f"args:word{number}")
        assert left() is None
    finally:
        gc.enable()


def test_who_waits_for_a_search_that_was_let_go_has_the_answer_of_another_one() -> None:
    store = store_of_words()
    waits = store.query_steps(TaskQuery(filter="args:sought", limit=500), NOW, never)
    for _ in range(3):
        next(waits)
    for number in range(orders.KEPT):
        ask(store, always, filter=f"args:word{number}")
    page, _ = result_of(waits)
    assert (page.matched, page.searched) == (100, 1.0)
