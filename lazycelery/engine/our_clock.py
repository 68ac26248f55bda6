"""This machine's clock, and who wants to know when it was set: what is kept of a while ago is dated by it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from lazycelery.engine.steadiness import elapsed

SET = 1.0
"""Seconds by which the clock jumps when it is set; by less it is slewed, or drifts."""
AT_ONCE = 0.1
"""Seconds within which both clocks must be read."""
TRIES = 5


class OurClock:
    """Sleep is no jump. Belongs to the thread that makes it; others may read it."""

    def __init__(
        self, clock: Callable[[], float] = time.time, elapsed: Callable[[], float] = elapsed
    ) -> None:
        self._clock, self._elapsed = clock, elapsed
        self._offset = clock() - elapsed()
        self._thread = threading.get_ident()
        self.was_set: Callable[[float], None] = lambda _by: None
        """Called with the seconds by which it was set ahead, before anybody is told the new time."""

    def now(self) -> float:
        """Epoch seconds."""
        if threading.get_ident() != self._thread:
            return self._clock()
        passed, now = self._elapsed(), self._clock()
        by = now - passed - self._offset
        if abs(by) < SET:
            self._offset += by
            return now
        for _ in range(TRIES):
            if self._elapsed() - passed < AT_ONCE:
                self._offset += by
                self.was_set(by)
                break
            passed, now = self._elapsed(), self._clock()  # We were held up in between.
            by = now - passed - self._offset
            if abs(by) < SET:
                break
        return now
