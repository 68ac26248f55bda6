"""What the screen costs on the line to the terminal, in exact bytes."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from tests.pty.terminal import Terminal

pytestmark = pytest.mark.pty
Show = Callable[..., Terminal]


def cost(terminal: Terminal, keys: str) -> int:
    """Bytes that a key causes, all of its late answers included."""
    before = terminal.bytes
    terminal.send(keys)
    terminal.settle()
    return terminal.bytes - before


def test_an_idle_screen_sends_nothing(show: Show) -> None:
    terminal = show("tasks=100000")
    terminal.settle(1.0)
    # The last of the start may come late on a busy machine; what comes again and again spoils all three.
    assert 0 in (terminal.read(6.5) for _ in range(3))


def test_a_row_that_changes_sends_less_than_a_kilobyte(show: Show) -> None:
    terminal = show("one-row", width=160, height=50)
    terminal.send("j")  # The changing worker is not the one the main side shows.
    terminal.until(lambda: "web-1 ──" in terminal.text or "old-7 ──" in terminal.text)
    before, started = terminal.bytes, time.monotonic()
    terminal.read(3)
    changes = (time.monotonic() - started) / 0.1
    assert 0 < (terminal.bytes - before) / changes < 1000


@pytest.mark.parametrize(("width", "height"), [(80, 24), (160, 50)])
def test_a_change_of_focus_sends_less_than_twelve_kilobytes(show: Show, width: int, height: int) -> None:
    terminal = show("tasks=100000", width=width, height=height)
    spent = [cost(terminal, key) for key in ("2", "3", "1", "\t")]
    assert max(spent) < 12_000, spent


def test_a_question_sends_less_than_eight_kilobytes(show: Show) -> None:
    terminal = show("unlocked", width=160, height=50)
    terminal.send("2")
    terminal.settle()
    asked = cost(terminal, "P")
    assert "Type default" in terminal.text
    refused = cost(terminal, "\r")
    assert "Nothing was done" in terminal.text
    assert asked < 8000 and refused < 8000, (asked, refused)


def test_moving_the_cursor_in_the_tasks_is_cheap(show: Show) -> None:
    terminal = show("tasks=100000", width=160, height=50)
    for key in "3z":
        terminal.send(key)
        terminal.settle()
    assert cost(terminal, "j") < 2500
    assert cost(terminal, "\x06") < 22_000


def test_a_page_of_tasks_is_cheap_and_cheaper_in_the_terminals_own_colours(show: Show) -> None:
    spent = {}
    for theme in ("dark", "terminal"):
        terminal = show("tasks=100000", f"theme={theme}", width=160, height=50)
        for key in "3z":
            terminal.send(key)
            terminal.settle()
        spent[theme] = cost(terminal, "\x06")
    assert spent["dark"] < 15_000 and spent["terminal"] < 7_500, spent


def test_a_slow_terminal_still_quits_within_a_second(show: Show) -> None:
    terminal = show("flood", width=160, height=50)
    end = time.monotonic() + 4
    while time.monotonic() < end:  # 5 kB/s
        time.sleep(0.05)
        terminal.read(0.001, limit=250)
    terminal.send("q")
    asked = time.monotonic()
    while terminal.process.poll() is None and time.monotonic() - asked < 5:
        time.sleep(0.05)
        terminal.read(0.001, limit=250)
    assert time.monotonic() - asked < 1.0


def test_no_color_sends_no_colour(show: Show) -> None:
    terminal = show(NO_COLOR="1")
    terminal.settle()
    assert b"38;2" not in terminal.raw and b"48;2" not in terminal.raw
    assert b"[31m" not in terminal.raw and b"[32m" not in terminal.raw


def test_the_mouse_can_be_left_to_the_terminal(show: Show) -> None:
    assert b"?1003h" not in show("no-mouse").raw
    assert b"?1003h" in show().raw


def test_the_first_frame_costs_little(show: Show) -> None:
    """Beside what its library needs to be loaded: machines are slow at times."""
    terminal = show(wait="")
    terminal.until("Workers")
    ticks = os.sysconf("SC_CLK_TCK")
    with open(f"/proc/{terminal.process.pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    ours = (int(fields[11]) + int(fields[12])) / ticks
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", "import textual.app"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    textual = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert ours < 3 * textual
