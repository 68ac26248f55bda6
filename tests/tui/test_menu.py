"""The menu of what is possible on what is selected."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.fake_engine import FakeEngine
from tests.tui.conftest import staged

Golden = Callable[[str, str], None]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 35)])
async def test_the_menu_greys_what_is_locked_and_says_why(width: int, height: int, golden: Golden) -> None:
    async with staged(size=(width, height)) as stage:
        await stage.press("3", "j", "j", "space", "j", "j")
        menu = stage.text[stage.text.rindex("─ task ") :]
        assert menu.count("W unlocks it") == 6
        golden(f"menu-{width}x{height}", menu)


async def test_each_pane_offers_what_is_possible_there() -> None:
    async with staged() as stage:
        await stage.press("2", "space")
        assert "queue default" in stage.text and "Purge the queue" in stage.text
        assert "Revoke:" not in stage.text
        await stage.press("escape", "1", "space")
        assert "worker celery@mail-1" in stage.text and "Purge the queue" not in stage.text


async def test_a_key_in_the_menu_runs_it() -> None:
    async with staged() as stage:
        await stage.press("2", "space", "y")
        assert stage.app.clipboard == "default" and stage.desk.talk.menu is None


async def test_enter_runs_the_line_under_the_cursor() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await stage.press("2", "space", "j", "j", "enter")
        await stage.until("Purge default: 1,204 messages")


async def test_a_locked_line_says_why_and_does_nothing() -> None:
    async with staged() as stage:
        await stage.press("2", "space", "P")
        assert "Read-only. W unlocks" in stage.text
        assert "plan" not in stage.engine.calls


async def test_other_keys_are_not_heard_and_the_menu_closes_by_its_own_key() -> None:
    async with staged() as stage:
        await stage.press("2", "space", "3", "T")
        assert stage.desk.lead == "queues" and stage.desk.talk.menu is not None
        for leave in ("space", "escape", "q"):
            stage.desk.do_menu()
            await stage.press(leave)
            assert stage.desk.talk.menu is None and stage.app.is_running


async def test_a_menu_of_nothing_says_so() -> None:
    engine = FakeEngine(0)
    async with staged(engine) as stage:
        await stage.press("3", "space")
        assert "Nothing is selected." in stage.text


async def test_the_right_button_opens_the_menu_of_what_is_under_it() -> None:
    async with staged() as stage:
        await stage.pilot.click("#queues", offset=(5, 2), button=3)
        await stage.rest()
        assert "queue defualt" in stage.text and stage.desk.subject == ("queues", "defualt")


async def test_a_menu_is_about_what_it_names_though_newer_tasks_come() -> None:
    async with staged() as stage:
        await stage.press("3", "space")
        named = stage.desk.pane.listing.key
        stage.engine.arrive(3)
        await stage.until(lambda: stage.desk.tasks.window.total == 1003)
        await stage.press("y")
        assert stage.app.clipboard == named


async def test_nothing_is_done_to_the_neighbour_of_what_is_gone() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await stage.press("2", "space")
        named = stage.desk.pane.listing.key
        stage.engine.lines = [one for one in stage.engine.lines if one.name != named]
        stage.engine.touch("queues")
        await stage.until(lambda: stage.desk.pane.over)
        await stage.press("P")
        assert f"{named} is not in the list any more. Nothing was done." in stage.text
        assert "plan" not in stage.engine.calls
