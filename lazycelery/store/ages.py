"""Spans of time the way a colleague says them."""

from __future__ import annotations


def span(seconds: float) -> str:
    """`8s`, `2m`, `14m02s`, `3h04m`, `2d 03h`."""
    total = max(0, round(seconds))
    minutes, rest = divmod(total, 60)
    hours, minutes_rest = divmod(minutes, 60)
    days, hours_rest = divmod(hours, 24)
    if days:
        return f"{days}d {hours_rest:02}h"
    if hours:
        return f"{hours}h{minutes_rest:02}m"
    if minutes:
        return f"{minutes}m{rest:02}s" if rest else f"{minutes}m"
    return f"{total}s"
