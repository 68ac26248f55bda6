"""When something was done last, so that it is done no more often than it should be."""

from __future__ import annotations

from collections.abc import Callable


class Due:
    """By name; `forget` makes it due at once."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._done: dict[str, float] = {}

    def now(self, what: str, every: float) -> bool:
        """Whether so many seconds have gone since it was due last; it counts as done then."""
        now = self._clock()
        if 0 <= now - self._done.get(what, 0.0) < every:  # Not so where the clock was set back since.
            return False
        self._done[what] = now
        return True

    def forget(self, what: str | None = None) -> None:
        """Make one of them due, or all."""
        if what is None:
            self._done.clear()
        else:
            self._done.pop(what, None)
