"""Ends the screen in good order when the system says so: SIGTERM, or a terminal that went away."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

NAMES = ("SIGTERM", "SIGHUP")


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
