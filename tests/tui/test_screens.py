"""What a person sees, as text.

`pytest tests/tui --update-screens` writes the goldens; read the difference.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lazycelery.errors import ConnectionProblem
from lazycelery.model.cluster import SourceHealth
from tests.support.fake_engine import FakeEngine
from tests.tui.conftest import staged

Golden = Callable[[str, str], None]
SIZES = [(80, 24), (120, 35), (200, 60)]
VIEWS = {
    "workers": ("1", "j", "j", "j", "j"),
    "queues": ("2",),
    "messages": ("2", "v"),
    "tasks": ("3", "j", "j"),
    "tasks-wide": ("3", "z"),
    "task": ("3", "j", "j", "enter"),
    "error": ("3", "j", "j", "enter", "]", "]"),
    "timeline": ("3", "j", "j", "enter", "]", "]", "]"),
    "family": ("3", "j", "j", "enter", "]", "]", "]", "]"),
    "task-events": ("3", "j", "j", "enter", "[", "[", "["),
    "message": ("3", "enter", "[", "["),
    "sources": ("3", "j", "j", "enter", "["),
    "help": ("?",),
}


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("view", VIEWS)
async def test_a_view(view: str, width: int, height: int, golden: Golden) -> None:
    async with staged(size=(width, height)) as stage:
        await stage.press(*VIEWS[view])
        golden(f"{view}-{width}x{height}", stage.text)


async def test_portrait_shows_one_pane_at_a_time(golden: Golden) -> None:
    async with staged(size=(60, 30)) as stage:
        await stage.press("2")
        golden("portrait-queues", stage.text)
        await stage.press("tab", "tab")
        golden("portrait-main", stage.text)


async def test_signs_from_ascii_only(golden: Golden) -> None:
    async with staged(size=(80, 24), ascii=True) as stage:
        await stage.press("3", "j", "j")
        assert stage.text.isascii()
        golden("ascii-80x24", stage.text)


async def test_a_production_cluster_says_so() -> None:
    engine = FakeEngine()
    engine.seen.production = True
    async with staged(engine) as stage:
        assert "PRODUCTION" in stage.text


async def test_an_unlocked_session_says_so_without_a_list() -> None:
    async with staged(FakeEngine(read_only=False), (200, 60)) as stage:
        assert "UNLOCKED" in stage.text.splitlines()[0]
        assert "revoke" not in stage.text.splitlines()[0]


async def test_an_empty_cluster_says_what_would_fill_it(golden: Golden) -> None:
    engine = FakeEngine(0)
    engine.fleet, engine.lines = [], []
    async with staged(engine, (80, 24)) as stage:
        await stage.press("3")
        golden("empty-80x24", stage.text)


async def test_workers_without_events_name_the_key_that_turns_them_on() -> None:
    engine = FakeEngine(0)
    for one in engine.fleet:
        one.events = False
    async with staged(engine) as stage:
        await stage.press("3")
        assert "Workers run without -E." in " ".join(stage.text.split())
        assert "E turns events on" in stage.text


async def test_a_broker_that_was_never_reached_says_why(golden: Golden) -> None:
    engine = FakeEngine(0)
    engine.fleet, engine.lines = [], []
    engine.seen.connected = engine.seen.ever_connected = False
    engine.seen.sources = [SourceHealth(name="broker", state="refused", reason="wrong password")]
    async with staged(engine, (80, 24)) as stage:
        golden("refused-80x24", stage.text)


async def test_a_lost_connection_keeps_what_was_known(golden: Golden) -> None:
    async with staged(size=(80, 24)) as stage:
        stage.engine.lose()
        await stage.until("Not connected")
        golden("lost-80x24", stage.text)
        stage.engine.seen.connected = True
        stage.engine.seen.sources[0] = SourceHealth(name="broker", state="connected")
        stage.engine.touch("status")
        await stage.until(lambda: "Not connected" not in stage.text)


async def test_an_engine_that_dies_is_started_again() -> None:
    engine = FakeEngine()
    async with staged(engine) as stage:
        engine.die()
        await stage.until("The engine process has ended.")
        assert "Another engine starts at" in stage.text
        engine.fails = None
        await stage.until(lambda: "has ended" not in stage.text)
        engine.arrive(5)
        await stage.until("1,005")


async def test_an_engine_that_cannot_start_says_why_on_an_empty_screen() -> None:
    engine = FakeEngine()
    engine.fails = ConnectionProblem("The engine cannot be started.", "Is the disk full?")
    async with staged(engine) as stage:
        await stage.until("The engine cannot be started.")
        assert "Is the disk full?" in stage.text


async def test_the_smallest_terminals_get_a_sentence() -> None:
    async with staged(size=(20, 5)) as stage:
        assert "too small" in stage.text


async def test_resizes_at_any_speed_are_survived() -> None:
    async with staged() as stage:
        for step in range(60):
            await stage.pilot.resize_terminal(20 + step * 37 % 200, 4 + step * 13 % 60)
        await stage.pilot.resize_terminal(120, 35)
        await stage.until("1 Workers")


async def test_hostile_texts_are_shown_and_never_obeyed() -> None:
    async with staged(FakeEngine(hostile=True), (120, 35)) as stage:
        for keys in (("1",), ("2", "j"), ("2", "v"), ("3", "]"), ("]",), ("]",), ("]",), ("enter",), ("y",)):
            await stage.press(*keys)
            assert "[/x]" in stage.text
            assert all(char.isprintable() or char == "\n" for char in stage.text)
            assert "\u202e" not in stage.text


async def test_a_picture_that_fails_leaves_the_others_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    async with staged() as stage:
        monkeypatch.setattr(stage.desk.queues, "cells", lambda index, look: 1 / 0)
        stage.engine.touch("queues")
        await stage.until("Cannot be shown")
        await stage.press("3", "j")
        assert "3 Tasks" in stage.text and "ZeroDivisionError" in stage.text.replace("\n", "")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 48)])
async def test_what_a_lost_connection_leaves_does_not_read_as_the_present(width: int, height: int) -> None:
    async with staged(size=(width, height)) as stage:
        stage.engine.lose()
        await stage.until("Not connected")
        lines = stage.text.splitlines()
        for title in ("1 Workers", "2 Queues", "3 Tasks"):
            assert "10s old" in next(line for line in lines if title in line), "the age, without a colour"
        rows = [line[:24] for line in lines if "default" in line[:24] or "web-1" in line[:24]]
        assert rows and all("?" in row and "●" not in row for row in rows), rows
        assert "Not connected: this was so 10s ago." in stage.text
        await stage.press("2")
        assert "this was so" in stage.text
        stage.engine.seen.connected = True
        stage.engine.seen.sources[0] = SourceHealth(name="broker", state="connected")
        stage.engine.touch("status")
        await stage.until(lambda: "s old" not in stage.text)
        assert "this was so" not in stage.text


async def test_an_empty_pane_without_a_connection_does_not_say_that_there_is_nothing() -> None:
    engine = FakeEngine(0)
    engine.fleet, engine.lines = [], []
    async with staged(engine, (80, 24)) as stage:
        engine.lose()
        await stage.until("Not connected")
        for key in "123":
            await stage.press(key)
            said = " ".join(stage.text.replace("│", " ").split())
            assert "what is there now is not known" in said, key
            assert "No worker answers" not in said and "No queue is bound" not in said
            assert "No task seen yet" not in said
