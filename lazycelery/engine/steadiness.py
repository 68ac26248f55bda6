"""Whether the clock may be believed when it says how old something is."""

from __future__ import annotations

import time
from collections.abc import Callable

JUMP = 3600.0
"""Seconds by which the clock may be moved before ages are not believed any more."""
SETTLED = 3600.0
"""Seconds for which it must go on steadily, until they are believed again."""


def elapsed() -> float:
    """Seconds that nobody can set, with those in which the machine slept: they are no jump of the clock."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):  # The latter goes on in sleep on macOS alone.
        if hasattr(time, name):
            return time.clock_gettime(getattr(time, name))
    return time.monotonic()


class Ages:
    """Ages are believed, but not for a while after a jump: a clock that is wrong is mostly put right soon,
    and what was removed by it would be gone."""

    def __init__(self, clock: Callable[[], float], elapsed: Callable[[], float] = elapsed) -> None:
        self._clock, self._elapsed = clock, elapsed
        self._offset = clock() - elapsed()
        self._jumped: float | None = None

    def believed(self) -> bool:
        """Asked once a minute or so: how steadily the clock goes is known by that alone."""
        passed = self._elapsed()
        offset = self._clock() - passed
        if abs(offset - self._offset) >= JUMP:
            self._offset, self._jumped = offset, passed
        return self._jumped is None or passed - self._jumped >= SETTLED
