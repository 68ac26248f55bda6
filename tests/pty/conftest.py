"""A terminal with the real screen over an engine in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.pty.terminal import Terminal


@pytest.fixture
def show() -> Iterator[Callable[..., Terminal]]:
    """Starts the screen; words go to `tests.support.fake_engine`."""
    opened: list[Terminal] = []

    def start(*words: str, wait: str = "web-1", **options: Any) -> Terminal:
        terminal = Terminal("-m", "tests.support.fake_engine", *words, **options)
        opened.append(terminal)
        if wait:
            terminal.until(wait)
            terminal.settle()
        return terminal

    yield start
    for terminal in opened:
        terminal.close()
