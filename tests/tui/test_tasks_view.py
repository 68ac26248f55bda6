"""The tasks view: columns by rank, the order's mark, the title's counts."""

from __future__ import annotations

from typing import get_args

import pytest

from lazycelery.model.task import Sort, TaskPage
from lazycelery.tui.presentation.line import choose
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.tasks import COLUMNS, LEADS, NARROW, counts
from tests.support.fake_engine import NOW
from tests.tui.conftest import staged

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
