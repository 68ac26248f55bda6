"""The tasks view: columns by rank, the order's mark, the title's counts."""

from __future__ import annotations

import asyncio
from typing import get_args

import pytest

from lazycelery.model.task import Sort, TaskPage
from lazycelery.tui.presentation.line import choose
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.tasks import COLUMNS, LEADS, NARROW, counts
from tests.support.fake_engine import NOW, FakeEngine
from tests.tui.conftest import Stage, staged

LOOK = Look(NOW, utc=True)
RANKED = [
    *("", "TASK", "ID", "STATE", "WHEN", "RUNTIME", "WAIT", "QUEUE", "WORKER", "TRIES", "ARGS"),
    "ERROR, RESULT",
]


def titles(columns: tuple[object, ...], width: int) -> list[str]:
    return [COLUMNS[at].title for at, _ in choose(columns, width)]  # type: ignore[arg-type]


@pytest.mark.parametrize("width", range(20, 200, 7))
def test_columns_are_dropped_from_the_right(width: int) -> None:
    shown = titles(COLUMNS, width)
    assert shown == RANKED[: len(shown)]


def test_all_columns_fit_from_120_cells_on() -> None:
    assert titles(COLUMNS, 117) == RANKED
    assert titles(COLUMNS, 77)[-1] in ("WAIT", "QUEUE")


def test_beside_the_main_side_a_task_says_since_when() -> None:
    assert titles(NARROW, 25) == ["", "TASK", "WHEN"]


def test_the_title_tells_the_counts_and_how_far_back_they_reach() -> None:
    page = TaskPage(matched=214, known=1_048_201, oldest=NOW - 3600)
    assert counts(page, True, 100, LOOK) == "214 of 1,048,201   oldest seen 01:03:22"
    assert counts(page, False, 100, LOOK) == "1,048,201   oldest seen 01:03:22"
    assert counts(page, True, 30, LOOK) == "214"


def test_the_title_tells_how_far_a_search_is() -> None:
    page = TaskPage(matched=1204, known=1_048_201, oldest=NOW - 3600, searched=0.4)
    assert counts(page, True, 100, LOOK) == "1,204+ of 1,048,201, searching 40 %"
    assert counts(page, True, 30, LOOK) == "1.2k+ 40 %"


async def filtered(stage: Stage, word: str) -> None:
    """The list of tasks, filtered by a word, as far as the search has come."""
    await stage.press("3", "z", "slash", *word, "enter")
    await stage.until(lambda: stage.desk.tasks.window.growing)
    await stage.rest()


async def test_a_search_shows_its_first_hits_and_grows() -> None:
    engine = FakeEngine()
    engine.searching = 0.4, 7
    async with staged(engine) as stage:
        await filtered(stage, "charge")
        window, listing = stage.desk.tasks.window, stage.desk.tasks.listing
        assert "7+ of 1,000, searching 40 %" in stage.text and stage.text.count("shop.charge") >= 7
        await stage.press("j", "n")
        assert "Hit 3 of 7+" in stage.text
        key = listing.key
        engine.searching = 0.8, 30
        await stage.until("30+ of 1,000, searching 80 %")
        assert (listing.key, listing.cursor) == (key, 2)
        engine.searching = None
        await stage.until("167 of 1,000")
        assert "searching" not in stage.text and not window.growing
        assert (listing.key, listing.cursor) == (key, 2)
        # What comes later takes the place of the whole as a whole.
        engine.searching = 0.1, 1
        engine.arrive(6)
        await stage.until("168 of 1,006")


async def test_a_search_without_hits_says_how_far_it_is() -> None:
    engine = FakeEngine()
    engine.searching = 0.4, 0
    async with staged(engine) as stage:
        await filtered(stage, "nowhere")
        said = "Searching 1,000 known tasks for nowhere: 40 % looked at, none matches so far."
        assert said in stage.text
        engine.searching = None
        await stage.until("None of 1,000 known tasks matches nowhere.")


@pytest.mark.parametrize("left", ["escape", "another filter"])
async def test_a_search_is_given_up_for_what_comes_next(left: str) -> None:
    engine = FakeEngine()
    engine.searching = 0.4, 7
    async with staged(engine) as stage:
        await filtered(stage, "charge")
        if left == "escape":
            await stage.press("escape")
            await stage.until(lambda: not stage.desk.tasks.window.growing)
            assert stage.desk.tasks.whole_filter == "" and stage.desk.tasks.window.total == 1000
        else:
            engine.searching = None
            await stage.press("slash", *["backspace"] * 6, *"report", "enter")
            await stage.until(lambda: stage.desk.tasks.window.total == 167)
            assert stage.text.count("shop.report") > 7 and "shop.charge" not in stage.text
        await stage.rest()
        asked = engine.calls.count("tasks")
        await asyncio.sleep(0.1)
        assert engine.calls.count("tasks") == asked, "the search goes on though nobody wants it"


async def test_in_another_order_the_best_hit_leads_until_the_cursor_is_moved() -> None:
    engine = FakeEngine()
    engine.searching = 0.4, 7
    async with staged(engine) as stage:
        await filtered(stage, "charge")
        await stage.press("S")
        await stage.until(lambda: stage.desk.tasks.window.growing)
        listing, first = stage.desk.tasks.listing, stage.desk.tasks.listing.key
        engine.searching, engine.total = (0.8, 30), 1012  # Better ones are found above it.
        await stage.until("30+")
        await stage.until(lambda: listing.key != first)
        assert listing.cursor == 0
        await stage.press("j")
        key = listing.key
        engine.total = 1024
        await stage.until(lambda: listing.cursor == 3)
        engine.searching = None
        await stage.until(lambda: not stage.desk.tasks.window.growing)
        assert (listing.key, listing.cursor) == (key, 3) and not listing.follows


def test_every_order_leads_a_column() -> None:
    assert set(LEADS) == set(get_args(Sort)) and set(LEADS.values()) <= {column.title for column in COLUMNS}


async def test_the_column_that_leads_the_order_has_a_mark() -> None:
    async with staged() as stage:
        await stage.press("3", "z")
        assert "WHEN▾" in stage.text
        await stage.press("S")
        assert "RUNTIME▾" in stage.text and "WHEN▾" not in stage.text
        await stage.press("I")
        assert "RUNTIME▴" in stage.text and "by runtime, reversed" in stage.text
        assert stage.desk.tasks.window.query.reverse
        await stage.press("1", "S")
        assert "BUSY▾" in stage.text


def test_a_name_is_not_cut_for_an_error_beside_it() -> None:
    for width in range(22, 48):
        shown = {COLUMNS[at].title: size for at, size in choose(NARROW, width)}
        assert shown["TASK"] >= 15 or "ERROR, RESULT" not in shown, width


async def test_what_is_wrong_with_a_filter_is_told_whole_on_a_narrow_screen() -> None:
    async with staged(size=(80, 24)) as stage:
        await stage.press("3", "/", *"stat", "colon", *"failuresofshopandmail")
        await stage.until('there is no field "stat". Did you mean state?')
        assert "Tasks/stat:failuresofshopandmail" in stage.text
        await stage.press("escape")
        await stage.rest()
        assert "Did you mean" not in stage.text
