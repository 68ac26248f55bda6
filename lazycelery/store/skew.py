"""A sender's clock against ours, told by how late its events come.

The least delay of the last minutes is all clock, the rest is the way. A delay that falls proves at once that
the clock was to blame for what is gone. One that rises may be either, and counts as lag until it is known:

- Timestamps that go back, and stay there, are a clock that was set back: a pipe keeps the order.
- A step of our own clock is told by who sees it (`set`).
- Else it must be the same in each quarter of a window, of events behind which none waited for us, and be told
  from a backlog of constant length, such as a queue that drops what is older than a minute: either others'
  events came on time all the while (`Way`), or the delay is what it is between right clocks, or it has risen
  by no more than a slewed clock's does. All else is lag, however long it lasts.
"""

from __future__ import annotations

import math

from lazycelery.store.way import Way

MATERIAL_SKEW = 0.5
"""Seconds: below that, it may as well be the network."""
STEP = 2.0
"""Seconds by which a clock is set back at least: workers gather their events for up to one."""
SURE = 5.0
"""Seconds for which all events must be of the same mind before a clock counts as set back."""
QUARTER, QUARTERS = 30.0, 4
"""Seconds of a part of the window, and how many there are."""
SLEWED = 0.5
"""Seconds by which a clock that is slewed drifts in a window, at most."""
ENOUGH = 3
"""Events, at least, by which anything is told of a clock."""
UNLIKELY = 1e10
"""Seconds: no clock is so wrong."""


class Skew:
    """Of one sender. Times in epoch seconds. `way`: shared with the other senders."""

    def __init__(self, way: Way | None = None) -> None:
        self._way = way or Way()
        self._least: float | None = None
        """Seconds of delay that are the clock's; less than that never came."""
        self._newest = -math.inf
        """The greatest timestamp since its clock was set."""
        self._late = 0.0
        """Of the last event."""
        self._since, self._low, self._seen = 0.0, math.inf, 0
        """When the quarter under way began, its least delay, and its events."""
        self._lows: tuple[float, ...] = ()
        """The least delay of each of the last quarters."""
        self._short, self._shorts = True, 0
        """Whether others' events came on time throughout the quarter under way, and in how many before it."""
        self._set_back: _SetBack | None = None

    def take(self, timestamp: float, received: float, waiting: bool = False) -> float:
        """Note one event's two times; returns how late it came, seconds. `waiting`: others waited behind it
        to be read, so that it may have waited as well."""
        delay = received - timestamp
        if not -UNLIKELY < delay < UNLIKELY:
            return 0.0
        if self._least is None:
            if waiting or (delay >= MATERIAL_SKEW and self._way.long(received)):
                return max(0.0, delay)  # It may be either, and nothing is known yet.
            self._least = delay
            self._window(received)
        if delay <= self._least + STEP:
            self._least, self._set_back = min(self._least, delay), None
        elif timestamp < self._newest - STEP:
            self._newest = timestamp
            self._set_back = _SetBack(received, max(self._least, delay - self._late))
        if not waiting:
            self._slide(delay, received)
        late = max(0.0, delay - _told(self._least))
        if self._set_back is not None:
            late = self._set_back.take(delay, received, waiting)
            if self._set_back.sure(received):
                self._least, self._set_back = self._set_back.least(), None
                self._window(received)
        else:
            self._way.note(late, received)
        self._newest, self._late = max(self._newest, timestamp), late
        return late

    def set(self, by: float) -> None:
        """Our own clock was set ahead by so many seconds, or back."""
        if self._least is not None:
            self._least += by
        self._low += by
        self._since += by
        self._lows = tuple(low + by for low in self._lows)
        if self._set_back is not None:
            self._set_back.set(by)

    def _window(self, received: float) -> None:
        """Begin to look anew."""
        self._since, self._low, self._seen, self._lows = received, math.inf, 0, ()
        self._short, self._shorts = True, 0

    def _slide(self, delay: float, received: float) -> None:
        self._low, self._seen = min(self._low, delay), self._seen + 1
        self._short = self._short and self._way.short(received)
        if received < self._since:
            self._since = received  # Our clock was set back, and nobody told.
        elif received - self._since >= QUARTER and self._seen >= ENOUGH:
            lows = self._lows = (*self._lows, self._low)[-QUARTERS:]
            self._shorts = self._shorts + 1 if self._short else 0
            self._since, self._low, self._seen, self._short = received, math.inf, 0, True
            if len(lows) == QUARTERS and max(lows) - min(lows) <= STEP:
                self._raise(min(lows))

    def _raise(self, low: float) -> None:
        """It was no less for a window: that is the clock, unless it may be a backlog of constant length."""
        if self._least is None or low <= self._least:
            return
        right, slewed = abs(low) < MATERIAL_SKEW, low - self._least <= SLEWED
        if right or slewed or self._shorts >= QUARTERS:
            self._least = low

    @property
    def seconds(self) -> float | None:
        """Its clock minus ours, when it matters, else 0; `None` before anything is known."""
        if self._least is None:
            return None
        return 0.0 - _told(self._least)


def _told(delay: float) -> float:
    """Seconds of delay that are told to be the clock's."""
    return delay if abs(delay) >= MATERIAL_SKEW else 0.0


class _SetBack:
    """A clock that seems to have been set back, until it is sure."""

    def __init__(self, received: float, least: float) -> None:
        self._since, self._count = received, 0
        self._least, self._read = least, math.inf
        """The least delay by now, and that of events behind which none waited."""

    def take(self, delay: float, received: float, waiting: bool) -> float:
        """Note another event; returns how late it came."""
        self._count += 1
        self._since = min(self._since, received)
        self._least = min(self._least, delay)
        if not waiting:
            self._read = min(self._read, delay)
        return max(0.0, delay - _told(self._least))

    def sure(self, received: float) -> bool:
        """Whether that lasts."""
        return self._count >= ENOUGH and received - self._since >= SURE

    def least(self) -> float:
        """Seconds of delay that are the clock's now."""
        return self._read if self._read < math.inf else self._least

    def set(self, by: float) -> None:
        """Our own clock was set."""
        self._since, self._least, self._read = self._since + by, self._least + by, self._read + by
