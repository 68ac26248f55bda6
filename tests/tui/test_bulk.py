"""Bulk actions on the screen: how far they are, stopped, resumed, dropped."""

from __future__ import annotations

import asyncio

from lazycelery.model.action import Outcome, Plan
from lazycelery.model.bulk import Progress
from lazycelery.tui import deeds
from lazycelery.tui.presentation.footer import Question
from tests.support.fake_bulk import stopped
from tests.support.fake_engine import FakeEngine
from tests.tui.conftest import staged


class Slow(FakeEngine):
    """What it carries out takes until it is told to stop."""

    def __init__(self) -> None:
        super().__init__(read_only=False)
        self.stop = asyncio.Event()

    async def act(self, plan_id: str, word: str | None = None) -> Outcome:
        self.under_way = [
            Progress(plan=plan_id, action="retry", title="Retry 300 tasks", total=300, done=120, began=0.0)
        ]
        await self.stop.wait()
        self.under_way = []
        return Outcome(action="retry", done=120, failed=180, proof="120 sent", bulk="7f3a1c20")

    async def halt(self, plan_id: str) -> bool:
        self.stop.set()
        return await super().halt(plan_id)


async def test_how_far_it_is_is_said_and_a_key_stops_it(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(deeds, "PACE", 0.02)
    engine = Slow()
    async with staged(engine) as stage:
        await stage.press("3", "r")
        await stage.until(lambda: stage.desk.talk.asked is not None)
        await stage.press("y")
        await stage.until("120 of 300")
        assert "C stops it" in stage.text
        await stage.press("j")  # The keys go on working meanwhile.
        await stage.press("C")
        await stage.until(lambda: stage.desk.talk.typing is not None)
        await stage.press("enter")
        await stage.until("120 sent")
        assert len(engine.halted) == 1


async def test_a_plan_that_stopped_is_resumed_by_a_key() -> None:
    engine = FakeEngine(read_only=False)
    engine.bulk_plans = [stopped()]
    async with staged(engine) as stage:
        await stage.press("C")
        await stage.until(lambda: stage.desk.talk.typing is not None)
        assert "resume 7f3a1c20" in stage.text and "120 done, 16 in doubt" in stage.text
        await stage.press("enter")
        await stage.until(lambda: stage.desk.talk.asked is not None)
        await stage.press("y")
        await stage.until(lambda: len(engine.acted) == 1)
        order = engine.acted[0][0]
        assert (order.action, order.params) == ("retry", {"resume": "7f3a1c20"})


async def test_a_plan_is_discarded_after_a_question() -> None:
    engine = FakeEngine(read_only=False)
    engine.bulk_plans = [stopped()]
    async with staged(engine) as stage:
        await stage.press("C")
        await stage.until(lambda: stage.desk.talk.typing is not None)
        await stage.press(*"discard", "enter")
        await stage.until(lambda: stage.desk.talk.asked is not None)
        await stage.press("y")
        await stage.until("Discarded plan 7f3a1c20")


async def test_a_damaged_plan_can_only_be_discarded() -> None:
    engine = FakeEngine(read_only=False)
    one = stopped()
    one.state, one.path = "damaged", "/state/x.damaged"
    engine.bulk_plans = [one]
    async with staged(engine) as stage:
        await stage.press("C")
        await stage.until(lambda: stage.desk.talk.typing is not None)
        assert "resume" not in stage.text and "its file is damaged" in stage.text
        await stage.press(*"discard", "enter")
        await stage.until(lambda: stage.desk.talk.asked is not None)
        await stage.press("y")
        await stage.until("Its file is kept as /state/x.damaged")


async def test_without_any_the_key_says_so() -> None:
    async with staged(FakeEngine()) as stage:
        await stage.press("C")
        await stage.until("no plan is left to resume")


def test_the_question_tells_what_it_comes_to() -> None:
    plan = Plan(
        id="p", action="retry", title="Retry 3 tasks", count=3, summary=["2 exactly", "1 not: unsafe"]
    )
    assert Question.of(plan).summary == ("2 exactly", "1 not: unsafe")


async def test_a_key_ticks_a_task_off_also_read_only() -> None:
    engine = FakeEngine()
    async with staged(engine) as stage:
        await stage.press("3", "t")
        await stage.until("dealt with; dealt:no in a filter leaves it out")
        assert engine.acted == []


async def test_what_was_ticked_off_loses_its_mark() -> None:
    async with staged(FakeEngine()) as stage:
        await stage.press("3", "j", "m", "m", "t")
        await stage.until("2 tasks: dealt with")
        assert stage.desk.marked == []
