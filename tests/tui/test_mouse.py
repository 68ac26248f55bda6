"""Click selects, double click opens, the wheel moves what is under it."""

from __future__ import annotations

from textual.events import MouseScrollDown

from tests.tui.conftest import Stage, staged


async def test_a_click_selects_and_a_second_one_opens() -> None:
    async with staged() as stage:
        await stage.pilot.click("#queues", offset=(5, 2))
        await stage.rest()
        assert stage.desk.subject == ("queues", "defualt")
        await stage.pilot.click("#queues", offset=(5, 2), times=2)
        await stage.rest()
        assert stage.desk.lead == "tasks" and stage.desk.tasks.pushed == ["queue:=defualt"]


async def click_on(stage: Stage, pane: str, title: str) -> None:
    """Click on the name of a column."""
    line = stage.text.splitlines()[2]
    await stage.pilot.click(f"#{pane}", offset=(line.index(title), 1))
    await stage.rest()


async def test_a_click_on_a_columns_name_sorts_by_it_and_again_from_the_other_end() -> None:
    async with staged() as stage:
        await stage.press("3", "z")
        await click_on(stage, "tasks", "WAIT")
        assert "WAIT▾" in stage.text and stage.desk.tasks.window.query.sort == "wait"
        await click_on(stage, "tasks", "WAIT▾")
        assert "WAIT▴" in stage.text and stage.desk.tasks.window.query.reverse
        await click_on(stage, "tasks", "ARGS")
        assert "ARGS cannot lead; WHEN, RUNTIME, WAIT, TASK" in stage.text
        await stage.press("z", "2", "z")
        await click_on(stage, "queues", "WAITING")
        assert stage.desk.queues.rows.items[0].name == "default"
        await click_on(stage, "queues", "WAITIN▾")
        assert stage.desk.queues.rows.items[0].name != "default"


async def test_the_wheel_moves_the_list_under_it() -> None:
    async with staged() as stage:
        await stage.pilot._post_mouse_events([MouseScrollDown], "#tasks", (5, 5))
        await stage.rest()
        assert stage.desk.tasks.listing.top == 3 and stage.desk.lead == "workers"
