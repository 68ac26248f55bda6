"""Numbers and times in the words of the tables. Unknown is `-`, never 0."""

from __future__ import annotations

import time
from typing import Any

from lazycelery.model.moments import calendar

UNKNOWN = "-"


def number(value: int | None) -> str:
    """`1,204`."""
    return UNKNOWN if value is None else f"{value:,}"


def duration(seconds: float | None) -> str:
    """`4ms`, `8.21s`, `14m02s`, `3h05m`, `2d04h`; negative times keep their sign."""
    if seconds is None:
        return UNKNOWN
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if 0 < seconds < 1:
        return f"{seconds * 1000:.0f}ms" if seconds >= 0.0005 else "<1ms"
    if seconds < 10:
        return f"{seconds:.2f}s"
    if seconds < 60:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    for unit, size, below, smaller in (("m", 60, "s", 1), ("h", 3600, "m", 60), ("d", 86_400, "h", 3600)):
        if whole < size * (60 if unit == "m" else 24) or unit == "d":
            return f"{whole // size}{unit}{whole % size // smaller:02d}{below}"
    raise AssertionError


def ago(moment: float | None, now: float) -> str:
    """How long since a moment."""
    return UNKNOWN if moment is None else duration(max(0.0, now - moment))


def clock(moment: float | None, utc: bool = False) -> str:
    """Time of day with milliseconds."""
    parts = None if moment is None else calendar(moment, utc)
    if moment is None or parts is None:
        return UNKNOWN
    return f"{time.strftime('%H:%M:%S', parts)}.{int(moment % 1 * 1000):03d}"


def date(moment: float | None, utc: bool = False) -> str:
    """Date and time of day."""
    parts = None if moment is None else calendar(moment, utc)
    return UNKNOWN if parts is None else time.strftime("%Y-%m-%d %H:%M:%S", parts)


def size(count: int | None) -> str:
    """`812 B`, `1.2 kB`, `88 MB`."""
    if count is None:
        return UNKNOWN
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 10 else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError


def rate(value: float | None) -> str:
    """Per second; what happens seldom is not told as nothing."""
    if value is not None and 0 < value < 0.095:
        return f"{value:.2f}/s" if value >= 0.005 else "<0.01/s"
    return UNKNOWN if value is None else f"{value:.1f}/s"


def share(value: float | None) -> str:
    """`2%`, `0.4%`."""
    return UNKNOWN if value is None else f"{value * 100:.{0 if value == 0 or value >= 0.01 else 1}f}%"


def names(values: list[str]) -> str:
    """A list in one cell."""
    return ", ".join(values) or UNKNOWN


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = text[:1].upper() + text[1:].rstrip()
    return text if text.endswith((".", "?", "!")) else text + "."


def short(value: Any) -> str:
    """A decoded value as one short line."""
    from lazycelery.model.text import clean, short_value

    if value is None:
        return UNKNOWN
    return clean(value, 400) if isinstance(value, str) else short_value(value, 400)
