"""A line to a terminal that carries so many bytes a second, and not more."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.pty.terminal import Terminal

SPEED = 5_000
"""Bytes a second."""
BEAT = 0.01


class SlowLine:
    """Reads a terminal's bytes at `SPEED`, as a line would carry them."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self._due = time.monotonic()

    def beat(self) -> None:
        """Let the line carry what it can by now."""
        time.sleep(BEAT)
        now = time.monotonic()
        allowed = int((now - self._due) * SPEED)
        if allowed:
            self._due = now
            self.terminal.read(0.0001, limit=allowed)

    def carry(self, seconds: float, until: Callable[[], bool] = lambda: False) -> float:
        """Seconds until something was so, or all of them."""
        began = time.monotonic()
        while time.monotonic() - began < seconds and not until():
            self.beat()
        return time.monotonic() - began

    def keys(self, presses: int) -> list[float]:
        """Seconds until the cursor has moved, for each of some keys; shortest first."""
        took = []
        for number in range(presses):
            before = self.cursor
            self.terminal.send("j" if number % 2 == 0 else "k")
            took.append(self.carry(2, lambda at=before: self.cursor not in (-1, at)))  # type: ignore[misc]
            self.carry(0.25)
        return sorted(took)

    @property
    def cursor(self) -> int:
        """The line of the screen on which the cursor of the first pane is."""
        lines = self.terminal.text.splitlines()
        return next((at for at, line in enumerate(lines) if line.startswith("│▸")), -1)
