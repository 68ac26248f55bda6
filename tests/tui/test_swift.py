"""Between a key and its answer: rows made once, the answer drawn first, and written without a wait."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

from lazycelery.tui.panes.pane import Bodies
from lazycelery.tui.presentation.line import Line
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.wire import LeanApp
from lazycelery.tui.writer import SHORT, Writer
from tests.support.fake_engine import NOW, FakeEngine
from tests.tui.conftest import staged


def test_lines_are_made_again_only_where_a_row_the_look_or_the_room_is_another() -> None:
    made: list[int] = []

    def make() -> list[Line]:
        made.append(1)
        return [(("row", ""),)]

    bodies, look = Bodies(), Look(NOW)
    for rows, now, shown, width in (
        (["a"], look, [(0, 5)], 20),
        (["a"], look, [(0, 5)], 20),
        (["b"], look, [(0, 5)], 20),
        (["b"], Look(NOW + 1), [(0, 5)], 20),
        (["b"], look, [(0, 6)], 20),
        (["b"], look, [(0, 6)], 21),
        (["b"], look, [(0, 6)], 21),
    ):
        bodies.of(rows, now, shown, width, make)
    assert len(made) == 5
    bodies.forget()
    bodies.of(["b"], look, [(0, 6)], 21, make)
    assert len(made) == 6


async def test_the_cursor_is_painted_before_what_follows_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with staged() as stage:
        await stage.press("3", "j")
        left = {part.id: part.region.x for part in stage.app.dashboard._parts}
        painted: list[set[int]] = []
        put = LeanApp.put
        monkeypatch.setattr(
            LeanApp, "put", lambda app, lines: (painted.append({x for x, _, _ in lines}), put(app, lines))[1]
        )
        await stage.press("j")
        assert painted[0] == {left["tasks"]}
        assert any(left["main"] in columns for columns in painted[1:])


def test_a_short_text_is_written_at_once_where_nothing_is_before_it() -> None:
    reading, writing = os.pipe()
    writer = Writer(os.fdopen(writing, "w"))
    assert writer.at_once("a"), "no thread is needed"
    writer.write("b")
    assert not writer.at_once("c"), "it would overtake what waits"
    assert not Writer(writer._file).at_once("x" * (SHORT + 1)), "it could have to wait"
    thread = threading.Thread(target=writer.run)
    thread.start()
    end = time.monotonic() + 5
    while not writer.at_once("d"):
        assert time.monotonic() < end
        time.sleep(0.001)
    writer._queue.put(None)
    thread.join(5)
    assert os.read(reading, 10) == b"abd"
    os.close(reading)


class Meeting(FakeEngine):
    """Answers what is asked in a round only once all of it was asked."""

    meets = False
    ROUND = frozenset({"overview", "workers", "log"})

    async def _answer(self, name: str) -> None:
        await super()._answer(name)
        while self.meets and name in self.ROUND and not self.ROUND.issubset(self.calls):
            await asyncio.sleep(0.01)


async def test_a_round_asks_all_its_questions_at_once() -> None:
    engine = Meeting()
    async with staged(engine) as stage:
        engine.calls.clear()
        engine.meets = True
        engine.fleet[0].active = 2
        engine.touch("workers", "queues", "status", "log")
        await stage.until("2/2")
