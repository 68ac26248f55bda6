"""The time of a recording that plays: it runs at any pace, stands still, and jumps.

While more is still to be played than time has passed, it is where the playing is.
"""

from __future__ import annotations

import asyncio
import time

from lazycelery.waiting import came

SLOWEST, FASTEST = 0.01, 10_000.0
LATE = 0.5
"""Seconds of ours by which the playing may be behind the clock."""


class PlayClock:
    """Epoch seconds of when it was recorded. Speed 0 is all at once: it is on its way to the end."""

    def __init__(self, at: float, end: float, speed: float, paused: bool = False) -> None:
        self.end, self.speed, self.paused = end, speed, paused
        self.played: float | None = None
        """On the way to another moment: up to where it was played."""
        self._at = at
        self._since = time.monotonic()
        self._turned = asyncio.Event()

    def now(self) -> float:
        """Where it is; never beyond the end, where it stays."""
        if self.played is None:
            return self.aim()
        return min(self.played, self._at if self.speed else self.end)

    def aim(self) -> float:
        """Where it is, or is on its way to."""
        if not self.speed:
            return self.end
        run = 0.0 if self.paused or self.played is not None else time.monotonic() - self._since
        return min(self._at + run * self.speed, self.end)

    def pace(self) -> float:
        """How fast it runs now."""
        return 0.0 if self.paused or self.played is not None or self.now() >= self.end else self.speed

    def arrive(self) -> None:
        """All up to the moment it was on its way to was played: it runs from there."""
        self.played, self._since = None, time.monotonic()

    def slip(self, played: float) -> None:
        """It is played up to there: where that takes longer than its pace, the clock waits for it."""
        if self.played is not None:
            self.played = max(self.played, played)
        elif self.speed and self.now() - played > LATE * self.speed:
            self._at, self._since = played, time.monotonic()

    def grow(self, end: float) -> None:
        """The recording goes on until then; it runs from where it stood."""
        self._at, self._since, self.end = self.aim(), time.monotonic(), end
        self._turned.set()

    def turn(
        self, *, at: float | None = None, speed: float | None = None, paused: bool | None = None
    ) -> None:
        """Change it, from this moment on; `at` is no moment that was played already."""
        if at is not None:
            if self.played is None and at > self.now():
                self.played = self.now()
            self._at = min(at, self.end)
        else:
            self._at = self.aim()
        self._since = time.monotonic()
        if speed is not None and self.speed:
            self.speed = min(max(speed, SLOWEST), FASTEST)
        if paused is not None:
            self.paused = paused
        self._turned.set()

    def skip(self, at: float) -> None:
        """Run from there: nothing was said until then."""
        self._at, self._since = min(at, self.end), time.monotonic()

    async def reach(self, moment: float) -> None:
        """Wait until it may be there, or was turned."""
        if (ahead := moment - self.aim()) > 0:
            pace = self.pace()
            await self.turned(ahead / pace if pace else None)

    async def turned(self, most: float | None) -> None:
        """Wait until it is turned, for so many seconds at the most."""
        self._turned.clear()
        await came(self._turned, most)
