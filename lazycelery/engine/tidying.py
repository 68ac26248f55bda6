"""Python's full garbage collections at our own pace.

A full one looks at every object that lives: with ten thousand workers a tenth of a second and more, in
which nothing else is done. Python begins one as soon as a quarter more has come, as a round of answers brings
it each time; nearly all of that is let go without a collection.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time

EVERY = 60.0
"""Seconds between two full collections, at least."""
SHARE = 20_000
"""A dear one comes only so many times later as it took."""
SELDOM = 600.0
"""Seconds after which it comes all the same: what refers to itself waits for it."""
NEVER = 1_000_000_000


class Tidying:
    """Collects in full now and then, until it is ended. Of the whole process: for who owns it."""

    def __init__(self) -> None:
        self.took = 0.0
        """Seconds of CPU of the last one."""
        self._task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """From now on Python begins none itself. Since Python 3.14 it looks at small parts in turn."""
        if sys.version_info >= (3, 14) or self._task is not None:
            return
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, NEVER)
        self._task = asyncio.create_task(self._run(), name="tidying")

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self.rest)
            self.collect()

    @property
    def rest(self) -> float:
        """Seconds until the next one."""
        return min(SELDOM, max(EVERY, self.took * SHARE))

    def collect(self) -> None:
        """One full collection."""
        began = time.thread_time()
        gc.collect()
        self.took = time.thread_time() - began
