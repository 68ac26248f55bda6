"""Moments as a calendar knows them."""

from __future__ import annotations

import re
import time
from datetime import datetime, timezone

_SPAN = re.compile(r"(\d{1,9}(?:\.\d+)?)(s|m|h|d)?", re.ASCII)
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, None: 1.0}


def span_in(text: str) -> float | None:
    """Seconds of `90`, `30m`, `2h` or `1d`; `None` for what is no length of time above 0."""
    match = _SPAN.fullmatch(text.strip())
    return None if match is None else float(match[1]) * _UNITS[match[2]] or None


LONGEST = 40
"""Characters of the longest time that is read."""


def epoch(text: object) -> float | None:
    """Epoch seconds of an ISO 8601 time as Celery writes it, UTC where it names no zone; `None` for
    anything else."""
    if not isinstance(text, str) or len(text) > LONGEST:
        return None
    try:
        when = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, OverflowError):
        return None


def calendar(moment: float, utc: bool) -> time.struct_time | None:
    """Year, month, day … of epoch seconds; `None` for a number that no calendar has a day for."""
    try:
        return time.gmtime(moment) if utc else time.localtime(moment)
    except (OverflowError, ValueError, OSError):
        return None
