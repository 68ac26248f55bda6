"""What the workers' settings say that beat sends."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.beat import BeatEntry

FREQ = re.compile(r"<freq: ([\d.]+) (second|minute|hour|day)s?>")
NAMES = {"conf": "the workers' beat_schedule", "redbeat": "RedBeat", "django": "Django's database"}
SLACK = 5.0
"""Seconds by which a next run may be off."""
UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}


class Entry(NamedTuple):
    """A scheduled task that is sent at a plain interval."""

    name: str
    task: str
    every: float
    """Seconds."""
    by: str = "the workers' beat_schedule"
    """Who says so."""


def entries(seen: Snapshot) -> list[Entry]:
    """Enabled entries with plain intervals; those by the calendar are left out. Until the schedules were
    read, those of all living workers."""
    if seen.schedule:
        return [
            Entry(one.name, one.task, one.timing.every, NAMES[one.scheduler])
            for one in seen.schedule
            if one.timing.kind == "interval" and one.timing.every and one.enabled is not False and one.task
            if (seen.alive if one.scheduler == "conf" else not _put_off(one, seen.now))
        ]
    found: dict[str, Entry] = {}
    for facts in seen.alive:
        schedule = (facts.conf or {}).get("beat_schedule")
        for name, entry in list(schedule.items())[:500] if isinstance(schedule, dict) else ():
            task = entry.get("task") if isinstance(entry, dict) else None
            every = interval(entry.get("schedule")) if isinstance(entry, dict) else None
            if isinstance(task, str) and every:
                found[str(name)] = Entry(str(name), task, every)
    return list(found.values())


def _put_off(one: BeatEntry, now: float) -> bool:
    """Whether its scheduler itself says that it is not due for longer than an interval, or never again."""
    if one.next_run is None:
        return one.last_run is not None or one.since is not None
    return one.next_run - now > 1.5 * (one.timing.every or 0.0) + SLACK


def interval(value: Any) -> float | None:
    """Seconds of an interval as `inspect conf` shows it."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if value > 0 else None
    if isinstance(value, str):
        found = FREQ.search(value)
        return float(found[1]) * UNITS[found[2]] if found else None
    return None
