"""What the filter line offers while it is typed."""

from __future__ import annotations

import asyncio

from tests.support.fake_engine import FakeEngine
from tests.tui.conftest import Stage, staged


def typed(stage: Stage) -> str:
    assert stage.desk.talk.typing is not None
    return stage.desk.talk.typing.prompt.text


async def test_fields_and_values_of_the_tasks_are_offered() -> None:
    async with staged() as stage:
        await stage.press("3", "slash", "s")
        await stage.until("state: field")
        await stage.press("tab")
        assert typed(stage) == "state:"
        await stage.until("revoked")
        await stage.press("tab", "tab")
        assert typed(stage) == "state:retry"
        await stage.press("shift+tab")
        assert typed(stage) == "state:failure"
        await stage.until(lambda: stage.desk.tasks.window.total == 125)


async def test_names_of_workers_are_offered() -> None:
    async with staged() as stage:
        await stage.press("slash", *"web")
        assert "celery@web-1  celery@web-2" in stage.text
        await stage.press("tab", "enter")
        assert [one.name for one in stage.desk.workers.rows.items] == ["celery@web-1"]


async def test_typing_goes_on_after_what_was_taken() -> None:
    async with staged() as stage:
        await stage.press("3", "slash", *"state:re")
        await stage.until("revoked")
        await stage.press("tab", "space", *"na")
        await stage.until("name: field")
        await stage.press("tab")
        assert typed(stage) == "state:retry name:"


async def test_an_offer_that_comes_too_late_is_not_taken() -> None:
    engine = FakeEngine()
    async with staged(engine) as stage:
        await stage.press("3", "slash", "s")
        await stage.until("state: field")
        await stage.pilot.press("x")
        await stage.pilot.press("tab")
        assert typed(stage) == "sx"


async def test_tab_before_any_offer_does_nothing() -> None:
    async with staged() as stage:
        await stage.press("3", "slash", "tab")
        await asyncio.sleep(0.05)
        assert typed(stage) == ""
