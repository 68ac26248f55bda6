"""Each refusal on the screen, for every action that has a key there, also by its name after a colon."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from lazycelery.engine.form import blank
from lazycelery.keys import Action
from lazycelery.model.action import Order
from tests.refusals.stand_in import CUT, LOST, Deeds, Guarded
from tests.refusals.table import (
    ANY_OF,
    NAMES,
    PANES,
    TYPED,
    each_pane,
    keys_of,
)
from tests.support.fake_engine import FakeEngine as ScreenEngine
from tests.tui.conftest import Stage, staged

each_way = pytest.mark.parametrize("way", ["key", pytest.param("line", marks=pytest.mark.soak)])
"""A key, or the name of the action after a colon."""


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Awaitable[None]]:
    """An editor that writes a task, and the form of a task that is edited."""

    async def known(api: object, task: str) -> tuple[str, str]:
        return task, blank("shop.charge", args=[1])

    async def edit(path: Path) -> None:
        path.write_text('task = "shop.report"')
        os.utime(path, (1, 1))

    monkeypatch.setattr("lazycelery.engine.form.form_of", known)
    return edit


async def pressed(stage: Stage, action: Action) -> None:
    await stage.press("escape", "escape", PANES[action.scope])
    await stage.rest()
    await stage.press(action.keys[0])
    await stage.rest()


@each_pane
async def test_a_key_without_the_permission_does_nothing(scope: str) -> None:
    engine = ScreenEngine()
    async with staged(engine, (160, 40)) as stage:
        for action in keys_of(scope):
            engine.seen.read_only, engine.seen.allowed = True, []
            await pressed(stage, action)
            assert "Read-only. W unlocks" in stage.text, action.id
            engine.seen.read_only, engine.seen.may_unlock = False, []
            needed = ANY_OF.get(action.id, (action.permission,))
            engine.seen.allowed = [each for each in NAMES if each not in needed]
            await pressed(stage, action)
            assert f"This profile does not permit {action.permission}." in stage.text, action.id
            assert stage.desk.talk.asked is None and stage.desk.talk.typing is None, action.id
            engine.seen.may_unlock = ["retry"]
        assert engine.acted == []


@each_pane
async def test_a_key_that_is_not_confirmed_does_nothing(
    scope: str, written: Callable[[Path], Awaitable[None]]
) -> None:
    engine = ScreenEngine(read_only=False)
    engine.seen.allowed = [*NAMES]
    async with staged(engine) as stage:
        stage.desk.surface.edit = written  # type: ignore[method-assign, assignment]
        stage.desk.deeds.undoes = [Order(action="restore", targets=["/state/default.ndjson"])]
        for action in keys_of(scope):
            for no in ("n", "enter", "escape") if action is keys_of(scope)[0] else ("escape",):
                await pressed(stage, action)
                if stage.desk.talk.typing is not None:
                    await stage.press(*TYPED.get(action.id, ""), "enter")
                await stage.until(lambda: stage.desk.talk.asked is not None)
                await stage.press(no)
                await stage.rest()
                assert engine.acted == [], (action.id, no)


async def given(stage: Stage, action: Action, way: str) -> None:
    """Give the action, by its key or by its name, and what it wants to have written."""
    await stage.press("escape", "escape", PANES[action.scope])
    await stage.rest()
    stage.desk.deeds.undoes = [Order(action="restore", targets=["/state/default.ndjson"])]
    if way == "key":
        await stage.press(action.keys[0])
    else:
        await stage.press(":")
        assert stage.desk.talk.typing is not None
        words = f"{action.id} default" if action.id == "purge" else action.id
        stage.desk.talk.typing.insert(words)
        await stage.press("enter")
    await stage.rest()
    if stage.desk.talk.typing is not None:
        await stage.press(*TYPED.get(action.id, ""), "enter")


@each_pane
async def test_a_typed_name_without_the_permission_does_nothing(scope: str) -> None:
    engine = ScreenEngine()
    async with staged(engine, (160, 40)) as stage:
        for action in keys_of(scope):
            engine.seen.read_only, engine.seen.may_unlock, engine.seen.allowed = True, ["retry"], []
            await given(stage, action, "line")
            assert "Read-only. W unlocks" in stage.text, action.id
            assert stage.desk.talk.asked is None, action.id
        assert engine.acted == [] and engine.planned == []


@each_way
@each_pane
async def test_what_is_unsafe_is_told_and_not_asked_about(
    scope: str, way: str, tmp_path: Path, deeds: Deeds, written: Callable[[Path], Awaitable[None]]
) -> None:
    deeds.unsafe = True
    engine = Guarded(tmp_path)
    async with staged(engine, (160, 40)) as stage:
        stage.desk.surface.edit = written  # type: ignore[method-assign, assignment]
        for action in keys_of(scope):
            await given(stage, action, way)
            await stage.until(lambda: "its text was cut" in stage.text)
            assert stage.desk.talk.asked is None, action.id
    assert deeds.done == []


@each_way
@each_pane
@pytest.mark.parametrize("lost", ["told", pytest.param("cut", marks=pytest.mark.soak)])
async def test_an_answer_that_was_lost_is_told_as_such(
    scope: str,
    way: str,
    lost: str,
    tmp_path: Path,
    deeds: Deeds,
    written: Callable[[Path], Awaitable[None]],
) -> None:
    """Not in the colour of what is done, and in the log as what nobody knows."""
    deeds.lost, deeds.typed = lost, False
    engine = Guarded(tmp_path)
    actions = keys_of(scope)[: 1 if way == "line" else None]
    async with staged(engine, (160, 40)) as stage:
        stage.desk.surface.edit = written  # type: ignore[method-assign, assignment]
        for number, action in enumerate(actions, 1):
            engine.room.now += 3600.0  # So that no session is told of the one before.
            await given(stage, action, way)
            await stage.until(lambda: stage.desk.talk.asked is not None)
            await stage.press("y")
            await stage.until(lambda n=number: len(deeds.done) == n)  # type: ignore[misc]
            await stage.until(
                lambda: (LOST if lost == "told" else CUT) in (stage.desk.talk.message or [""])[0]
            )
            assert stage.desk.talk.message is not None and stage.desk.talk.message[1] in ("warn", "fail")
    entries = engine.room.audit.read()
    assert {entry.outcome for entry in entries} == {"unknown" if lost == "told" else "failed"}
    assert len(entries) == len(actions) and all(entry.plan["done"] is None for entry in entries)
