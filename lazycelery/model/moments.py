"""Moments as a calendar knows them."""

from __future__ import annotations

import time


def calendar(moment: float, utc: bool) -> time.struct_time | None:
    """Year, month, day … of epoch seconds; `None` for a number that no calendar has a day for."""
    try:
        return time.gmtime(moment) if utc else time.localtime(moment)
    except (OverflowError, ValueError, OSError):
        return None
