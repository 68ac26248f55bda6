"""Where the cursor is, and what is open, after a person went somewhere and came back."""

from __future__ import annotations

import pytest

from tests.support.fake_engine import FakeEngine
from tests.tui.conftest import staged
from tests.tui.test_findings import troubled
from tests.tui.test_replay import playing

# ---- tabs


async def test_a_tab_is_remembered_for_things_in_such_a_state_only() -> None:
    async with staged() as stage:
        desk, tabs = stage.desk, stage.desk.main.tabs
        await stage.press("3")
        for _ in range(6):
            await stage.press("]")
        assert desk.tasks.item is not None and desk.tasks.item.state == "started" and tabs["tasks"] == 6
        await stage.press("j", "j")
        assert desk.tasks.item.state == "failure" and tabs["tasks"] == 0  # type: ignore[comparison-overlap]
        assert "Failed on web-2" in stage.text
        await stage.press("]", "]")
        await stage.press("g")
        assert tabs["tasks"] == 6
        await stage.press("f")
        await stage.until(lambda: desk.tasks.window.total == 250)
        assert tabs["tasks"] == 2 and "In your code, innermost first" in stage.text


async def test_a_step_back_opens_the_tab_of_the_task_it_leads_to_not_of_the_one_before() -> None:
    async with staged() as stage:
        await stage.press("3", "j")
        first = stage.desk.tasks.listing.key
        await stage.press("f", "j", "]", "]")
        assert stage.desk.main.tabs["tasks"] == 2
        await stage.press("f")
        item = stage.desk.tasks.item
        assert item is not None and item.id == first and item.state not in ("failure", "retry")
        assert stage.desk.main.tabs["tasks"] == 0


async def test_a_tab_stays_while_its_task_changes_its_state() -> None:
    async with staged() as stage:
        await stage.press("3", "]", "]", "]")
        row = stage.desk.tasks.item
        assert row is not None and row.state == "started"
        row = stage.engine._row(row.row)
        row.state, row.stamp = "failure", 9
        stage.engine.extra[row.id] = row
        stage.engine.touch("tasks")
        await stage.until(lambda: stage.desk.tasks.item is not None and stage.desk.tasks.item.stamp == 9)
        assert stage.desk.main.tabs["tasks"] == 3


async def test_the_messages_of_one_queue_are_not_looked_at_in_an_empty_one() -> None:
    async with staged() as stage:
        await stage.press("2", "v")
        assert stage.desk.main.tabs["queues"] == 1
        await stage.press("escape", "j", "j")
        assert stage.desk.queues.listing.key == "mail" and stage.desk.main.tabs["queues"] == 0


# ---- help


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_a_search_in_help_searches_help(size: tuple[int, int]) -> None:
    async with staged(size=size) as stage:
        await stage.press("?", "slash", *"saved views")
        assert "Saved views: choose one" in stage.text and stage.desk.workers.filter == ""
        await stage.press("enter")
        assert "Hit 1 of" in stage.text
        await stage.press("n")
        assert "Hit" in stage.text and stage.desk.help
        await stage.press("escape", "escape")
        assert not stage.desk.help and "celery@mail-1" in stage.text


async def test_a_search_in_help_over_a_view_leaves_the_view_as_it_is() -> None:
    async with staged() as stage:
        await stage.press("A", "?", "slash", *"queue", "enter", "n")
        assert "Hit 2 of" in stage.text and stage.desk.views.open is not None
        assert stage.desk.views.open.filter == ""


# ---- filters


@pytest.mark.parametrize("leave", [("enter", "escape"), ("escape",)])
@pytest.mark.parametrize("typed", ["nothing like it", "web"])
async def test_after_a_filter_the_cursor_is_where_it_was(leave: tuple[str, ...], typed: str) -> None:
    async with staged() as stage:
        await stage.press("j", "j")
        at = stage.desk.workers.listing.key
        assert at == "celery@web-1"
        await stage.press("slash", *typed, *leave)
        assert stage.desk.workers.filter == "" and stage.desk.workers.listing.key == at


async def test_after_faults_without_any_the_cursor_is_where_it_was() -> None:
    engine = FakeEngine()
    engine.fleet = [one for one in engine.fleet if one.state != "offline"]
    async with staged(engine) as stage:
        await stage.press("G", "f")
        assert stage.desk.workers.listing.key is None
        await stage.press("f")
        assert stage.desk.workers.listing.key == "celery@web-3"


@pytest.mark.parametrize("leave", [("enter", "escape"), ("escape",)])
async def test_after_a_filter_of_the_tasks_too(leave: tuple[str, ...]) -> None:
    async with staged() as stage:
        listing = stage.desk.tasks.listing
        await stage.press("3", *("j",) * 40)
        at = listing.key
        await stage.press("slash", *"state:nothing")
        await stage.until(lambda: stage.desk.tasks.window.total == 0)
        await stage.press(*leave)
        await stage.until(lambda: stage.desk.tasks.window.total == 1000)
        assert (listing.key, listing.cursor) == (at, 40)


async def test_faults_of_the_tasks_and_back_and_drill_downs_within() -> None:
    async with staged() as stage:
        listing = stage.desk.tasks.listing
        await stage.press("3", *("j",) * 30)
        at = listing.key
        await stage.press("f")
        await stage.until(lambda: stage.desk.tasks.window.total == 250)
        await stage.press("j")
        fault = listing.key
        await stage.press("slash", *"state:failure", "enter")
        await stage.until(lambda: stage.desk.tasks.window.total == 125)
        await stage.press("escape")
        await stage.until(lambda: stage.desk.tasks.window.total == 250)
        assert listing.key == fault
        await stage.press("escape")
        await stage.until(lambda: stage.desk.tasks.window.total == 1000)
        assert listing.key == at


# ---- drill-downs


async def test_from_a_finding_to_its_worker_and_its_tasks_and_all_the_way_back() -> None:
    async with staged(troubled(), (160, 48)) as stage:
        desk = stage.desk
        await stage.press("4", "enter")
        assert (desk.lead, desk.workers.listing.key) == ("workers", "celery@old-7")
        assert "4 › 1 Workers" in stage.text
        await stage.press("enter")
        assert desk.lead == "tasks" and "worker:=celery@old-7" in stage.text
        await stage.press("escape")
        assert desk.lead == "workers" and desk.workers.listing.key == "celery@old-7"
        await stage.press("escape")
        assert desk.lead == "findings" and desk.findings.listing.cursor == 0
        await stage.press("j", "enter")
        assert (desk.lead, desk.queues.listing.key) == ("queues", "defualt") and "4 › 2 Queues" in stage.text
        await stage.press("slash", *"def", "enter", "escape")
        assert desk.lead == "queues" and desk.queues.filter == ""
        await stage.press("escape")
        assert desk.lead == "findings" and desk.findings.listing.cursor == 1
        assert "4 ›" not in stage.text


async def test_a_pane_gone_to_by_its_own_key_leads_nowhere_back() -> None:
    async with staged(troubled()) as stage:
        await stage.press("4", "enter", "2", "1", "escape")
        assert stage.desk.lead == "workers" and "4 ›" not in stage.text


async def test_from_errors_to_tasks_and_a_page_and_back_to_the_group() -> None:
    async with staged() as stage:
        await stage.press("e", "j")
        view = stage.desk.errors
        assert view is not None
        group = view.group
        await stage.press("enter")
        await stage.until(lambda: stage.desk.tasks.window.loaded)
        await stage.press("j", "enter", "]", "escape", "escape")
        assert stage.desk.errors is view and view.group == group


# ---- a recording


async def test_in_a_recording_there_is_nothing_to_unlock() -> None:
    async with staged(playing()) as stage:
        assert "unlock" not in stage.text.splitlines()[-1]
        await stage.press("W")
        assert "This is a recording" in stage.text and "nothing to unlock" in stage.text
        assert "--allow" not in stage.text and stage.desk.talk.asked is None
        await stage.press("3", "r")
        assert "This is a recording" in stage.text
        await stage.press("space")
        assert "not in a recording" in stage.text
