"""What the workers' settings say that beat sends."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from lazycelery.insight.doctor.snapshot import Snapshot

FREQ = re.compile(r"<freq: ([\d.]+) (second|minute|hour|day)s?>")
UNITS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}


class Entry(NamedTuple):
    """A scheduled task that is sent at a plain interval."""

    name: str
    task: str
    every: float
    """Seconds."""


def entries(seen: Snapshot) -> list[Entry]:
    """Entries with plain intervals of all living workers; those by the calendar are left out."""
    found: dict[str, Entry] = {}
    for facts in seen.alive:
        schedule = (facts.conf or {}).get("beat_schedule")
        for name, entry in list(schedule.items())[:500] if isinstance(schedule, dict) else ():
            task = entry.get("task") if isinstance(entry, dict) else None
            every = interval(entry.get("schedule")) if isinstance(entry, dict) else None
            if isinstance(task, str) and every:
                found[str(name)] = Entry(str(name), task, every)
    return list(found.values())


def interval(value: Any) -> float | None:
    """Seconds of an interval as `inspect conf` shows it."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value) if value > 0 else None
    if isinstance(value, str):
        found = FREQ.search(value)
        return float(found[1]) * UNITS[found[2]] if found else None
    return None
