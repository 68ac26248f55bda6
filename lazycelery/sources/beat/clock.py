"""When a schedule is due next, computed by Celery's own schedules, so that its rules count and not cron's:
both days of a crontab must fit, and a change of the clocks is met as beat meets it.

Importing Celery takes a third of a second: call it in a thread.
"""

from __future__ import annotations

import importlib
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from lazycelery.model.timing import Timing

LONGEST = 200
"""Characters of a crontab's field that are read."""
KEPT = 5000
"""Schedules remembered."""
HORIZON = 366 * 86_400.0 * 9
"""Seconds: what is due later is never due."""
NO_ZONE = (
    "Beat reads it in its machine's own time zone (enable_utc = False): set timezone in the application."
)


class Unknowable(ValueError):
    """Why a schedule cannot be computed, as a sentence."""


def next_after(timing: Timing, moment: float) -> float | None:
    """The first moment at which it is due after `moment`; `None`: never again.

    For an interval `moment` is its last run. Raises `Unknowable`.
    """
    if timing.kind == "interval" and timing.every and not timing.relative:
        return moment + timing.every
    if timing.kind == "clocked":
        return timing.at if timing.at is not None and timing.at > moment else None
    if timing.kind not in ("crontab", "solar") and not timing.every:
        raise Unknowable("Its kind of schedule is not computed here.")
    zone = zone_of(timing)
    at = datetime.fromtimestamp(moment, zone)
    try:
        schedule = _schedule(timing, zone, at)
        left = schedule.remaining_estimate(at)
        found = moment + left.total_seconds()
        found = round(found) if timing.kind == "crontab" else found
    except ImportError:
        raise Unknowable("Solar schedules need ephem: pip install 'celery[solar]'.") from None
    except Exception as problem:
        why = str(problem)[:120].strip().rstrip(".") or type(problem).__name__
        raise Unknowable(f"Celery cannot read it: {why}.") from None
    return found if moment < found < moment + HORIZON else None


class Ahead:
    """`next_after`, remembered: it is dear, and the same for every moment up to the one it found."""

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[float, float | None]] = {}

    def next_after(self, timing: Timing, moment: float) -> float | None:
        """As the function. Raises `Unknowable`."""
        if timing.kind not in ("crontab", "solar"):
            return next_after(timing, moment)
        key = msgspec.json.encode(timing)
        begin, found = self._known.get(key, (moment + 1, None))
        if begin <= moment and (found is None or moment < found):
            return found
        found = next_after(timing, moment)
        if len(self._known) >= KEPT:
            self._known.clear()
        self._known[key] = (moment, found)
        return found


def zone_of(timing: Timing) -> tzinfo:
    """The zone of a schedule. Raises `Unknowable`."""
    if timing.kind != "crontab":
        return timezone.utc
    if timing.zone is None:
        raise Unknowable(NO_ZONE)
    if timing.zone == "UTC":
        return timezone.utc
    try:
        return ZoneInfo(timing.zone)
    except (ValueError, OSError, KeyError):
        raise Unknowable(f"{timing.zone[:60]!r} is no time zone that this machine knows.") from None


class _App:
    """The little that a schedule asks of an application."""

    def __init__(self, zone: tzinfo) -> None:
        self.timezone = zone
        self.conf = self
        self.enable_utc = True
        self.beat_cron_starting_deadline = None


def _schedule(timing: Timing, zone: tzinfo, at: datetime) -> Any:
    schedules = importlib.import_module("celery.schedules")
    surroundings = {"nowfun": lambda: at, "app": _App(zone)}
    if timing.kind == "solar":
        return schedules.solar(timing.event, timing.latitude, timing.longitude, **surroundings)
    if timing.kind == "interval":
        every = timedelta(seconds=float(timing.every or 0))
        return schedules.schedule(every, relative=timing.relative, **surroundings)
    fields = {
        name: getattr(timing, name)
        for name in ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
    }
    if any(len(text) > LONGEST for text in fields.values()):
        raise ValueError("a field is too long")
    return schedules.crontab(**fields, **surroundings)
