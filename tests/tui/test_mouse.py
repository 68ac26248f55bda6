"""Click selects, double click opens, the wheel moves what is under it."""

from __future__ import annotations

from textual.events import MouseScrollDown

from tests.tui.conftest import staged


async def test_a_click_selects_and_a_second_one_opens() -> None:
    async with staged() as stage:
        await stage.pilot.click("#queues", offset=(5, 2))
        await stage.rest()
        assert stage.desk.subject == ("queues", "defualt")
        await stage.pilot.click("#queues", offset=(5, 2), times=2)
        await stage.rest()
        assert stage.desk.lead == "tasks" and stage.desk.tasks.pushed == ["queue:defualt"]


async def test_the_wheel_moves_the_list_under_it() -> None:
    async with staged() as stage:
        await stage.pilot._post_mouse_events([MouseScrollDown], "#tasks", (5, 5))
        await stage.rest()
        assert stage.desk.tasks.listing.top == 3 and stage.desk.lead == "workers"
