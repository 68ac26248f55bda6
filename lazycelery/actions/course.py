"""How far an action is that goes page by page: its pace, and the wish that it should stop."""

from __future__ import annotations

import asyncio
import time

from lazycelery.waiting import came

BURST = 0.25
"""Seconds whose targets go together: a rate is kept from one such moment to the next."""


class Course:
    """Counts, a rate, and whether somebody wants it to stop. Made with the plan, used while it runs."""

    def __init__(self, total: int, rate: float | None = None) -> None:
        self.total, self.rate = total, rate
        self.done = self.unknown = 0
        self._halt = asyncio.Event()
        self._due: float | None = None

    @property
    def halting(self) -> bool:
        """Somebody wants it to stop."""
        return self._halt.is_set()

    def halt(self) -> None:
        """Stop after the page that is under way."""
        self._halt.set()

    def page(self, most: int) -> int:
        """How many go together: at a slow rate fewer, so that they do not come in bursts."""
        return most if self.rate is None else max(1, min(most, int(self.rate * BURST)))

    async def pace(self, number: int) -> None:
        """Wait until the next page may go, after one of `number`; not at all when it is to stop."""
        if self.rate is None:
            return
        now = time.monotonic()
        self._due = max(now, self._due if self._due is not None else now) + number / self.rate
        await came(self._halt, self._due - now)
