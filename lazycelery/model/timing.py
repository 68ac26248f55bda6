"""When a scheduled task is due, as its scheduler wrote it down, and the same in plain words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import msgspec

Kind = Literal["interval", "crontab", "solar", "clocked", "rrule", "unknown"]

UNITS = (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1))
STEP = re.compile(r"\*/([1-9]\d?)")
NUMBER = re.compile(r"\d{1,2}")
LIST = re.compile(r"\d{1,2}(,\d{1,2}){0,5}")
DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
SHORT = {day[:3].lower(): day for day in DAYS}


class Timing(msgspec.Struct, kw_only=True):
    """One schedule. Only the fields of its kind are set."""

    kind: Kind = "unknown"
    text: str = ""
    """As its scheduler writes it; untrusted."""
    every: float | None = None
    """interval: seconds."""
    relative: bool = False
    """interval: rounded to its unit."""
    minute: str = "*"
    hour: str = "*"
    day_of_month: str = "*"
    month_of_year: str = "*"
    day_of_week: str = "*"
    """crontab. Celery wants all five to fit; cron itself is content with one of the two days."""
    event: str = ""
    """solar: sunrise, dusk_civil …"""
    latitude: float | None = None
    longitude: float | None = None
    at: float | None = None
    """clocked: once, at this moment; epoch seconds."""
    zone: str | None = None
    """Time zone by which a crontab is meant; `None`: not known."""


def crontab(fields: Mapping[str, str], text: str, zone: str | None = None) -> Timing:
    """A crontab of its five fields."""
    return msgspec.structs.replace(Timing(kind="crontab", text=text, zone=zone), **fields)


def words(timing: Timing) -> str:
    """`every 5 min`, `at 02:30 on Monday`, `at sunrise (48.1, 11.2)`, `once`; the scheduler's own text
    where there are none."""
    if timing.kind == "interval" and timing.every is not None:
        return f"every {span(timing.every)}"
    if timing.kind == "crontab":
        return _crontab(timing)
    if timing.kind == "solar" and timing.latitude is not None and timing.longitude is not None:
        return f"at {timing.event.replace('_', ' ')} ({timing.latitude:g}, {timing.longitude:g})"
    if timing.kind == "clocked":
        return "once"
    return timing.text or "unknown"


def span(seconds: float) -> str:
    """`90 s` is `1 min 30 s`; parts of a second stay."""
    if seconds <= 0 or seconds != int(seconds):
        return f"{seconds:g} s"
    left, parts = int(seconds), []
    for unit, size in UNITS:
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts)


def _crontab(timing: Timing) -> str:
    parts = [_time(timing.minute, timing.hour)]
    if timing.day_of_week != "*":
        parts.append(f"on {_days(timing.day_of_week)}")
    if timing.day_of_month != "*":
        also = "that is " if timing.day_of_week != "*" else "on "
        parts.append(f"{also}day {timing.day_of_month} of the month")
    if timing.month_of_year != "*":
        parts.append(f"in month {timing.month_of_year}")
    if len(parts) == 1 and NUMBER.fullmatch(timing.minute) and LIST.fullmatch(timing.hour):
        parts.append("every day")
    return " ".join(parts)


def _time(minute: str, hour: str) -> str:
    if NUMBER.fullmatch(minute) and LIST.fullmatch(hour):
        return "at " + ", ".join(f"{int(each):02d}:{int(minute):02d}" for each in hour.split(","))
    within = "" if hour == "*" else f" in hours {hour}"
    if step := STEP.fullmatch(hour):
        within = f" every {step[1]} h"
    if minute == "*":
        return f"every minute{within}"
    if step := STEP.fullmatch(minute):
        return f"every {step[1]} min{within}"
    if NUMBER.fullmatch(minute):
        return f"at minute {int(minute)}{within or ' of every hour'}"
    return f"at minutes {minute}{within or ' of every hour'}"


def _days(text: str) -> str:
    if NUMBER.fullmatch(text) and int(text) <= 7:
        return DAYS[int(text) % 7]
    return SHORT.get(text.lower(), text)
