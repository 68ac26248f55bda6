"""Notices that more events come in than can be taken, and says how much to let go.

A broker drops a reader that stays behind: Redis after 32 MB, RabbitMQ the oldest of 50,000 events. So
something must go before that, and it goes in a stated order (`lazycelery.model.relief.STAGES`). The sign
of falling behind is a socket that is never found empty, whatever else the machine does; a stage ends when
what the one before cost an event, as measured, would leave room again.

What an event costs is the middle of many seconds: the few in which the machine did something else are those
in which a stage begins, and would keep it for ever.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from statistics import median_low

from lazycelery.model.relief import STAGES

FIRST_PATIENCE = 0.8
"""Seconds for which the socket may stay full before something goes: a pause of a quarter of a second, as any
machine makes one, takes that long to catch up at 25,000 events a second. The broker's room is larger."""
PATIENCE = 0.4
"""The same before each further stage."""
AVERAGED = 10
"""Batches of which the mean tells how late events come."""
CATCHES_UP = 0.02
"""Seconds by which they must come less late than at the worst since, for what was waited for to be waited for
once more: then it is a pause that is caught up with."""
LONGEST_PATIENCE = 10.0
"""Seconds for which that is believed."""
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
MEASURED = 15
"""Seconds of a stage of which the middle counts."""
REFUTED = 5
"""Seconds as which the last one counts where a stage ended too early."""
SETTLED = 5
"""Seconds after which a stage's cost says what an event costs at that time."""
LIGHTER = 0.5
"""The machine may have become so much lighter at most since the stage before was measured."""
DOUBT = 300.0
"""Seconds after which what was measured before a stage is believed no more: the machine may have been slow
then, and the stage would never end. Twice as long where a try showed that it was right."""
LONGEST_DOUBT = 3600.0


class Overload:
    """Told of every batch. Moments are monotonic seconds."""

    def __init__(self, changed: Callable[[int], None]) -> None:
        self._changed = changed
        """Called with each new stage."""
        self.stage = 0
        self._full_since: float | None = None
        self._full_first = 0.0
        self._full_last = -CUT_OFF
        self._late: deque[float] = deque(maxlen=AVERAGED)
        self._worst = 0.0
        """Seconds, the mean of as many batches, since the socket is full or the last patience ended."""
        self._busy = 0.0
        self._events = 0
        self._measured_at: float | None = None
        self._costs = [deque[float](maxlen=MEASURED) for _ in STAGES]
        """Seconds an event, by stage, in the last seconds of each."""
        self._at_first: float | None = None
        """What an event cost when the stage was new."""
        self._room_since: float | None = None
        self._doubt, self._believed_until = DOUBT, 0.0
        self._tried = False
        """Whether the last stage that ended was ended by doubt."""
        self._calm = CALM
        self._fell = -RELAPSE

    def took(self, began: float, ended: float, events: int, more: bool, late: float | None = None) -> None:
        """A batch was read, decoded and taken in; `more`: others were waiting behind it; `late`: how late its
        events came, seconds."""
        self._busy += ended - began
        self._events += events
        if not more:
            self._full_since = None
            return
        self._full_last = ended
        if self._full_since is None:
            self._full_since = self._full_first = began
            self._late.clear()
            self._worst = 0.0
            patient = True
        else:
            patient = ended - self._full_since <= (PATIENCE if self.stage else FIRST_PATIENCE)
        if late is not None:
            self._late.append(late)
            self._worst = max(self._worst, sum(self._late) / len(self._late))
        if not patient:
            self._full_since = ended
            if not self._catches_up(ended):
                self._rise(ended)

    def _catches_up(self, now: float) -> bool:
        """Whether what waits becomes less, though the socket is full."""
        if not self._late or now - self._full_first > LONGEST_PATIENCE:
            return False
        worst, self._worst = self._worst, sum(self._late) / len(self._late)
        return self._worst <= worst - CATCHES_UP

    def lost(self, now: float) -> bool:
        """The connection has ended: whether more waited in it than was read. Then the next stage begins."""
        if now - self._full_last > CUT_OFF:
            return False
        self._full_since = None
        self._rise(now, MEASURED)  # Too much was lost with it for another try.
        return True

    def second(self, now: float) -> None:
        """About a second is over."""
        if self._measured_at is None:
            self._measured_at = now
        if now <= self._measured_at:
            return
        rate = self._events / (now - self._measured_at)
        if not self._events:
            self._full_since = None  # What was behind the last batch would have come.
        self._measure(now)
        if self.stage:
            self._maybe_fall(now, rate)

    def _measure(self, now: float) -> None:
        """Note what an event cost since this was last done."""
        busy, events = self._busy, self._events
        self._busy, self._events, self._measured_at = 0.0, 0, now
        if events >= FEW:
            costs = self._costs[self.stage]
            costs.append(busy / events)
            if self._at_first is None and len(costs) >= SETTLED:
                self._at_first = median_low(costs)

    def _rise(self, now: float, weight: int = 0) -> None:
        """The last second counts so many times more, for the stages before as well."""
        if self.stage + 1 >= len(STAGES):
            return
        self._measure(now)
        again = now - self._fell < RELAPSE
        if self._tried:
            self._doubt, self._tried = min(2 * self._doubt, LONGEST_DOUBT) if again else DOUBT, False
        self._believed_until = now + self._doubt
        if again:
            self._calm = min(2 * self._calm, LONGEST_CALM)
            weight = max(weight, REFUTED)
        costs = self._costs[self.stage]
        if costs and weight:
            for each in self._costs[: self.stage + 1]:
                each.extend(weight * [costs[-1]])
        self._go(self.stage + 1)

    def _maybe_fall(self, now: float, rate: float) -> None:
        believed = now < self._believed_until
        below = self._below() if believed else self._own()
        if self._full_since is not None or rate * below > ROOM:
            self._room_since = None
            return
        if self._room_since is None:
            self._room_since = now
        elif now - self._room_since >= self._calm:
            self._fell, self._tried = now, not believed
            self._go(self.stage - 1)
            if not self.stage:
                self._calm = CALM if self._calm < 2 * CALM else self._calm / 2

    def _own(self) -> float:
        """Seconds that an event costs at this stage."""
        own = self._costs[self.stage]
        return median_low(own) if own else 0.0

    def _below(self) -> float:
        """Seconds that an event would cost at the stage before. It is cheaper than each of those before it,
        which may have been measured longer."""
        now = self._own()
        known = [median_low(costs) for costs in self._costs[: self.stage] if costs]
        if not known:
            return GUESS * now
        lighter = now / self._at_first if self._at_first else 1.0
        return min(known) * min(1.0, max(LIGHTER, lighter))

    def _go(self, stage: int) -> None:
        if stage > self.stage:
            self._costs[stage].clear()
        self.stage, self._room_since, self._at_first = stage, None, None
        self._changed(stage)
