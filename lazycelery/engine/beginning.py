"""In the first seconds nobody has answered yet: silence then says nothing."""

from __future__ import annotations

from lazycelery.engine.outage import OF_WORKERS
from lazycelery.model.cluster import Awaited

TOGETHER = 4.0
"""Seconds within which workers that were started together come one after the other."""


class Beginning:
    """Told at each examination who is there. `grace`: seconds in which workers may still be starting."""

    def __init__(self, began: float, grace: float) -> None:
        self._until = began + grace
        self._first: float | None = None
        self._settled = False

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back."""
        self._until += by
        self._first = None if self._first is None else self._first + by

    def note(self, settled: bool, alive: bool, now: float) -> None:
        """Whether everybody was asked once, and whether any worker lives."""
        self._settled = settled
        if alive and self._first is None:
            self._first = now
            self._until = min(self._until, now + TOGETHER)

    def awaited(self, now: float) -> Awaited:
        """What is still to come."""
        if not self._settled:
            return "answers"
        return "workers" if self._first is None and now < self._until else ""

    def hinders(self, code: str, now: float) -> str | None:
        """Why a failure mode cannot be judged yet."""
        if code not in OF_WORKERS or now >= self._until:
            return None
        return "The workers are starting."
