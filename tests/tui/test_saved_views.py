"""Filter and order of the tasks under a name: saved, listed, shown again, forgotten."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lazycelery.config.views import Shelf
from lazycelery.errors import UsageError
from lazycelery.model.view import SavedView
from tests.tui.conftest import Stage, staged

LATE = SavedView(filter="state:failure", sort="wait", reverse=True)


class Held(Shelf):
    """Views in memory."""

    def save(self, name: str, view: SavedView) -> tuple[Path, str]:
        self._given[name] = view
        return Path("config.toml"), ""

    def forget(self, name: str) -> Path:
        del self._given[name]
        return Path("config.toml")


async def type_in(stage: Stage, text: str) -> None:
    await stage.press("colon", *("space" if char == " " else char for char in text), "enter")


async def test_what_is_shown_is_saved_and_comes_back() -> None:
    shelf = Held()
    async with staged(shelf=shelf) as stage:
        await type_in(stage, "tasks state:failure")
        await stage.until(lambda: stage.desk.tasks.window.total == 125)
        await type_in(stage, "sort wait")
        await type_in(stage, "sort wait")
        await type_in(stage, "save late-mail")
        await stage.until("Saved late-mail in config.toml.")
        assert shelf.views == {"late-mail": LATE}
        await stage.press("escape", "S", "1")
        assert stage.desk.tasks.whole_filter == ""
        await type_in(stage, "view late-mail")
        await stage.until(lambda: stage.desk.tasks.window.total == 125)
        asked = stage.desk.tasks.window.query
        assert stage.desk.lead == "tasks" and (asked.sort, asked.reverse) == ("wait", True)
        await stage.press("escape")
        await type_in(stage, "forget late-mail")
        await stage.until("Forgot late-mail")
        assert shelf.views == {}


async def test_they_are_completed_and_listed_with_what_they_show() -> None:
    views = {"late-mail": LATE, "mine": SavedView(filter="queue:mail")}
    async with staged(shelf=Held(given=views)) as stage:
        await stage.press("colon", *"view", "space", "l", "tab")
        assert stage.desk.talk.typing is not None
        assert stage.desk.talk.typing.prompt.text == "view late-mail"
        await stage.press("escape", "V")
        assert "late-mail" in stage.text and "state:failure  by wait, reversed" in stage.text
        await stage.press("down", "enter")
        await stage.until(lambda: stage.desk.tasks.filter == "queue:mail")


async def test_without_any_the_way_to_one_is_told() -> None:
    async with staged() as stage:
        await stage.press("V")
        assert "No view is saved yet. :save NAME keeps" in stage.text


async def test_a_view_that_the_engine_refuses_is_told_and_changes_nothing() -> None:
    shelf = Held(given={"old": SavedView(filter="sate:x")})
    async with staged(shelf=shelf) as stage:
        await type_in(stage, "view old")
        await stage.until('there is no field "sate"')
        assert stage.desk.tasks.whole_filter == ""


def test_a_name_or_a_filter_that_cannot_be_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    shelf = Shelf(state=lambda: tmp_path / "views.toml")
    with pytest.raises(UsageError, match="letters, digits"):
        shelf.save("late mail", LATE)
    with pytest.raises(UsageError, match="unknown field"):
        shelf.save("late", SavedView(filter="sate:x"))
    assert list(tmp_path.iterdir()) == [] and sys.version_info
