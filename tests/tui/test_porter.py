"""Keys that handle a queue's messages: look where it costs, move, dead letters home, delete, orphans."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.fake_engine import FakeEngine
from tests.tui.conftest import Stage, staged


def engine(**fields: Any) -> FakeEngine:
    made = FakeEngine(read_only=False)
    made.seen.allowed = [*made.seen.allowed, "move", "delete", "requeue"]
    for name, value in fields.items():
        setattr(made, name, value)
    return made


async def asked(stage: Stage, *keys: str) -> None:
    await stage.press(*keys)
    await stage.until(lambda: stage.desk.talk.asked is not None)


async def acted(stage: Stage) -> Any:
    await stage.until(lambda: bool(stage.engine.acted))
    return stage.engine.acted[-1][0]


async def test_messages_move_to_the_queue_that_is_typed() -> None:
    async with staged(engine()) as stage:
        await stage.press("2", "O")
        name = stage.desk.pane.listing.key
        assert f"Move the messages of {name} to" in stage.text
        await asked(stage, *"mail", "enter")
        await stage.press("y")
        order = await acted(stage)
        assert (order.action, order.targets, order.filter) == ("move", [name, "mail"], None)


async def test_a_filter_behind_the_target_moves_what_matches() -> None:
    async with staged(engine()) as stage:
        await asked(stage, "2", "O", *"other name:shop.report", "enter")
        await stage.press("y")
        order = await acted(stage)
        assert order.targets[1] == "other" and order.filter == "name:shop.report" and order.params == {}


async def test_what_must_be_looked_at_is_asked_first_where_that_costs_something() -> None:
    async with staged(engine(dear=True)) as stage:
        await asked(stage, "2", "D", *"name:shop.report", "enter")
        assert "On " in stage.text and "Look through all of it, to count what matches?" in stage.text
        await asked(stage, "y")
        await stage.until(lambda: "elete" in stage.text)
        await stage.press("y")
        order = await acted(stage)
        assert (order.action, order.filter, order.params) == ("delete", "name:shop.report", {"look": True})


async def test_what_a_look_costs_is_told_of_each_marked_queue() -> None:
    async with staged(engine(dear=True), size=(160, 48)) as stage:
        await asked(stage, "2", "m", "m", "D", *"name:shop.report", "enter")
        await stage.until("Look through all of it, to count what matches?")
        assert "A look costs something in" in stage.text and stage.text.count("that counts.") == 2
        await stage.press("n")
        assert "plan" not in stage.engine.calls


async def test_dead_letters_are_offered_their_home() -> None:
    made = engine()
    made.lines[0].dead_letter_from = ["default"]
    async with staged(made) as stage:
        await stage.press("2")
        keys = [stage.desk.queues.listing.rows.key_at(line) for line in range(len(made.lines))]
        stage.desk.pane.listing.go(keys.index(made.lines[0].name))
        await stage.press("O")
        assert "home" in stage.text
        await asked(stage, *"home", "enter")
        await stage.press("y")
        order = await acted(stage)
        assert (order.action, order.targets) == ("requeue", [made.lines[0].name])


async def test_a_look_that_costs_something_is_asked_for_and_then_stays() -> None:
    async with staged(engine(dear=True)) as stage:
        await asked(stage, "2", "v")
        assert "only by delivering it" in stage.text and "Look all the same?" in stage.text
        await stage.press("y")
        await stage.until(lambda: "shop." in stage.text and "TASK" in stage.text)
        stage.engine.touch("queues")
        await stage.press("z", "z")
        assert stage.desk.inquiry.problem is None and stage.desk.inquiry.answer is not None
        await stage.press("j")  # Another queue is another question.
        await stage.until(lambda: stage.desk.inquiry.problem is not None)


async def test_no_is_no_look() -> None:
    async with staged(engine(dear=True)) as stage:
        await asked(stage, "2", "v")
        await stage.press("n")
        await stage.until("Nothing was done.")
        assert stage.desk.inquiry.answer is None


async def test_a_look_that_is_free_asks_nothing() -> None:
    async with staged(engine()) as stage:
        await stage.press("2", "v")
        await stage.until(lambda: "TASK" in stage.text and "PRIO" in stage.text)
        assert stage.desk.talk.asked is None


async def test_orphans_are_restored_all_together() -> None:
    async with staged(engine()) as stage:
        await asked(stage, "2", "R")
        await stage.press("y")
        order = await acted(stage)
        assert (order.action, order.targets, order.params) == ("restore", [], {"orphans": True})


async def test_who_went_on_meanwhile_is_not_asked() -> None:
    made = engine(dear=True)
    async with staged(made) as stage:
        await stage.press("2")
        made.delay = 0.1
        before = made.calls.count("peek")
        await stage.press("v", "y")
        await stage.until(lambda: made.calls.count("peek") > before)
        await asyncio.sleep(0.3)
        assert stage.desk.talk.asked is None and not made.acted


async def test_who_went_on_meanwhile_gets_no_plan_either() -> None:
    made = engine()
    async with staged(made) as stage:
        await stage.press("2", "O", *"mail name:shop.report")
        made.delay = 0.1
        await stage.pilot.press("enter")
        await stage.press("j")
        await asyncio.sleep(0.3)
        assert stage.desk.talk.asked is None and "plan" not in made.calls
