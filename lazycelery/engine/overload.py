"""Notices that more events come in than can be taken, and says how much to let go.

A broker drops a reader that stays behind: Redis after 32 MB, RabbitMQ the oldest of 50,000 events. So
something must go before that, and it goes in a stated order (`lazycelery.model.relief.STAGES`). The sign
of falling behind is a socket that is never found empty, whatever else the machine does; a stage ends when
what the one before cost an event, as measured, would leave room again.
"""

from __future__ import annotations

from collections.abc import Callable

from lazycelery.model.relief import STAGES

FIRST_PATIENCE = 0.8
"""Seconds for which the socket may stay full before something goes: a pause of a quarter of a second, as any
machine makes one, takes that long to catch up at 25,000 events a second. The broker's room is larger."""
PATIENCE = 0.4
"""The same before each further stage."""
ROOM = 0.8
"""Share of its time that taking events may need at a lower stage; one that comes again soon lasts longer."""
CALM = 3.0
"""Seconds for which there must be room before a stage ends."""
LONGEST_CALM = 60.0
RELAPSE = 10.0
"""Seconds: a stage that begins again so soon after it ended lasts twice as long."""
GUESS = 1.5
"""What an event costs more at a stage that was never measured."""
CUT_OFF = 0.5
"""Seconds after a full read within which the connection's end counts as ours: we read too slowly."""
FEW = 200
"""Events in a second that say nothing about what one costs."""


class Overload:
    """Told of every batch. Moments are monotonic seconds."""

    def __init__(self, changed: Callable[[int], None]) -> None:
        self._changed = changed
        """Called with each new stage."""
        self.stage = 0
        self._full_since: float | None = None
        self._full_last = -CUT_OFF
        self._busy = 0.0
        self._events = 0
        self._measured_at: float | None = None
        self._costs: dict[int, float] = {}
        """Seconds an event by stage."""
        self._room_since: float | None = None
        self._calm = CALM
        self._fell = -RELAPSE

    def took(self, began: float, ended: float, events: int, more: bool) -> None:
        """A batch was read, decoded and taken in; `more`: others were waiting behind it."""
        self._busy += ended - began
        self._events += events
        if more:
            self._full_last = ended
        if not more:
            self._full_since = None
        elif self._full_since is None:
            self._full_since = began
        elif ended - self._full_since > (PATIENCE if self.stage else FIRST_PATIENCE):
            self._full_since = ended
            self._rise(ended)

    def lost(self, now: float) -> bool:
        """The connection has ended: whether more waited in it than was read. Then the next stage begins."""
        if now - self._full_last > CUT_OFF:
            return False
        self._full_since = None
        self._rise(now)
        return True

    def second(self, now: float) -> None:
        """About a second is over."""
        if self._measured_at is None:
            self._measured_at = now
            return
        span = now - self._measured_at
        if span <= 0:
            return
        busy, events = self._busy / span, self._events
        self._busy, self._events, self._measured_at = 0.0, 0, now
        if not events:
            self._full_since = None  # What was behind the last batch would have come.
        if events >= FEW:
            cost = busy * span / events
            known = self._costs.get(self.stage)
            self._costs[self.stage] = cost if known is None else 0.7 * known + 0.3 * cost
        if self.stage:
            self._maybe_fall(now, events / span)

    def _rise(self, now: float) -> None:
        if self.stage + 1 >= len(STAGES):
            return
        if now - self._fell < RELAPSE:
            self._calm = min(2 * self._calm, LONGEST_CALM)
        self._go(self.stage + 1)

    def _maybe_fall(self, now: float, rate: float) -> None:
        costs = self._costs
        below = costs.get(self.stage - 1, GUESS * costs.get(self.stage, 0.0))
        if self._full_since is not None or rate * below > ROOM:
            self._room_since = None
            return
        if self._room_since is None:
            self._room_since = now
        elif now - self._room_since >= self._calm:
            self._fell = now
            self._go(self.stage - 1)
            if not self.stage:
                self._calm = CALM if self._calm < 2 * CALM else self._calm / 2

    def _go(self, stage: int) -> None:
        self.stage, self._room_since = stage, None
        self._changed(stage)
