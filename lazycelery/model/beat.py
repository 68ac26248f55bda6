"""What beat sends and when: entries of every scheduler, joined."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from lazycelery.model.cluster import Link
from lazycelery.model.timing import Timing

SchedulerName = Literal["conf", "redbeat", "django"]
"""Who keeps an entry: the application's settings, RedBeat, django-celery-beat."""


class Runs(msgspec.Struct, kw_only=True):
    """What events prove of an entry's runs, of a time in which nothing of them was missed."""

    since: float
    """Epoch seconds."""
    until: float
    due: int
    """How often it had to be sent."""
    seen: int
    """How often it was."""
    left_out: int = 0
    """How often it had to be sent and was not."""
    twice: int = 0
    """How often it was sent once more."""
    missing: list[float] = []
    """The moments of the first, the newest ten."""
    doubled: list[float] = []
    """The moments of the second, the newest ten."""
    by: list[str] = []
    """Processes that sent it."""


class BeatEntry(msgspec.Struct, kw_only=True):
    """One line of a schedule. Times in epoch seconds, durations in seconds; unknown is `None`, and
    `unknown` says why."""

    name: str
    task: str
    schedule: str
    """In plain words."""
    timing: Timing
    queue: str | None = None
    """`None`: the task's own, by the application's routes."""
    args: Any = None
    kwargs: Any = None
    options: dict[str, Any] = {}
    """Other options of the message: priority, expires, exchange, routing_key."""
    enabled: bool | None = None
    last_run: float | None = None
    next_run: float | None = None
    late: float | None = None
    """Seconds since it was due, when it is overdue; 0 when it is not."""
    runs: int | None = None
    """Sent so often, as its scheduler counts."""
    scheduler: SchedulerName = "conf"
    static: bool = False
    """The application's settings have it too, and put it back at each start of beat."""
    sources: dict[str, str] = {}
    """Where `last_run` and `next_run` are from: event, redbeat, django, computed."""
    since: float | None = None
    """Where an entry that was never sent is counted from, when its scheduler tells."""
    due: float | None = None
    """The next run as it would be, of a disabled entry too."""
    hidden: bool = False
    """Workers hide a part of its arguments."""
    written: float = 0.0
    """Seconds by which its scheduler may write down a run later."""
    unknown: dict[str, str] = {}
    """Why a field is not known."""
    seen: Runs | None = None


class SchedulerState(msgspec.Struct, kw_only=True):
    """One place where entries are kept."""

    name: SchedulerName
    place: str
    """URL without credentials, or who told."""
    state: Link
    reason: str = ""
    hint: str = ""
    entries: int = 0
    cut: bool = False
    """There are more entries than were read."""
    switches: bool = False
    """Whether entries can be enabled and disabled here."""
    why_not: str = ""
    """Why not."""
    locked: float | None = None
    """RedBeat: seconds for which its lock is still held by a beat; `None` when nobody holds it."""
    renewed: float | None = None
    """When the lock was seen to be held anew, our clock: a beat that lives does it at each look."""
    at: float | None = None
    """When it was read, our clock."""


class Beat(msgspec.Struct, kw_only=True):
    """All schedules, as far as known."""

    at: float
    entries: list[BeatEntry] = []
    """By name."""
    schedulers: list[SchedulerState] = []
    notes: list[str] = []
