"""How long the way of all events is just now: they come one behind the other, whoever sent them."""

from __future__ import annotations

import math

ON_TIME, LATE = 0.5, 2.0
"""Seconds: what came with less is on time, what came with more is late; workers gather for up to one."""
RECENT = 30.0
"""Seconds for which it is known."""


class Way:
    """Shared by the clocks of all senders. Times in epoch seconds, ours."""

    def __init__(self) -> None:
        self._on_time, self._late = -math.inf, -math.inf
        """When an event came so last."""
        self._is_late = False
        """Whether that was later than on time."""

    def note(self, late: float, received: float) -> None:
        """An event of a sender whose clock is known came so many seconds late."""
        if late < ON_TIME:
            self._on_time, self._is_late = received, False
        elif late > LATE:
            self._late, self._is_late = received, True

    def short(self, received: float) -> bool:
        """Whether somebody's event came on time a moment ago: then nothing that comes now waited for long."""
        return 0.0 <= received - self._on_time <= RECENT

    def long(self, received: float) -> bool:
        """Whether the newest events came late: then nobody's clock can be told by the first one."""
        return self._is_late and 0.0 <= received - self._late <= RECENT

    def set(self, by: float) -> None:
        """Our own clock was set ahead by so many seconds, or back."""
        self._on_time, self._late = self._on_time + by, self._late + by
