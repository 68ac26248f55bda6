"""A key is answered while 100,000 tasks are held and everything changes ten times a second."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.pty.terminal import Terminal

pytestmark = pytest.mark.pty


def test_a_key_is_answered_at_once_while_everything_changes(show: Callable[..., Terminal]) -> None:
    terminal = show("flood", "tasks=100000", wait="")
    terminal.until("web-1")
    terminal.send("3")
    terminal.until("shop.charge")
    took = []
    for number in range(60):
        terminal.send("j" if number % 2 else "k")
        started = time.monotonic()
        terminal.first_byte(0.5)
        took.append(time.monotonic() - started)
        terminal.read(0.03)
        time.sleep(0.013)
    took.sort()
    # The machine runs other tests; the benchmarks hold the real figure.
    assert took[len(took) // 2] < 0.016, took
    assert took[-2] < 0.1, took
