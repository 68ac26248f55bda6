"""Full views: live events, the audit log, metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lazycelery.errors import ConnectionProblem
from lazycelery.model.beat import Beat
from lazycelery.model.metrics import Metrics, Series
from lazycelery.model.sla import BURNS, Burn, Objective
from lazycelery.tui.presentation.budgets import budgets
from lazycelery.tui.presentation.charts import chart, squeezed
from lazycelery.tui.presentation.line import length
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.signs import ASCII, UNICODE
from lazycelery.tui.views.beat import BeatView
from lazycelery.tui.views.live import KEPT, MOST, LiveView
from lazycelery.tui.views.metrics import metric_lines
from tests.support.fake_engine import NOW, FakeEngine
from tests.tui.conftest import Stage, staged

LOOK = Look(NOW, utc=True)
VIEWS = {
    "live": ("L", "follows"),
    "audit": ("A", "Purge default"),
    "metrics": ("i", "Numbers since"),
    "beat": ("B", "every 30 s"),
}


def text(lines: Any) -> str:
    return "\n".join("".join(part for part, _ in line).rstrip() for line in lines)


async def shown(stage: Stage, view: str) -> None:
    key, said = VIEWS[view]
    await stage.press(key)
    await stage.until(said)
    await stage.until(lambda: "No event yet" not in stage.text and "Asking" not in stage.text)


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 35), (200, 60)])
@pytest.mark.parametrize("view", VIEWS)
async def test_a_full_view(view: str, width: int, height: int, golden: Callable[[str, str], None]) -> None:
    async with staged(size=(width, height)) as stage:
        await shown(stage, view)
        golden(f"{view}-{width}x{height}", stage.text)
        await stage.press("escape")
        assert "1 Workers" in stage.text


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 48)])
async def test_tasks_against_their_usual(width: int, height: int, golden: Callable[[str, str], None]) -> None:
    async with staged(size=(width, height)) as stage:
        await shown(stage, "metrics")
        await stage.press("]", "]")
        await stage.until("week ago: no history of that day")
        golden(f"usual-{width}x{height}", stage.text)
        await stage.press("]", "]")
        await stage.until("default")
        await stage.press("]")
        await stage.until("BUDGET LEFT")
        golden(f"budgets-{width}x{height}", stage.text)
        await stage.press("]")
        await stage.until("Numbers since")


async def test_live_events_follow_stand_still_and_go_on() -> None:
    async with staged() as stage:
        await shown(stage, "live")
        await stage.press("p")
        held = stage.text
        assert "stands still" in held
        stage.engine.arrive(3)
        await stage.rest()
        assert stage.engine._id(1001)[:8] not in stage.text
        await stage.press("p")
        await stage.until(stage.engine._id(1001)[:8])


async def test_scrolling_back_leaves_the_newest_and_the_end_follows_again() -> None:
    async with staged() as stage:
        await shown(stage, "live")
        await stage.press("k", "k")
        assert "2 newer below" in stage.text
        await stage.press("G")
        assert "follows" in stage.text and "newer below" not in stage.text


async def test_live_events_are_filtered_and_a_wrong_filter_says_where() -> None:
    async with staged() as stage:
        await shown(stage, "live")
        await stage.press("slash", *"state:failure", "enter")
        await stage.until(lambda: "succeeded" not in stage.text and "failed on" in stage.text)
        await stage.press("slash", *"x", "escape")
        await stage.until(lambda: "failed on" in stage.text)
        await stage.press("escape", "slash", *"stat:x", "enter")
        await stage.until('there is no field "stat"')


async def test_a_flood_is_shown_in_part_and_the_rest_is_counted() -> None:
    engine, view = FakeEngine(1000), LiveView()
    await view.fetch(engine)
    engine.total += 5000
    await view.fetch(engine)
    drawn = text(view.draw(LOOK, 100, 20))
    assert engine._id(5999)[:8] in drawn and f"{5000 - 2 * MOST:,} too fast to show" in drawn
    assert len(view._lines) <= KEPT


async def test_an_audit_entry_opens_and_closes() -> None:
    async with staged() as stage:
        await shown(stage, "audit")
        await stage.press("j", "enter")
        assert "/state/default.ndjson" in stage.text and "10.0.0.7" in stage.text
        await stage.press("escape")
        assert "ada@ops1" in stage.text
        await stage.press("slash", *"Revoke", "enter")
        await stage.until(lambda: "Purge default" not in stage.text)


async def test_a_view_says_why_it_has_nothing() -> None:
    engine = FakeEngine()
    engine.audited = []
    async with staged(engine) as stage:
        await stage.press("A")
        await stage.until("Nobody has changed anything")
        engine.fails = ConnectionProblem("The engine process has ended.", "It is started again.")
        await stage.press("i")
        await stage.until("The engine process has ended.")
        assert "Asking for the numbers" not in stage.text


def test_bars_are_as_tall_as_their_share_and_the_unknown_is_blank() -> None:
    assert chart([None, 0, 4, 8], 4, 1, UNICODE) == [" ▁▄█"]
    assert chart([0, 4, 8], 3, 2, UNICODE) == ["  █", "▁██"]
    assert chart([0, 0], 4, 1, ASCII) == ["  __"]


def test_many_values_in_little_room_keep_their_highest() -> None:
    assert squeezed([1, 9, 2, 3, None, None], 3) == [9, 3, None]


def test_metrics_say_since_when_they_have_numbers() -> None:
    fine = Series(step=1.0, end=NOW, values={"failed": [None, None, 2.0, 1.0]})
    lines = text(metric_lines(Metrics(fine=fine, coarse=Series(step=60.0, end=NOW, values={})), LOOK, 100, 1))
    assert "Numbers since 02:03:20." in lines
    assert "failed        1.0/s" in lines and "2.0/s" in lines
    assert "backlog           –" in lines


@pytest.mark.parametrize("view", ["L", "A", "i"])
async def test_no_key_acts_on_what_a_view_hides(view: str) -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await stage.press("3", view)
        for key in ("x", "r", "X", *(("y", "Y", "space") if view != "A" else ())):
            await stage.press(key)
            assert stage.desk.talk.message is not None and "Nothing is selected" in stage.desk.talk.message[0]
        assert "plan" not in stage.engine.calls and not stage.app.clipboard
        await stage.press("escape", "x")
        await stage.until(lambda: "plan" in stage.engine.calls)


@pytest.mark.parametrize("view", ["L", "A", "i", "B"])
async def test_no_key_changes_a_list_or_a_page_behind_a_view(view: str) -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await stage.press("3", view)
        tasks, main = stage.desk.tasks, stage.desk.main
        for key in ("f", "S", "I", "+", "_", "z", *(("M", "m") if view != "B" else ())):
            await stage.press(key)
            assert stage.desk.talk.message is not None, key
        assert not tasks.faults and tasks.ordering.usual
        assert not list(stage.desk.marks.of("tasks")) and stage.desk.size == 0 and main.tabs["tasks"] == 0


async def test_an_opened_page_speaks_of_one_task_whatever_is_marked() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await stage.press("3", "m", "m", "enter")
        for key in ("f", "S", "I", "M"):
            await stage.press(key)
            assert "none is in sight" in stage.text, key
        assert not stage.desk.tasks.faults and len(stage.desk.marks.of("tasks")) == 2
        await stage.press("x")
        await stage.until(lambda: stage.desk.talk.asked is not None)
        assert "revoke 2 tasks" not in stage.text
        await stage.press("y")
        await stage.until(lambda: len(stage.engine.acted) == 1)
        assert stage.engine.acted[0][0].targets == [stage.desk.tasks.listing.key]
        stage.desk.marks.add("tasks", [stage.engine._id(n) for n in (999, 998)])
        await stage.press("m")
        assert "Marked " in stage.text and len(stage.desk.marks.of("tasks")) == 3
        await stage.press("escape", "x")
        await stage.until("revoke 3 tasks")


async def test_a_list_alone_says_where_its_page_is_and_opens_it_for_a_tab_of_its_own() -> None:
    async with staged() as stage:
        await stage.press("1", "z")
        for key in ("]", "[", "w", "J", "K", "o"):
            await stage.press(key)
            assert "The page is not in sight. z or tab leads to it." in stage.text, key
        assert stage.desk.main.tabs["workers"] == 0 and not stage.desk.main.wrap
        await stage.press("s")
        await stage.until("4.2 ms")
        await stage.press("escape", "3", "F")
        await stage.until("known tasks succeeded")
        await stage.press("escape", "2", "v")
        await stage.until("TASK")
        assert "1 Workers" not in stage.text


async def test_a_scheduled_entry_opens_and_says_what_is_not_known() -> None:
    async with staged() as stage:
        await shown(stage, "beat")
        assert "1 late" in stage.text and "disabled" in stage.text
        await stage.press("j", "j", "enter")
        await stage.until("Late: it was due 30m00s ago.")
        assert "template" in stage.text
        await stage.press("escape", "slash", *"thumb", "enter")
        await stage.until(lambda: "close the books" not in stage.text)
        await stage.press("enter")
        await stage.until("last run: Not seen yet.")


async def test_beat_says_what_it_cannot_see() -> None:
    engine = FakeEngine()
    engine.schedule.entries.clear()
    engine.schedule.schedulers[0].state = "refused"
    engine.schedule.schedulers[0].reason = "WRONGPASS \x1b[31m"
    async with staged(engine, (80, 24)) as stage:
        await stage.press("B")
        await stage.until("redbeat is not seen: WRONGPASS")
        assert "Nothing is scheduled" in stage.text and "\x1b" not in stage.text
        engine.fails = ConnectionProblem("The engine process has ended.", "It is started again.")
        await stage.press("escape", "B")
        await stage.until("The engine process has ended.")


async def test_an_entry_is_switched_and_run_after_a_question() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await shown(stage, "beat")
        await stage.press("j", "x")
        await stage.until("beat refresh stock")
        await stage.press("y")
        await stage.until(lambda: "y/N" not in stage.text)
        await stage.press("j", "j", "x")
        await stage.until("beat sweep")
        await stage.press("n", "r")
        await stage.until("send all workers")
        orders = [plan.order for plan in stage.engine._plans.values()]
        assert [(one.action, one.targets, one.params) for one in orders if one] == [
            ("beat", ["refresh stock"], {"do": "disable"}),
            ("beat", ["sweep"], {"do": "enable"}),
            ("send", [], {"entry": "sweep"}),
        ]


async def test_a_locked_session_switches_nothing_of_beat() -> None:
    async with staged() as stage:
        await shown(stage, "beat")
        await stage.press("x")
        assert "beat" in stage.text and "y/N" not in stage.text and not stage.engine._plans


async def test_an_entry_that_goes_leaves_the_cursor_on_its_line_and_closes() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await shown(stage, "beat")
        await stage.press("j", "j", "enter")
        await stage.until("Late: it was due 30m00s ago.")
        gone = stage.engine.schedule.entries.pop(2)
        stage.desk.views.again()
        await stage.until(lambda: gone.name not in stage.text and "NAME" in stage.text)
        view = stage.desk.views.open
        assert isinstance(view, BeatView) and view.entry is not None and view.entry.name == "sweep"


async def test_help_in_front_of_a_list_keeps_its_keys_from_it() -> None:
    async with staged(FakeEngine(read_only=False), (80, 24)) as stage:
        await shown(stage, "beat")
        await stage.press("question_mark")
        assert "In the list of beat" in stage.text.splitlines()[2]
        await stage.press("x")
        assert "What is selected is behind this help. esc leaves it." in stage.text
        assert "plan" not in stage.engine.calls
        await stage.press("B")
        await stage.until("every 30 s")
        await stage.press("3", "question_mark", "t")
        assert "is behind this help" in stage.text and not hasattr(stage.engine, "dealt")


async def test_what_is_read_from_the_history_is_asked_less_often() -> None:
    engine = FakeEngine()
    async with staged(engine) as stage:
        await shown(stage, "metrics")
        assert stage.desk.views.open is not None and stage.desk.views.open.pace == 1.0
        await stage.press("]", "]")
        await stage.until("week ago: no history of that day")
        asked = engine.calls.count("metrics")
        stage.desk.views.again()
        await stage.until(lambda: engine.calls.count("compared") > 1)
        assert stage.desk.views.open.pace == 5.0 and engine.calls.count("metrics") == asked


def test_budgets_are_whole_on_a_narrow_screen() -> None:
    objective = Objective(
        pattern="shop.*", aim="wait", target=5.0, share=0.99, window=604_800.0, seen=1.0, since=NOW,
        events=1, bad=0, kept=1.0, budget_left=1.0, burn={name: Burn(rate=0.1) for name in BURNS},
    )  # fmt: skip
    assert all(length(line) <= 56 for line in budgets([objective], 56))


def test_remarks_on_beat_that_are_cut_say_so() -> None:
    view = BeatView()
    view._beat = Beat(at=NOW, notes=["a word " * 60])
    assert "…" in text(view.draw(LOOK, 60, 12))
