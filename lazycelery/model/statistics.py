"""What task names, workers and queues usually do: counts, shares and quantiles over a window of time."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["task", "worker", "queue"]
When = Literal["now", "hour", "day", "week"]
AGO: dict[When, float] = {"now": 0.0, "hour": 3600.0, "day": 86_400.0, "week": 604_800.0}
"""Seconds from a time to now."""
BY_MINUTES = 7200.0
"""Seconds: a window up to here is counted by minutes, which no history has; a longer one by hours."""


class StatisticsRow(msgspec.Struct, kw_only=True):
    """One task name, worker or queue within a window. Quantiles are off by at most 2.5 percent."""

    kind: Kind
    key: str
    """The name of the task, worker or queue."""
    sent: int = 0
    received: int = 0
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    revoked: int = 0
    rejected: int = 0
    rate: float | None = None
    """Runs that ended, a second that was watched; `None` where hardly any was."""
    failure_share: float | None = None
    """Failed of those that failed or succeeded, 0 to 1; `None` when none did."""
    retry_share: float | None = None
    """Retried of all runs that ended, 0 to 1."""
    runtime_p50: float | None = None
    runtime_p95: float | None = None
    runtime_p99: float | None = None
    wait_p50: float | None = None
    wait_p95: float | None = None
    wait_p99: float | None = None

    @property
    def ended(self) -> int:
        """Runs that ended, whichever way a worker ends one."""
        return self.succeeded + self.failed + self.retried


class Statistics(msgspec.Struct, kw_only=True):
    """The rows of one kind, the busiest first."""

    kind: Kind
    window: float
    """Seconds that were asked for."""
    since: float
    """From when on events are counted here, epoch seconds: steps are whole, so that it may be a little
    before the window; and never before this monitor began, unless a recorded history tells."""
    until: float
    seen: float = 0.0
    """Seconds of it in which events could be seen; rates are per second of these."""
    rows: list[StatisticsRow] = []
    left_out: int = 0
    """Events of names beyond the bound, counted for nobody."""
    recorded_until: float | None = None
    """Up to when about another monitor had written figures into the history, epoch seconds; later runs are
    counted where this one heard of them. `None` where there are none, or this monitor writes them."""


class Span(msgspec.Struct, kw_only=True):
    """A span of time that is compared, and what is known of it."""

    when: When
    since: float
    """From when on events are counted here, epoch seconds; whole minutes, or whole hours."""
    until: float
    seen: float = 0.0
    """Seconds of it in which events could be seen; rates are per second of these."""
    why: str = ""
    """Why nothing is known of it, and the setting that would change that."""


class Compared(msgspec.Struct, kw_only=True):
    """One task name, worker or queue now and before."""

    key: str
    rows: dict[When, StatisticsRow | None]
    """`None`: nothing is known of that time. Known, and without an event: a row of zeros."""


class Comparison(msgspec.Struct, kw_only=True):
    """Now against an hour, a day and a week ago, the busiest first."""

    kind: Kind
    window: float
    spans: list[Span] = []
    rows: list[Compared] = []
    left_out: int = 0
