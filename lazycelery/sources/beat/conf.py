"""`beat_schedule` as workers tell it (`inspect conf`): schedules come as text, secrets masked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from lazycelery.model.beat import BeatEntry
from lazycelery.model.timing import Timing, crontab, words
from lazycelery.sources.beat import MOST

FREQ = re.compile(r"<freq: ([\d.]+) (second|minute|hour|day)s?>")
SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86_400.0}
DELTA = re.compile(r"(?:(\d+) days?, )?(\d{1,2}):(\d\d):(\d\d(?:\.\d+)?)")
CRONTAB = re.compile(r"\s*<crontab: (?P<fields>.{1,600}?)\s+\((?P<order>m/h/[dMY/]+)\).*", re.S)
FIELD = re.compile(r"(?:frozenset\()?[\[({][\d, ]*[\])}]\)?|range\([\d, -]*\)|\S+")
NAMES = {"m": "minute", "h": "hour", "dM": "day_of_month", "MY": "month_of_year", "d": "day_of_week"}
SOLAR = re.compile(r"<solar: (\w{1,40}) at latitude (-?[\d.]+), longitude: (-?[\d.]+)>")
OPTIONS = ("priority", "expires", "exchange", "routing_key")
MASK = "********"
"""What a worker writes in place of a value whose key looks like a secret."""


def read_conf(conf: Mapping[str, Any]) -> list[BeatEntry]:
    """Entries of one worker's `beat_schedule`, at most `MOST`; what is no entry is left out."""
    schedule, zone = conf.get("beat_schedule"), zone_of(conf)
    found = []
    for name, entry in list(schedule.items())[:MOST] if isinstance(schedule, dict) else ():
        if isinstance(entry, dict) and isinstance(entry.get("task"), str):
            found.append(_entry(str(name), entry, zone))
    return found


def zone_of(conf: Mapping[str, Any]) -> str | None:
    """The zone by which beat reads its crontabs; `None` when it is that of beat's machine."""
    zone = conf.get("timezone")
    if isinstance(zone, str) and zone:
        return zone
    return None if conf.get("enable_utc") is False else "UTC"


def _entry(name: str, entry: Mapping[str, Any], zone: str | None) -> BeatEntry:
    options = entry.get("options")
    options = options if isinstance(options, dict) else {}
    timing = read_schedule(entry.get("schedule"))
    timing.relative = bool(entry.get("relative"))
    if timing.kind == "crontab":
        timing.zone = zone
    queue = options.get("queue")
    return BeatEntry(
        name=name,
        task=str(entry["task"]),
        schedule=words(timing),
        timing=timing,
        queue=queue if isinstance(queue, str) else None,
        args=entry.get("args"),
        kwargs=entry.get("kwargs"),
        options={key: options[key] for key in OPTIONS if options.get(key) is not None},
        scheduler="conf",
        hidden=masked(entry.get("args")) or masked(entry.get("kwargs")),
        unknown={"enabled": "Settings have no switch: what they name is sent, once a beat runs with them."},
    )


def read_schedule(value: Any) -> Timing:
    """A schedule as `inspect conf` shows it: a number, or the text of an object."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return Timing(kind="interval", every=float(value), text=f"{value} s") if value > 0 else Timing()
    if not isinstance(value, str):
        return Timing()
    text = value[:700]
    if found := FREQ.search(text):
        return Timing(kind="interval", every=float(found[1]) * SECONDS[found[2]], text=text)
    if found := DELTA.fullmatch(text):
        days, hours, minutes = int(found[1] or 0), int(found[2]), int(found[3])
        every = days * 86_400.0 + hours * 3600.0 + minutes * 60.0 + float(found[4])
        return Timing(kind="interval", every=every, text=text) if every > 0 else Timing(text=text)
    if found := CRONTAB.fullmatch(text):
        return _crontab(found["fields"], found["order"], text)
    if found := SOLAR.search(text):
        return Timing(
            kind="solar",
            event=found[1],
            latitude=float(found[2]),
            longitude=float(found[3]),
            text=text,
        )
    return Timing(text=text)


def _crontab(fields: str, order: str, text: str) -> Timing:
    """The legend behind the fields tells their order: it has changed between versions of Celery."""
    parts, names = FIELD.findall(fields), order.split("/")
    if len(parts) != 5 or sorted(names) != sorted(NAMES):
        return Timing(text=text)
    return crontab({NAMES[name]: _plain(part) for name, part in zip(names, parts, strict=True)}, text)


def _plain(part: str) -> str:
    """`[0, 15]`, `{0, 15}`, `range(0, 60, 15)` as crontab writes them: `0,15`."""
    numbers = [int(each) for each in re.findall(r"-?\d+", part)]
    if part.startswith("range("):
        try:
            numbers = list(range(*numbers))[:60]
        except (TypeError, ValueError):
            return part
    elif part[0] not in "[({" and not part.startswith("frozenset"):
        return part
    return ",".join(map(str, numbers)) or part


def masked(value: Any) -> bool:
    """Whether a worker hid something in these arguments."""
    if isinstance(value, dict):
        return any(map(masked, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(masked, value))
    return isinstance(value, str) and value == MASK
