"""Between a key and its answer: rows made once, the answer drawn first, and written without a wait."""

from __future__ import annotations

import asyncio
import os
import select
import termios
import threading
import time
import tty
from collections.abc import Iterator

import pytest
from textual.strip import Strip

from lazycelery.tui.panes.pane import Bodies, Cells
from lazycelery.tui.presentation.line import Line, Span
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.wire import LeanApp
from lazycelery.tui.writer import SHORT, Writer
from tests.support.fake_engine import NOW, FakeEngine
from tests.tui.conftest import staged


def test_lines_are_made_again_only_where_a_row_the_look_or_the_room_is_another() -> None:
    asked: list[int] = []
    bodies, look = Bodies(), Look(NOW)

    def of(rows: list[str], now: Look, shown: list[tuple[int, int]], width: int) -> list[Line]:
        def cells() -> list[list[Span]]:
            asked.append(1)
            return [[(row, "")] for row in rows]

        return bodies.of(rows, now, shown, width, cells, lambda cells: tuple(cells or ()))

    for rows, now, shown, width in (
        (["a"], look, [(0, 5)], 20),
        (["a"], look, [(0, 5)], 20),
        (["b"], look, [(0, 5)], 20),
        (["b"], Look(NOW + 1), [(0, 5)], 20),
        (["b"], look, [(0, 6)], 20),
        (["b"], look, [(0, 6)], 21),
        (["b"], look, [(0, 6)], 21),
    ):
        assert of(rows, now, shown, width) == [((rows[0], ""),)]
    assert len(asked) == 5
    bodies.forget()
    of(["b"], look, [(0, 6)], 21)
    assert len(asked) == 6


def test_a_line_is_set_again_only_where_its_cells_are_others_or_the_room_is() -> None:
    set_anew: list[str] = []
    bodies = Bodies()

    def of(rows: list[str], now: float, width: int = 20) -> list[Line]:
        def line(cells: Cells | None) -> Line:
            text = "".join(text for text, _ in cells or ())
            set_anew.append(text)
            return ((text[:width], ""),)

        said = [[(row, ""), (f" {int(now)} s", "dim")] for row in rows]
        return bodies.of(rows, Look(now), [(0, 5)], width, lambda: said, line)

    of(["a", "b"], 1.0)
    set_anew.clear()
    assert of(["c", "a", "b"], 1.5)[1:] == [(("a 1 s", ""),), (("b 1 s", ""),)]
    assert set_anew == ["c 1 s"]
    set_anew.clear()
    assert of(["c", "a"], 2.0) == [(("c 2 s", ""),), (("a 2 s", ""),)]
    assert of(["c", "a"], 2.1, 1) == [(("c", ""),), (("a", ""),)]
    assert set_anew == ["c 2 s", "a 2 s"] * 2


async def test_a_painted_line_is_what_it_was_only_while_its_looks_are() -> None:
    async with staged(size=(80, 24)) as stage:
        await stage.press("3", "j", "j")
        part = next(part for part in stage.app.dashboard._parts if part.id == "tasks")

        def painted() -> list[Strip]:
            return [part.strip(y) for y in range(part.size.height)]

        def anew() -> list[Strip]:
            part._strips.clear()
            return painted()

        for change in ("j", "T", "G", "g", "+", "m"):
            await stage.press(change)
            assert painted() == anew(), change
        await stage.pilot.resize_terminal(120, 35)
        await stage.rest()
        assert painted() == anew()
        assert len(part._strips) <= 4 * part.size.height + 1


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


@pytest.fixture
def held() -> Iterator[tuple[int, Writer]]:
    """A terminal that nobody reads, and its writer, whose thread does not run yet."""
    master, slave = os.openpty()
    tty.setraw(slave)
    file = os.fdopen(slave, "w", encoding="utf-8")
    yield master, Writer(file)
    termios.tcflow(slave, termios.TCOON)
    termios.tcflush(slave, termios.TCOFLUSH)
    file.close()
    os.close(master)


def carried(master: int, writer: Writer, last: str) -> str:
    """All that comes once the thread writes, up to the last word."""
    writer.write(last)
    thread = threading.Thread(target=writer.run, daemon=True)
    thread.start()
    come = b""
    while not come.endswith(last.encode()):
        assert select.select([master], [], [], 5)[0], come[-100:]
        come += os.read(master, 4096)
    writer._queue.put(None)
    thread.join(5)
    return come.decode()


@pytest.mark.parametrize("waits", [True, False], ids=["waits", "another program left it without waiting"])
def test_a_full_terminal_is_not_waited_for_and_loses_nothing(held: tuple[int, Writer], waits: bool) -> None:
    master, writer = held
    os.set_blocking(writer.fileno(), False)
    filled, line = 0, "│" * 33
    while filled < 1 << 20:
        try:
            filled += os.write(writer.fileno(), b".")
        except BlockingIOError:
            break
    os.set_blocking(writer.fileno(), waits)
    assert not writer.at_once(line)
    assert carried(master, writer, line + "end") == "." * filled + line + "end"


def test_output_that_is_held_is_not_waited_for(held: tuple[int, Writer]) -> None:
    master, writer = held
    termios.tcflow(writer.fileno(), termios.TCOOFF)
    assert not writer.at_once("a")
    termios.tcflow(writer.fileno(), termios.TCOON)
    assert writer.at_once("b")
    assert carried(master, writer, "c") == "bc"


def test_the_rest_of_what_was_taken_in_part_comes_before_all_else(
    held: tuple[int, Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    master, writer = held
    write = os.write
    monkeypatch.setattr(os, "write", lambda fileno, data: write(fileno, data[:4]))
    assert writer.at_once("\x1b[38;5;4m│─│")
    assert not writer.at_once("x"), "it would stand in the middle of a sequence"
    assert carried(master, writer, "y") == "\x1b[38;5;4m│─│y"


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
