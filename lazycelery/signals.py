"""Signals of the system as calls on the event loop, where there are any."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

ENDS = ("SIGTERM", "SIGHUP")
"""What asks a program to end in good order; a terminal that goes away sends the second."""
CUT_OFF = 128
"""Exit codes from here on tell the number of a signal, as shells know it."""


def on_signal(name: str, call: Callable[[int], object]) -> bool:
    """Call with the signal's number when it comes; false where that cannot be: on Windows, which lacks
    some of them, and outside the main thread."""
    number = getattr(signal, name, None)
    if number is None:
        return False
    with suppress(NotImplementedError, RuntimeError, ValueError):
        asyncio.get_running_loop().add_signal_handler(number, call, number)
        return True
    return False


@contextmanager
def interrupts(call: Callable[[int], object]) -> Iterator[None]:
    """Ctrl-C calls this for a while, then what it called before."""
    before = signal.getsignal(signal.SIGINT)
    if not on_signal("SIGINT", call):
        yield  # Ctrl-C ends the program as it always does.
        return
    try:
        yield
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, before)
