"""Work in slices of a few milliseconds: between them events are taken in and other requests answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from typing import TypeVar

T = TypeVar("T")


async def in_slices(steps: Generator[None, None, T]) -> T:
    """Run all steps; returns what they return."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        await asyncio.sleep(0)


def after(seconds: float | None) -> Callable[[], bool] | None:
    """Tells whether so much time has passed since now; `None` for no bound."""
    if seconds is None:
        return None
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end
