"""Questions to the engine that run beside the screen. A key never waits for one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from lazycelery.errors import LazyCeleryError


class Errands:
    """Runs coroutines and tells what went wrong with them."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._running: set[asyncio.Task[None]] = set()
        self._first: set[asyncio.Task[None]] = set()

    def run(self, errand: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start one; it is held until it ends."""
        task = asyncio.create_task(self._watched(errand))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def run_first(self, errand: Coroutine[Any, Any, None]) -> None:
        """The same, for one that decides what the next keys are about: they wait until it has ended."""
        task = self.run(errand)
        self._first.add(task)
        task.add_done_callback(self._first.discard)

    @property
    def due(self) -> bool:
        """Whether keys have to wait for one."""
        return bool(self._first)

    async def _watched(self, errand: Coroutine[Any, Any, None]) -> None:
        try:
            await errand
        except LazyCeleryError as problem:
            self._tell(str(problem))
        except Exception as fault:  # A fault in one errand must not go unseen, nor end the screen.
            self._tell(f"A fault of ours: {type(fault).__name__}: {fault}")

    def stop(self) -> None:
        """Give up all that run."""
        for task in self._running:
            task.cancel()
