"""Python's garbage collections at our own pace.

Python counts what is made less what is let go, and looks for rings of garbage among what is young once that
is 700 more. A round of answers of ten thousand workers takes the place of the one before, so that it counts
little: sixty thousand young objects are looked at in one go then, and once more when they are older, 30 ms
each, in which nothing else is done. Looked at by the clock, some times a second, they are few. A full
collection looks at every object that lives: a tenth of a second and more there, and nearly all of them are
let go without one.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time

YOUNG = 0.1
"""Seconds between two looks at what is young."""
MANY = 50_000
"""Objects more than there were, from which on Python does not wait for us: the loop stands still, or a
thread makes them."""
EVERY = 60.0
"""Seconds between two full collections, at least."""
SHARE = 20_000
"""A dear one comes only so many times later as it took."""
SELDOM = 600.0
"""Seconds after which it comes all the same: what refers to itself waits for it."""
NEVER = 1_000_000_000


class Tidying:
    """Collects what is young, and now and then in full, until it is ended. Of the whole process: for who
    owns it."""

    def __init__(self) -> None:
        self.took = 0.0
        """Seconds of CPU of the last full one."""
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """From now on Python begins none itself. Since Python 3.14 it looks at small parts in turn."""
        if sys.version_info >= (3, 14) or self._task is not None:
            return
        gc.set_threshold(MANY, NEVER, NEVER)
        self._task = asyncio.create_task(self._run(), name="tidying")

    async def _run(self) -> None:
        full = time.monotonic()
        while True:
            await asyncio.sleep(YOUNG)
            if time.monotonic() - full < self.rest:
                gc.collect(0)
                continue
            self.collect()
            full = time.monotonic()

    @property
    def rest(self) -> float:
        """Seconds until the next full one."""
        return min(SELDOM, max(EVERY, self.took * SHARE))

    def collect(self) -> None:
        """One full collection."""
        began = time.thread_time()
        gc.collect()
        self.took = time.thread_time() - began
