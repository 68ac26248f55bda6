"""How well we see: events a second, lag, and what never reached us."""

from __future__ import annotations

from collections import deque
from statistics import median

WINDOW = 30
"""Heartbeats over which loss is measured: a minute at their usual pace."""


class Rate:
    """Events a second, over the last ten seconds."""

    SECONDS = 10
    LATE = 1
    """Seconds by which a batch may be older than the one before; else the clock was set back."""

    def __init__(self) -> None:
        self._counts: deque[list[float]] = deque()
        self._since: float | None = None

    def add(self, at: float, count: int) -> None:
        """Note `count` events at a moment."""
        second = float(int(at))
        self._since = at if self._since is None else self._since
        self.look(at)
        if self._counts and self._counts[-1][0] >= second:
            self._counts[-1][1] += count
        else:
            self._counts.append([second, count])
        while len(self._counts) > self.SECONDS + 2:
            self._counts.popleft()

    def look(self, now: float) -> None:
        """What was counted later than now was counted before the clock was set back, nobody knows when: as if
        a second ago."""
        if self._counts and self._counts[-1][0] > now + self.LATE:
            self.set(float(int(now)) - 1 - self._counts[-1][0])

    def set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back."""
        self._since = None if self._since is None else self._since + by
        self._counts = deque([second + by, count] for second, count in self._counts)

    def per_second(self, now: float) -> float:
        """Mean of the last ten seconds, or of all the time when it is shorter."""
        if self._since is None:
            return 0.0
        recent = sum(count for second, count in self._counts if second > now - self.SECONDS)
        return recent / min(max(now - self._since, 1.0), float(self.SECONDS))


class Lag:
    """Seconds from an event's timestamp to us, skew taken out, over the last half minute."""

    SECONDS = 30

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=200)
        self.last: float | None = None
        """Of the newest event."""

    def add(self, seconds: float, at: float) -> None:
        """Note by how much an event came late that came at a moment."""
        samples = self._samples
        samples.append((at, seconds))
        while not 0 <= at - samples[0][0] <= self.SECONDS:
            samples.popleft()
        self.last = seconds

    def median(self) -> float | None:
        """The middle one of the last events; `None` before the first."""
        return median(seconds for _, seconds in self._samples) if self._samples else None


class Loss:
    """Starts that a worker counted against starts that we saw.

    `processed` in a heartbeat grows when the pool accepts a task, just before `task-started` is sent.
    """

    def __init__(self) -> None:
        self._beats: deque[tuple[int, int]] = deque(maxlen=WINDOW)
        self.started = 0
        """`task-started` events seen."""
        self.processed: int | None = None
        self.quiet = 0
        """Heartbeats in a row that told of work of which no event did."""
        self.events: bool | None = None
        """Whether it sends task events."""

    def task_event(self) -> None:
        """Note that a task event came."""
        if self.events is False:
            # what ran while they were off is not lost
            self.reset()
        self.events, self.quiet = True, 0

    def beat(self, processed: int) -> None:
        """Note a heartbeat's `processed`; one that falls means that the worker was restarted."""
        if self.processed is not None and processed < self.processed:
            self.reset()
        elif self.processed is not None and processed > self.processed:
            self._grew(processed)
        self.processed = processed
        if self.events:
            self._beats.append((processed, self.started))

    def _grew(self, processed: int) -> None:
        seen = self._beats[-1][1] if self._beats else self.started
        if self.started > seen:
            return
        self.quiet += 1
        if self.quiet >= 2:
            # it works, and twice in a row not one event told of it
            self.events = False

    def reset(self) -> None:
        """Begin afresh: after a restart, or after time that we did not see."""
        self._beats.clear()
        self.quiet = 0

    @property
    def missing(self) -> tuple[int, int] | None:
        """Starts missing and starts counted in the window; `None` without task events."""
        if not self.events or len(self._beats) < 2:
            return None
        (first_count, first_seen), (last_count, last_seen) = self._beats[0], self._beats[-1]
        counted, seen = last_count - first_count, last_seen - first_seen
        # One may be on its way while the heartbeat is here already.
        missing = counted - seen if counted - seen > 1 else 0
        return missing, counted

    @property
    def share(self) -> float | None:
        """Share of starts whose event never came, 0 to 1."""
        missing = self.missing
        return None if missing is None else missing[0] / missing[1] if missing[1] else 0.0
