"""Numbers over time, for sparklines and charts."""

from __future__ import annotations

import msgspec

RATES = ("sent", "received", "started", "succeeded", "failed", "retried", "revoked")
"""Series of events, counted a second."""
TIMES = ("runtime_p50", "runtime_p95", "wait_p50", "wait_p95")
"""Series of seconds."""
LEVELS = ("backlog", "unacked", "workers", "active", "lag")
"""Series of the last value of each step; `lag` in seconds."""


class Series(msgspec.Struct, kw_only=True):
    """Values at a fixed step, oldest first; `None` where nothing was known."""

    step: float
    """Seconds between two values."""
    end: float
    """When the last value's step ended, epoch seconds, our clock."""
    values: dict[str, list[float | None]]
    """By name: `RATES` (events a second, mean of the step), `TIMES` and `LEVELS`."""


class Metrics(msgspec.Struct, kw_only=True):
    """What a metrics view shows. Covers the time since this engine began, never more."""

    fine: Series
    """The last minutes, one value a second."""
    coarse: Series
    """The last hours, one value a minute."""
