"""What is scheduled, as lines: an entry in a row, and all of it when it is opened."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lazycelery.model.beat import Beat, BeatEntry
from lazycelery.model.text import clean
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.line import Column, Line, Span
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.values import value_body

LATE = 5.0
"""Seconds after which an entry is called late: beat itself looks every few seconds."""
COLUMNS = (
    Column("", 1),
    Column("NAME", 14, grow=3, cut="name"),
    Column("TASK", 14, grow=3, rank=3, cut="name"),
    Column("SCHEDULE", 16, grow=3),
    Column("QUEUE", 8, grow=1, rank=5, cut="name"),
    Column("LAST", 11, rank=2),
    Column("NEXT", 11),
    Column("LATE", 7, rank=1, right=True),
    Column("RUNS", 8, rank=4, right=True),
    Column("FROM", 7, rank=6),
)
EMPTY = (
    "Nothing is scheduled, as far as can be seen. Workers tell beat_schedule of their settings. RedBeat and "
    "django-celery-beat keep theirs elsewhere: beat = URL in the profile names the place."
)


def late(entry: BeatEntry) -> bool:
    """Whether it is worth a word."""
    return entry.late is not None and entry.late >= LATE


def cells(entry: BeatEntry, look: Look) -> list[Span]:
    """An entry in the order of `COLUMNS`."""
    off = entry.enabled is False
    token = "dim" if off else ""
    return [
        _sign(entry, look),
        (clean(entry.name, 200), token),
        (clean(entry.task, 200) or q.UNKNOWN, token),
        (_schedule(entry), token),
        (clean(entry.queue or "", 60), "dim"),
        (q.moment(entry.last_run, look.now, look.utc), "dim"),
        ("disabled" if off else q.moment(entry.next_run, look.now, look.utc), token),
        (q.age(entry.late), "fail") if late(entry) else ("", ""),
        (q.count(entry.runs) if entry.runs is not None else "", "dim"),
        (entry.scheduler, "dim"),
    ]


def _sign(entry: BeatEntry, look: Look) -> Span:
    if entry.enabled is False:
        return look.signs.revoked, "dim"
    if not entry.task:
        return look.signs.unknown, "warn"
    return (look.signs.warning, "warn") if late(entry) else (look.signs.waiting, "ok")


def _schedule(entry: BeatEntry) -> str:
    zone = entry.timing.zone if entry.timing.kind == "crontab" else None
    return clean(f"{entry.schedule} ({zone})" if zone and zone != "UTC" else entry.schedule, 200)


def seen_runs(entry: BeatEntry, look: Look) -> Span | None:
    """What events prove of its runs, in a sentence."""
    runs = entry.seen
    if runs is None:
        return None
    since = q.moment(runs.since, look.now, look.utc)
    text = f"Since {since} it was due {q.count(runs.due)} times and sent {q.count(runs.seen)}"
    wrong = [f"{q.count(runs.left_out)} missing"] if runs.left_out else []
    wrong += [f"{q.count(runs.twice)} sent twice by {clean(', '.join(runs.by), 120)}"] if runs.twice else []
    return f"{text}{': ' if wrong else '.'}{', '.join(wrong)}", "fail" if wrong else "dim"


def remarks(beat: Beat) -> list[str]:
    """What cannot be seen of a scheduler, and what would show it."""
    told = [
        f"{state.name} is not seen: {state.reason.rstrip('.')}. {state.hint}".rstrip()
        for state in beat.schedulers
        if state.state != "connected"
    ]
    told += [
        f"{state.name} has more entries than the {state.entries:,} that are shown."
        for state in beat.schedulers
        if state.cut
    ]
    return [*told, *beat.notes]


def details(entry: BeatEntry, beat: Beat, look: Look, width: int) -> list[Line]:
    """All that is known of an entry, and why the rest is not."""
    lines: list[Line] = [*wrapped(_schedule(entry), width, "title", lead=" ")]
    state = next((one for one in beat.schedulers if one.name == entry.scheduler), None)
    if late(entry):
        lines += wrapped(f"Late: it was due {q.age(entry.late)} ago.", width, "fail", lead=" ")
    if (runs := seen_runs(entry, look)) is not None:
        lines += wrapped(runs[0], width, runs[1], lead=" ")
    for field, why in entry.unknown.items():
        lines += wrapped(f"{field.replace('_', ' ')}: {clean(why, 300)}", width, "dim", lead=" ")
    if entry.static and entry.scheduler != "conf":
        text = "The application's settings name it too, and put it back at each start of beat."
        lines += wrapped(text, width, "dim", lead=" ")
    if state is not None:
        lines += wrapped(
            f"Kept by {state.name}, {clean(state.place, 200)}. {state.why_not}", width, "dim", lead=" "
        )
    shown = msgspec.to_builtins(entry)
    kept: Sequence[str] = [
        name for name in shown if name not in ("unknown", "static") and shown[name] is not None
    ]
    return [*lines, (), *(((" ", ""), *line) for line in value_body({name: shown[name] for name in kept}))]
