"""Errors in groups on the screen: the list, what a group's tasks share, heat maps, marks, actions."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lazycelery.model.faults import ErrorGroup, ErrorPage, Mark
from lazycelery.store.filter.parser import parse
from lazycelery.store.filter.texts import TextMatch
from lazycelery.tui.presentation.errors import cells, heat_lines
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.signs import ASCII
from lazycelery.tui.views.errors import ErrorsView
from tests.support.fake_engine import NOW, FakeEngine
from tests.support.fake_faults import groups, heat
from tests.tui.conftest import Stage, staged

Golden = Callable[[str, str], None]
SIZES = [(80, 24), (120, 35), (200, 60)]


async def opened(stage: Stage, *keys: str) -> None:
    await stage.press("e")
    await stage.until("Timeout: gateway did")
    await stage.until("differ" if stage.app.size.height >= 20 else "COUNT")
    await stage.press(*keys)


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_the_list_of_errors(width: int, height: int, golden: Golden) -> None:
    async with staged(size=(width, height)) as stage:
        await opened(stage)
        golden(f"errors-{width}x{height}", stage.text)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize(("page", "tabs", "seen"), [("worker", 1, "70%"), ("hour", 2, "78%")])
async def test_heat_maps(page: str, tabs: int, seen: str, width: int, height: int, golden: Golden) -> None:
    async with staged(size=(width, height), utc=True) as stage:
        await opened(stage, *["]"] * tabs)
        await stage.until(seen)
        golden(f"heat-{page}-{width}x{height}", stage.text)


async def test_signs_from_ascii_only(golden: Golden) -> None:
    async with staged(size=(80, 24), ascii=True) as stage:
        await opened(stage)
        assert stage.text.isascii()
        await stage.press("]")
        await stage.until("70%")
        assert stage.text.isascii()
        golden("heat-ascii-80x24", stage.text)


async def test_a_group_opens_its_tasks_and_back_leads_to_the_list() -> None:
    async with staged() as stage:
        await opened(stage, "j", "enter")
        assert stage.desk.tasks.pushed == ["error_group:90aa17ff02"]
        await stage.until("aa17ff02")
        await stage.press("escape")
        await stage.until("Timeout: gateway did")
        assert stage.desk.errors is not None and stage.desk.errors.group is not None
        assert stage.desk.errors.group.id == "90aa17ff02" and not stage.desk.tasks.pushed
        await stage.press("escape")
        assert "1 Workers" in stage.text


async def test_a_cell_of_a_heat_map_opens_the_failures_of_its_task() -> None:
    async with staged() as stage:
        await opened(stage, "]")
        await stage.until("70%")
        await stage.press("j", "enter")
        assert stage.desk.tasks.pushed == ["name:=shop.report error_group:*"]


async def test_only_what_is_new_and_in_another_order() -> None:
    async with staged() as stage:
        await opened(stage, "v")
        await stage.until(lambda: "Timeout: gateway" not in stage.text)
        assert "KeyError: currency" in stage.text
        await stage.press("escape")
        await stage.until("Timeout: gateway did")
        await stage.press("S")
        await stage.until("last seen first")
        assert stage.engine.asked_errors is not None and stage.engine.asked_errors.sort == "last"


async def test_a_filter_is_that_of_the_tasks_and_goes_along() -> None:
    async with staged() as stage:
        await stage.press("colon", *"errors name:shop.charge", "enter")
        await stage.until("Timeout: gateway did")
        assert (
            stage.engine.asked_errors is not None and stage.engine.asked_errors.filter == "name:shop.charge"
        )
        await stage.press("enter")
        assert stage.desk.tasks.pushed == ["error_group:3fa91b22c0 name:shop.charge"]
        await stage.press("escape", "slash", *" x:y", "enter")
        await stage.until("there is no field")


async def test_a_deploy_mark_by_key_and_by_command() -> None:
    async with staged() as stage:
        await opened(stage, "d", *"release 2", "enter")
        await stage.until("Marked release 2")
        assert stage.engine.marked == ["release 2"]
        await stage.press("d", "escape")
        assert "No mark was set." in stage.text
        await stage.press("colon", *"deploy r3", "enter")
        await stage.until("Marked r3")
        await stage.press("colon", *"deploy", "enter")
        assert "What is deployed?" in stage.text


async def test_a_group_is_run_again_after_a_question() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await opened(stage, "r")
        await stage.until(lambda: stage.desk.talk.asked is not None)
        await stage.press("y")
        await stage.until(lambda: bool(stage.engine.acted))
        assert stage.engine.acted[0][0].filter == "error_group:3fa91b22c0 state:failure"
        await stage.press("space")
        assert stage.desk.talk.menu is not None and "Revoke those of the group" in stage.text
        await stage.press("x")
        await stage.until(lambda: stage.desk.talk.asked is not None)
        await stage.press("y")
        await stage.until(lambda: len(stage.engine.acted) == 2)
        assert (
            stage.engine.acted[1][0].filter == "error_group:3fa91b22c0 state:retry,scheduled,received,waiting"
        )


async def test_a_group_is_ticked_off_and_not_after_all_in_read_only_too() -> None:
    async with staged() as stage:
        await opened(stage, "t")
        await stage.until("dealt with; dealt:no")
        assert stage.engine.dealt == ([], "error_group:3fa91b22c0 state:failure,retry", "", False)
        stage.engine.groups[0].dealt = stage.engine.groups[0].count
        await stage.press("ctrl+r")
        await stage.until("1,204 dealt with")
        await stage.press("t")
        await stage.until("not dealt with any more")
        assert stage.engine.dealt == ([], "error_group:3fa91b22c0 dealt:yes", "", True)
        await stage.press("right_square_bracket", "t")
        assert "That is done to the groups" in stage.text


async def test_read_only_acts_on_no_group() -> None:
    async with staged() as stage:
        await opened(stage, "r")
        assert "Read-only" in stage.text and "plan" not in stage.engine.calls


async def test_nothing_fails() -> None:
    engine = FakeEngine()
    engine.groups = []
    async with staged(engine) as stage:
        await stage.press("e")
        await stage.until("No failure is known.")
        await stage.press("enter", "r", "space", "]")
        assert "plan" not in engine.calls


async def test_a_line_of_a_heat_map_stands_for_its_name_alone() -> None:
    """Not for names that contain it; and where none was seen for nothing, since keys act on many."""
    async with staged(FakeEngine(read_only=False)) as stage:
        await opened(stage, "]")
        await stage.until("70%")
        errors = stage.desk.errors
        assert errors is not None and errors._hot is not None
        [term] = parse((errors.chosen or "").split()[0]).terms
        [match] = term.tests
        assert isinstance(match, TextMatch)
        assert match.matches("shop.charge") and not match.matches("shop.charge_back")
        errors._hot.rows[0] = ""
        assert errors.chosen is None
        await stage.press("r")
        assert "the name of its tasks was not seen" in stage.text and "plan" not in stage.engine.calls


async def test_a_heat_map_that_shrinks_keeps_a_line_under_the_cursor() -> None:
    async with staged() as stage:
        await opened(stage, "]")
        await stage.until("70%")
        errors = stage.desk.errors
        assert errors is not None and errors._hot is not None
        errors.move(1 << 40)
        assert errors.chosen == "name:=mail.send error_group:*"
        errors._hot.rows.pop()
        assert errors.chosen == "name:=shop.report error_group:*"


async def test_what_is_done_to_groups_is_not_done_behind_a_heat_map() -> None:
    async with staged(size=(80, 24)) as stage:
        await opened(stage, "]")
        await stage.until("70%")
        assert "sort" not in stage.text.splitlines()[-1]
        for key in ("v", "S"):
            await stage.press(key)
            assert "That is done to the groups; ] leads to them." in stage.text
        assert stage.engine.asked_errors is not None and stage.engine.asked_errors.sort == "count"
        await stage.press("[")
        await stage.until("3 groups")
        await stage.press("v", "]", "escape")
        assert "1 Workers" in stage.text


@pytest.mark.parametrize(
    ("since", "said"), [(NOW - 90_000, "Nothing fails that did not before r1."), (NOW - 5, "cannot be told")]
)
def test_nothing_new_is_claimed_only_where_somebody_watched(since: float, said: str) -> None:
    view = ErrorsView(lambda _: None)
    view.new = True
    view._page = ErrorPage(since=since, mark=Mark(at=NOW - 60, name="r1"))
    lines = view.draw(Look(NOW), 80, 20)
    assert any(said in "".join(text for text, _ in line) for line in lines)


def test_the_open_page_and_the_filter_have_the_room_first() -> None:
    view = ErrorsView(lambda _: None, "name:shop.charge")
    view._page = ErrorPage(groups=groups(NOW)[:1], matched=1, failures=1204)
    for width, seen in ((60, "by hour  › name"), (80, "─ 1 group ─"), (160, "1 group, 1,204 failures  most")):
        assert seen in "".join(text for text, _ in view.draw(Look(NOW), width, 20)[0])


def test_what_a_narrow_heat_map_leaves_out_is_told_whole() -> None:
    lines = heat_lines(heat("hour", NOW), 0, 0, 5, Look(NOW), 58)
    assert "Not shown: 10 more hours." in " ".join(
        "".join(text for text, _ in line).strip() for line in lines
    )


def test_hostile_texts_are_harmless() -> None:
    nasty = "[/x]\x1b[2J\u202e"
    group = ErrorGroup(id="a", type=nasty, message=nasty, place=nasty, count=1, failed=1)
    assert all(text.isprintable() for text, _ in cells(group, Look(NOW)))
    hot = heat("worker", NOW)
    hot.rows[0] = hot.columns[0] = nasty
    for line in heat_lines(hot, 0, 0, 5, Look(NOW, ASCII), 80):
        assert all(text.isprintable() for text, _ in line)
