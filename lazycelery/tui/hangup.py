"""Ends the screen in good order when the system says so: SIGTERM, or a terminal that went away."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable

from lazycelery.signals import CUT_OFF, ENDS, on_signal

GONE = CUT_OFF + 1
"""The exit code of a terminal that went away, with or without the signal of that name."""
LOOKED_AT = 5.0
"""Seconds between two looks whether the terminal is there."""


def end_politely(end: Callable[[int], None]) -> None:
    """Call `end` with the exit code that shells know for the signal: 128 and its number."""
    for name in ENDS:
        on_signal(name, lambda number: end(CUT_OFF + number))


def terminal_gone() -> bool:
    """Whether the terminal went away: not everybody who loses one is told by a signal."""
    if sys.platform == "win32":
        return False
    import termios

    try:
        termios.tcgetattr(0)
    except termios.error as problem:
        return bool(problem.args and problem.args[0] == errno.EIO)
    return False
