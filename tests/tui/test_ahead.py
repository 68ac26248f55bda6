"""Keys that come faster than the engine answers: typed ahead, or pasted over a slow line."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from textual.events import Key, Paste

from lazycelery.tui import ahead
from tests.support.fake_engine import FakeEngine
from tests.tui.conftest import Stage, staged


def at_once(stage: Stage, *chords: str) -> None:
    """Keys in one packet: none of them sees what the one before it has caused."""
    for chord in chords:
        stage.desk.press(chord, chord if len(chord) == 1 else " " if chord == "space" else None)


PASTED = "<paste>"
NAMES = {"/": "slash"}
CONTROLS = {"enter": "\r", "ctrl+a": "\x01", "ctrl+p": "\x10", "ctrl+u": "\x15"}
TO_FAILED = ("3", "f")
MARK, FILTER = ("M",), ("/", *"state:failure", "enter")


@pytest.mark.parametrize(
    ("keys", "question"),
    [
        pytest.param((*TO_FAILED, "M", "r"), "retry 250 tasks", id="faults, all, retry"),
        pytest.param(("3", *FILTER, "M", "x"), "revoke 125 tasks", id="filter, all, revoke"),
        pytest.param(("3", *FILTER, "j", "m", "m", "r"), "retry 2 tasks", id="filter, marks, retry"),
        pytest.param(("G", "enter", "M", "x"), "revoke 333 tasks", id="tasks of a worker, all, revoke"),
        pytest.param(("2", "M", "P"), "Purge 3 queues: 1,223 messages", id="all queues, purge"),
        pytest.param(
            (":", *"tasks state:failure", "enter", "M", "r"), "retry 125 tasks", id="command, all, retry"
        ),
        pytest.param(("e", "j", "r"), "retry what matches error_group:", id="errors, group, retry"),
    ],
)
async def test_keys_act_in_their_order(keys: Sequence[str], question: str) -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        stage.engine.delay = 0.05
        at_once(stage, *keys)
        await stage.until(lambda: stage.desk.talk.asked is not None)
        await stage.until(question)
        assert stage.engine.acted == []


async def test_a_key_after_an_unlock_finds_it_unlocked() -> None:
    async with staged() as stage:
        stage.engine.delay = 0.05
        at_once(stage, "3", "W", "y", "r")
        await stage.until(lambda: stage.desk.talk.asked is not None)
        assert "Read-only" not in stage.text


async def test_what_a_key_is_about_is_what_is_seen_then() -> None:
    async with staged() as stage:
        stage.engine.delay = 0.05
        at_once(stage, "3", "f", "y")
        await stage.until(lambda: stage.app.clipboard != "")
        assert stage.engine._row(stage.engine._numbers[stage.app.clipboard]).state in ("failure", "retry")


async def test_a_paste_comes_after_the_keys_that_were_typed_before_it() -> None:
    async with staged() as stage:
        stage.engine.delay = 0.05
        at_once(stage, "3", "f", "M", "/")
        stage.desk.paste("name:shop.pay")
        at_once(stage, "enter")
        assert stage.desk.ahead.kept
        await stage.until(lambda: "name:shop.pay" in stage.text and stage.desk.talk.typing is None)


@pytest.mark.parametrize(
    ("keys", "typed"),
    [
        pytest.param(("/", PASTED, "enter"), "name:shop.pay", id="paste, enter"),
        pytest.param(("/", *"web", "ctrl+u", *"state:failure", "enter"), "state:failure", id="ctrl+u, enter"),
        pytest.param(("/", "b", "ctrl+a", "a"), "ab", id="ctrl+a, a letter"),
        pytest.param(("ctrl+p", *"revoke"), "revoke", id="ctrl+p, letters"),
    ],
)
async def test_no_key_overtakes_a_paste_or_a_control_key(keys: Sequence[str], typed: str) -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await stage.press("3")
        for key in keys:  # In one packet.
            character = CONTROLS.get(key, key if len(key) == 1 else None)
            event = Paste("name:shop.pay") if key == PASTED else Key(NAMES.get(key, key), character)
            stage.app.post_message(event)
        await stage.rest()
        typing = stage.desk.talk.typing
        assert typed == (typing.prompt.text if typing is not None else stage.desk.tasks.filter)
        assert stage.desk.talk.asked is None


async def test_a_look_that_fails_for_whatever_reason_lets_keys_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "PATIENCE", 30.0)
    async with staged() as stage:

        async def fails(*_: object, **__: object) -> None:
            raise KeyError("a defect")

        monkeypatch.setattr(stage.engine, "errors", fails)
        at_once(stage, "e", "?")
        await stage.until("Everywhere")
        await stage.press("escape")
        await stage.until("a defect of this program")


async def test_an_answer_typed_before_its_question_is_none() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        stage.engine.delay = 0.05
        for answer in ("y", "n", "enter"):
            at_once(stage, "3", "r", answer)
            await stage.until("The question was not there yet")
            await asyncio.sleep(0.1)
            assert stage.desk.talk.asked is None and stage.engine.acted == [] and stage.app.clipboard == ""


async def test_escape_and_another_pane_wait_for_nothing_and_drop_what_waits() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        stage.engine.delay = 0.2
        at_once(stage, "3", "M", "r", "escape")
        assert not stage.desk.ahead.kept
        at_once(stage, "f", "x", "1")
        assert stage.desk.lead == "workers" and not stage.desk.ahead.kept
        await asyncio.sleep(0.5)
        assert stage.desk.talk.asked is None and "plan" not in stage.engine.calls


async def test_without_an_answer_they_are_let_go_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "PATIENCE", 0.1)
    async with staged(FakeEngine(read_only=False)) as stage:
        stage.engine.delay = 30
        at_once(stage, "3", "f", "j", "r")
        await stage.until("No answer yet. 2 keys typed ahead did nothing.")
        assert stage.engine.calls.count("plan") == 0


async def test_a_failure_of_the_engine_lets_keys_go_on() -> None:
    async with staged() as stage:
        stage.engine.die()
        at_once(stage, "3", "f", "?")
        await stage.until("Everywhere")
