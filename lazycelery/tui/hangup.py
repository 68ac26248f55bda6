"""Ends the screen in good order when the system says so: SIGTERM, or a terminal that went away."""

from __future__ import annotations

import asyncio
import errno
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

NAMES = ("SIGTERM", "SIGHUP")
GONE = 128 + 1
"""The exit code of a terminal that went away, with or without the signal of that name."""
LOOKED_AT = 5.0
"""Seconds between two looks whether the terminal is there."""


def end_politely(end: Callable[[int], None]) -> None:
    """Call `end` with the exit code that shells know for the signal: 128 and its number."""
    if sys.platform == "win32":
        return
    loop = asyncio.get_running_loop()
    for name in NAMES:
        number = getattr(signal, name)
        # Outside the main thread, as under a test, the signals are not ours.
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, end, 128 + number)


def terminal_gone() -> bool:
    """Whether the terminal went away: not everybody who loses one is told by a signal, and Textual would
    read its end again and again."""
    if sys.platform == "win32":
        return False
    import termios

    try:
        termios.tcgetattr(0)
    except termios.error as problem:
        return bool(problem.args and problem.args[0] == errno.EIO)
    return False
