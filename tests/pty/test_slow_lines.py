"""A terminal at 5 kB/s, and one that never answers: keys are alive, frames are skipped."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.pty.slow_line import SlowLine
from tests.pty.terminal import Terminal

pytestmark = pytest.mark.pty
Show = Callable[..., Terminal]


def test_at_five_kilobytes_a_second_keys_are_answered_and_quitting_is_quick(show: Show) -> None:
    terminal = show("flood", "tasks=100000", wait="", width=160, height=50)
    line = SlowLine(terminal)
    assert line.carry(20, lambda: "web-3" in terminal.text) < 20
    line.carry(1)
    took = line.keys(9)
    # The answer itself is some three hundred bytes, which this line carries in 60 ms.
    assert took[len(took) // 2] < 0.1 + 0.02, took
    terminal.send("q")
    assert line.carry(5, lambda: terminal.process.poll() is not None) < 1.0
    assert terminal.process.poll() == 0


def test_at_five_kilobytes_a_second_a_question_is_seen_at_once(show: Show) -> None:
    terminal = show("flood", "unlocked", "tasks=100000", wait="", width=160, height=50)
    line = SlowLine(terminal)
    assert line.carry(20, lambda: "web-3" in terminal.text) < 20
    terminal.send("2")
    line.carry(1.5)
    terminal.send("]")  # A page of messages is on its way when the question comes.
    terminal.send("P")
    assert line.carry(5, lambda: "Type default" in terminal.text) < 0.6


def test_a_terminal_that_never_answers_freezes_nothing(show: Show) -> None:
    terminal = show("flood", wait="", answers=False, width=160, height=50)
    terminal.until("web-1")
    assert terminal.raw.count(b"\x1b[6n") <= 2, "it is not asked again and again"
    terminal.send("3")
    terminal.until(lambda: "╭─ 3 Tasks" in terminal.text)
    terminal.send("?")
    terminal.until("Everywhere")
    terminal.send("q")
    asked = time.monotonic()
    assert terminal.ended() == 0 and time.monotonic() - asked < 1.0


def test_a_terminal_that_stops_answering_goes_on_being_painted(show: Show) -> None:
    terminal = show("flood", wait="")
    terminal.until("web-1")
    terminal.stop_answering()
    terminal.send("2")
    time.sleep(0.2)
    terminal.send("v")
    terminal.until("Messages", timeout=6)
    terminal.until(lambda: "shop.charge" in terminal.text, timeout=6)


def test_no_answer_is_left_for_the_shell(show: Show) -> None:
    terminal = show("flood", wait="", lag=0.15)
    terminal.until("web-1")
    terminal.send("q")
    assert terminal.ended() == 0
    assert not any(answers for _, answers in terminal.owed), "the shell would take them for keys"
