"""What is read, asked about or turned to stays, while newer tasks come and lists change below it."""

from __future__ import annotations

import pytest

from lazycelery.model.task import TaskRow
from tests.tui.conftest import Stage, staged


async def newer(stage: Stage, count: int = 5) -> None:
    """Tasks that come, as on any busy cluster; the screen has seen them."""
    stage.engine.arrive(count)
    await stage.until(lambda: stage.desk.tasks.window.answer.known == stage.engine.total)
    await stage.rest()


def read(stage: Stage) -> str | None:
    """What the main side is about: its item and its identity must be of the same thing."""
    item, subject = stage.desk.item, stage.desk.subject
    assert subject is not None and item is not None
    assert (item.id if isinstance(item, TaskRow) else item.name) == subject.key
    return subject.key


async def test_the_first_line_follows_the_newest_until_something_is_done_there() -> None:
    async with staged() as stage:
        await stage.press("3")
        first = read(stage)
        await newer(stage)
        assert read(stage) != first


@pytest.mark.parametrize(
    "keys", [("enter",), ("right_square_bracket",), ("J",), ("space",), ("enter", "question_mark")]
)
async def test_a_task_that_is_read_stays_and_so_does_the_cursor_after_it(keys: tuple[str, ...]) -> None:
    async with staged() as stage:
        await stage.press("3", *keys)
        first = read(stage)
        await newer(stage)
        await newer(stage)
        assert read(stage) == first
        await stage.press("escape")
        await newer(stage)
        assert read(stage) == first


async def test_going_to_the_top_follows_again() -> None:
    async with staged() as stage:
        await stage.press("3", "enter")
        await newer(stage)
        first = read(stage)
        await stage.press("escape", "g")
        await newer(stage)
        assert read(stage) != first and stage.desk.tasks.listing.cursor == 0


async def test_an_opened_task_stays_when_the_filter_passes_it_no_more() -> None:
    async with staged() as stage:
        await stage.press("3", "slash", *"state:started", "enter")
        await stage.until(lambda: stage.desk.tasks.window.total == 2)
        await stage.press("enter")
        first = read(stage)
        await newer(stage)
        assert stage.desk.tasks.window.index_of(first or "") is None
        assert read(stage) == first and str(first) in stage.text
        await stage.until("state      ")
        assert "state      started" not in stage.text  # Its page tells what became of it.
        await stage.press("escape")
        assert read(stage) != first


async def test_a_worker_that_is_gone_while_it_is_read_is_not_swapped_for_its_neighbour() -> None:
    async with staged() as stage:
        await stage.press("1", "shift+tab")
        name = stage.desk.workers.listing.key
        stage.engine.fleet = [one for one in stage.engine.fleet if one.name != name]
        stage.engine.touch("workers")
        await stage.until("It is not there any more")
        assert read(stage) == name
        await stage.press("escape")
        assert read(stage) != name
