"""Marked things: actions are done to all of them."""

from __future__ import annotations

from collections.abc import Callable

from lazycelery.model.action import Outcome, OutcomeItem
from lazycelery.tui.marks import MOST, Marks
from tests.support.fake_engine import FakeEngine
from tests.tui.conftest import Stage, staged

Golden = Callable[[str, str], None]


async def asked(stage: Stage, *keys: str) -> None:
    await stage.press(*keys)
    await stage.until(lambda: stage.desk.talk.asked is not None)


async def test_an_action_is_done_to_all_that_are_marked(golden: Golden) -> None:
    async with staged(FakeEngine(read_only=False), (80, 24)) as stage:
        await stage.press("3", "j", "m", "m", "m")
        assert "◆3" in stage.text
        golden("marks-80x24", "\n".join(line[:25] for line in stage.text.splitlines()))
        await asked(stage, "x")
        assert "revoke 3 tasks" in stage.text
        await stage.press("y")
        await stage.until("revoke")
        await stage.until(lambda: len(stage.engine.acted) == 1)
        order, _ = stage.engine.acted[0]
        assert order.targets == [stage.engine._id(n) for n in (998, 997, 996)]
        await stage.until(lambda: "◆" not in stage.text)


async def test_marking_again_takes_the_mark_away() -> None:
    async with staged() as stage:
        await stage.press("2", "m", "k", "m")
        assert list(stage.desk.marks.of("queues")) == []


async def test_escape_clears_marks_before_anything_else() -> None:
    async with staged() as stage:
        await stage.press("2", "slash", *"ma", "enter", "m", "escape")
        assert list(stage.desk.marks.of("queues")) == [] and stage.desk.queues.filter == "ma"


async def test_all_that_are_shown() -> None:
    async with staged() as stage:
        await stage.press("1", "slash", *"web", "enter", "M")
        assert list(stage.desk.marks.of("workers")) == [f"celery@web-{n}" for n in (1, 2, 3)]


async def test_all_tasks_that_match_and_many_ask_for_a_typed_word() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await stage.press("3", "slash", *"state:failure", "enter")
        await stage.until(lambda: stage.desk.tasks.window.total == 125)
        await stage.press("M")
        await stage.until("◆125")
        await asked(stage, "r")
        assert "retry 125 tasks" in stage.text and "Type 125 to go on" in stage.text
        await stage.press("enter")
        assert stage.engine.acted == [] and "◆125" in stage.text


async def test_more_than_a_plan_takes_are_told() -> None:
    async with staged(FakeEngine(5000)) as stage:
        await stage.press("3", "M")
        await stage.until("Marked the first 1,000 of 5,000")


async def test_what_finds_no_room_is_told() -> None:
    async with staged() as stage:
        stage.desk.marks.add("queues", map(str, range(MOST - 1)))
        await stage.press("2", "M")
        assert "1,000 are marked, 3 are not" in stage.text
        await stage.press("j", "m")
        assert "1,000 are marked; one plan takes no more" in stage.text


async def test_what_failed_stays_marked() -> None:
    engine = FakeEngine(read_only=False)
    act = engine.act

    async def half(plan_id: str, word: str | None = None) -> object:
        outcome = await act(plan_id, word)
        outcome.failed = 1
        outcome.items = [
            OutcomeItem(target=engine._id(999), ok=True, text=""),
            OutcomeItem(target=engine._id(998), ok=False, text="gone"),
        ]
        return outcome

    engine.act = half  # type: ignore[assignment,method-assign]
    async with staged(engine) as stage:
        await asked(stage, "3", "m", "m", "r")
        await stage.press("y")
        await stage.until(lambda: list(stage.desk.marks.of("tasks")) == [engine._id(998)])


async def test_task_events_of_the_marked_workers() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await asked(stage, "1", "m", "v")
        await stage.press("y")
        await stage.until(lambda: len(stage.engine.acted) == 1)
        order, _ = stage.engine.acted[0]
        assert order.targets == ["celery@mail-1"] and order.params == {"on": False}


async def test_the_menu_tells_how_many_are_marked() -> None:
    async with staged() as stage:
        await stage.press("2", "m", "m", "space")
        assert "2 marked queues" in stage.text


def test_marks_are_bounded() -> None:
    marks = Marks()
    marks.add("tasks", map(str, range(MOST + 5)))
    marks.turn("tasks", "another")
    assert len(marks.of("tasks")) == MOST


async def test_an_action_takes_the_marks_of_what_it_was_done_to_and_no_others() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        marks = stage.desk.marks
        marks.add("tasks", ["one", "two", "three"])
        items = [OutcomeItem(target="one", ok=True, text=""), OutcomeItem(target="two", ok=False, text="")]
        stage.desk._done(Outcome(action="retry", done=1, failed=1, proof="", items=items))
        assert list(marks.of("tasks")) == ["two", "three"]
