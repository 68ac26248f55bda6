"""Waiting for an event, at most so long; and letting others have their turn in long work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

SLICE = 0.004
"""Seconds of work after which others have their turn."""


async def came(event: asyncio.Event, seconds: float | None) -> bool:
    """Whether an event was set within so many seconds; `None` waits as long as it takes.

    Before Python 3.12 `asyncio.wait_for` swallows a cancellation that comes with the event: whoever waits in
    a loop would then never end.
    """
    waiter = asyncio.ensure_future(event.wait())
    try:
        done, _ = await asyncio.wait((waiter,), timeout=seconds)
    finally:
        waiter.cancel()
    return bool(done)


class Breath:
    """Gives others their turn after a few milliseconds of work."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def take(self) -> None:
        """Let others work, when it is time."""
        if time.perf_counter() - self._began > SLICE:
            await asyncio.sleep(0)
            self._began = time.perf_counter()


async def unhurried(items: Iterable[T], breath: Breath | None = None) -> list[T]:
    """All that an iterator makes one by one; others have their turn in between."""
    breath, made = breath or Breath(), []
    for item in items:
        made.append(item)
        await breath.take()
    return made
