"""The histories of other clusters in the same place, which go when nobody has watched theirs for as long as
each of them is kept itself."""

from __future__ import annotations

import calendar
import contextlib
import json
import os
import time
from pathlib import Path

from lazycelery.store.history.files import CLOCK, DAY, LOCK, MARKS, RETENTION, day_named, is_ours
from lazycelery.store.history.lock import Lock

_BESIDE = (LOCK, CLOCK, RETENTION)
"""They say nothing of when somebody watched."""


def tell_retention(directory: Path, days: float) -> None:
    """Note for how long this history is kept, for who writes another one. Where that cannot be noted, it
    is kept for good."""
    if retention_of(directory) == days:
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(directory / RETENTION, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps({"days": days}) + "\n")


def retention_of(directory: Path) -> float | None:
    """Days for which a history is kept; `None` where it does not tell."""
    try:
        return float(json.loads((directory / RETENTION).read_text(encoding="utf-8"))["days"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def forget_strangers(own: Path, now: float) -> list[Path]:
    """Remove the histories beside `own` that nobody watched for longer than each of them is kept. One that
    does not tell how long that is, is a link, holds anything else, or is being written stays. Returns what
    went."""
    gone: list[Path] = []
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(own.parent)):
            directory = Path(entry.path)
            if directory.name == own.name or not entry.is_dir(follow_symlinks=False):
                continue
            with contextlib.suppress(OSError):
                if _is_due(directory, now) and _forget(directory, now):
                    gone.append(directory)
    return gone


def _is_due(directory: Path, now: float) -> bool:
    days = retention_of(directory)
    entries = list(os.scandir(directory))
    written = [entry for entry in entries if day_named(entry.name)]
    if days is None or not written or not any(entry.name == LOCK for entry in entries):
        return False
    for entry in entries:
        known = is_ours(entry.name) or entry.name in (*_BESIDE, MARKS)
        if not known or not entry.is_file(follow_symlinks=False):
            return False
    # The clock of a file server may be behind: what a name tells counts too, unless its clock was ahead.
    told = [_end_of(day_named(entry.name)) for entry in written]
    seen = [entry.stat().st_mtime for entry in entries if entry.name not in _BESIDE]
    last = max([*seen, *(moment for moment in told if moment <= now)])
    return now - last > days * DAY


def _forget(directory: Path, now: float) -> bool:
    """With its lock: nobody may begin to write there meanwhile."""
    lock = Lock(directory)
    if not lock.take():
        return False
    try:
        if not _is_due(directory, now):
            return False
        names = [name for name in os.listdir(directory) if name != LOCK]
        # Last what tells that it is a history, and how long it is kept: where this ends in the middle, the
        # next one goes on.
        for name in sorted(names, key=lambda name: (name == RETENTION, day_named(name))):
            os.unlink(directory / name)
    finally:
        lock.give_back()
    os.unlink(directory / LOCK)
    directory.rmdir()
    return True


def _end_of(day: str) -> float:
    return calendar.timegm(time.strptime(day, "%Y-%m-%d")) + DAY
