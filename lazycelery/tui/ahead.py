"""Keys typed ahead: each acts on what the one before it has brought about."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from lazycelery.tui.errands import Errands

PATIENCE = 3.0
"""Seconds that keys wait for an answer of the engine."""
LOOK = 0.005
"""Seconds between two looks whether it is there."""

Key = tuple[str, str | None]
"""Chord and character; of a pasted text, what stands for a chord, and the text."""


class Ahead:
    """Keeps keys, in their order, while the engine is still asked for what they are about.

    `awaited` tells whether it is, `press` does what a key does, `drop` tells that so many keys were let go
    because no answer came.
    """

    def __init__(
        self,
        errands: Errands,
        awaited: Callable[[], bool],
        press: Callable[[str, str | None], None],
        drop: Callable[[int], None],
    ) -> None:
        self._errands = errands
        self._awaited = awaited
        self._press = press
        self._drop = drop
        self._kept: deque[Key] = deque()
        self._waiting: asyncio.Task[None] | None = None

    @property
    def kept(self) -> bool:
        """Whether any key waits."""
        return bool(self._kept)

    def keep(self, chord: str, character: str | None) -> None:
        """Let a key wait for its turn."""
        self._kept.append((chord, character))
        if self._waiting is None or self._waiting.done():
            self._waiting = self._errands.run(self._wait())

    def forget(self) -> None:
        """Let all of them go: a person went another way."""
        self._kept.clear()

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE
        while self._kept:
            if not self._awaited():
                self._press(*self._kept.popleft())
                end = loop.time() + PATIENCE
            elif loop.time() < end:
                await asyncio.sleep(LOOK)
            else:
                let_go = len(self._kept)
                self._kept.clear()
                self._drop(let_go)
