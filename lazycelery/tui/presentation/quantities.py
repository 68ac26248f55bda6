"""Numbers with units, as a person reads them. Unknown is a dash, never a zero."""

from __future__ import annotations

import time

from lazycelery.model import counting
from lazycelery.model.moments import calendar
from lazycelery.model.text import clean

UNKNOWN = "–"


def count(number: int | None) -> str:
    """1204 -> "1,204"."""
    return UNKNOWN if number is None else f"{number:,}"


def counted(number: int | None, noun: str) -> str:
    """`1 message`, `1,204 messages`, `– messages`."""
    return f"{UNKNOWN} {noun}s" if number is None else counting.count(number, noun)


def short_count(number: float | None) -> str:
    """1,204,331 -> "1.2M": for places with few cells."""
    if number is None:
        return UNKNOWN
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size * 10:
            return f"{number / size:.0f}{unit}"
        if abs(number) >= size:
            return f"{number / size:.1f}{unit}"
    return f"{number:.0f}"


def age(seconds: float | None) -> str:
    """842.0 -> "14m02s"; days and hours for long ones."""
    if seconds is None:
        return UNKNOWN
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def rough_age(seconds: float | None) -> str:
    """An age that stands still for a while: steps of five seconds, then of minutes, hours, days.

    For lines that would otherwise change, and be sent, each second.
    """
    if seconds is None:
        return UNKNOWN
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole // 5 * 5}s"
    if whole < 3600:
        return f"{whole // 60}m"
    return f"{whole // 3600}h" if whole < 86400 else f"{whole // 86400}d"


def duration(seconds: float | None) -> str:
    """A run time: "12ms", "8.21s", "14m02s"."""
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    return f"{seconds:.2f}s" if seconds < 10 else f"{seconds:.1f}s" if seconds < 60 else age(seconds)


def rate(per_second: float | None, signed: bool = False) -> str:
    """Events or messages a second."""
    if per_second is None:
        return UNKNOWN
    if abs(per_second) < 0.05:
        return "0/s"
    sign = "+" if signed and per_second > 0 else ""
    if abs(per_second) < 10:
        return f"{sign}{per_second:.1f}/s"
    return f"{sign}{short_count(per_second)}/s"


def size(number: int | None) -> str:
    """Bytes: "88 MB"."""
    if number is None:
        return UNKNOWN
    for step, unit in ((1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")):
        if number >= step:
            return f"{number / step:.1f} {unit}" if number < 10 * step else f"{number / step:.0f} {unit}"
    return f"{number} B"


def share(part: float | None) -> str:
    """0.002 -> "0.2 %"."""
    if part is None:
        return UNKNOWN
    return f"{part * 100:.1f} %" if 0 < part < 0.1 else f"{part * 100:.0f} %"


def clock(at: float | None, utc: bool = False, millis: bool = False) -> str:
    """A moment as HH:MM:SS, local or UTC."""
    day = None if at is None else calendar(at, utc)
    if at is None or day is None:
        return UNKNOWN
    text = time.strftime("%H:%M:%S", day)
    return f"{text}.{int(at % 1 * 1000):03}" if millis else text


def moment(at: float | None, now: float, utc: bool = False) -> str:
    """A clock time within the last day, a date beyond it."""
    if at is None:
        return UNKNOWN
    if abs(now - at) < 86400:
        return clock(at, utc)
    day = calendar(at, utc)
    return time.strftime("%m-%d %H:%M", day) if day else UNKNOWN


def short_moment(at: float | None, now: float, utc: bool = False) -> str:
    """The same in at most eight cells: the clock, or the day."""
    if at is None:
        return UNKNOWN
    if abs(now - at) < 86400:
        return clock(at, utc)
    day = calendar(at, utc)
    return time.strftime("%m-%d", day) if day else UNKNOWN


def short_id(id: str | None) -> str:
    """The first eight characters of an id: enough to find it again."""
    return UNKNOWN if not id else clean(id[:8])
