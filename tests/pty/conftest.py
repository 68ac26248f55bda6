"""A terminal with the real screen over an engine in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.pty.terminal import Terminal

RESTLESS = {"flood", "one-row"}
"""Words of engines that change all the time: their screen never settles."""


@pytest.fixture
def show() -> Iterator[Callable[..., Terminal]]:
    """Starts the screen; words go to `tests.support.fake_engine`."""
    opened: list[Terminal] = []

    def start(*words: str, wait: str = "web-1", **options: Any) -> Terminal:
        terminal = Terminal("-m", "tests.support.fake_engine", *words, **options)
        opened.append(terminal)
        if wait:
            terminal.until(wait)
            terminal.settle(timeout=1.5 if RESTLESS & {*words} else 10)
        return terminal

    yield start
    for terminal in opened:
        terminal.close()
