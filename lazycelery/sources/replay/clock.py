"""The time of a recording that plays: it runs at any pace, stands still, and jumps forward."""

from __future__ import annotations

import asyncio
import time

from lazycelery.waiting import came

SLOWEST, FASTEST = 0.01, 10_000.0


class PlayClock:
    """Epoch seconds of when it was recorded. Speed 0 is all at once: it stands at the end."""

    def __init__(self, at: float, end: float, speed: float, paused: bool = False) -> None:
        self.end, self.speed, self.paused = end, speed, paused
        self._at = at
        self._since = time.monotonic()
        self._turned = asyncio.Event()

    def now(self) -> float:
        """Where it is; never beyond the end, where it stays."""
        if not self.speed:
            return self.end
        run = 0.0 if self.paused else (time.monotonic() - self._since) * self.speed
        return min(self._at + run, self.end)

    def pace(self) -> float:
        """How fast it runs now."""
        return 0.0 if self.paused or self.now() >= self.end else self.speed

    def begin(self) -> None:
        """Run from where it was set: what came before is over."""
        self._since = time.monotonic()

    def turn(
        self, *, at: float | None = None, speed: float | None = None, paused: bool | None = None
    ) -> None:
        """Change it, from this moment on."""
        self._at, self._since = self.now() if at is None else min(at, self.end), time.monotonic()
        if speed is not None and self.speed:
            self.speed = min(max(speed, SLOWEST), FASTEST)
        if paused is not None:
            self.paused = paused
        self._turned.set()

    async def reach(self, moment: float) -> None:
        """Wait until it is there, however it is turned meanwhile."""
        while (ahead := moment - self.now()) > 0:
            self._turned.clear()
            pace = self.pace()
            await came(self._turned, ahead / pace if pace else None)
