"""Two beats send the same schedule: everything periodic runs twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise

from lazycelery.insight.advice import longer
from lazycelery.insight.doctor.mode import Mode, count, fact, listed, span
from lazycelery.insight.doctor.schedule import Entry, entries
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.runs import ENOUGH, keeps_interval
from lazycelery.model.beat import BeatEntry, Runs
from lazycelery.model.finding import Finding

SURE = 8
"""Sendings from which on some may be off."""
PUNCTUAL, LATE = 0.1, 0.1
"""Share of an interval, or seconds, that beat is late at most where nothing holds it up."""


def check(seen: Snapshot) -> list[Finding]:
    """One finding when two processes send a scheduled task, each at its interval."""
    if not seen.connected:
        return []
    for entry in entries(seen):
        beats = _beats(seen, entry)
        if len(beats) > 1:
            return [_finding(seen, entry, beats)]
    for one in seen.schedule:
        if one.seen is not None and one.seen.twice >= ENOUGH and len(one.seen.by) > 1:
            return [_calendar(one, one.seen)]
    return []


def _calendar(entry: BeatEntry, runs: Runs) -> Finding:
    """An entry by the calendar: each of its moments was met by several processes."""
    return Finding(
        code="beat-duplicate",
        severity="critical",
        title=f"{count(len(runs.by), 'beat', does='run')}: {entry.task} "
        "is sent again and again at the same moment.",
        subject=entry.task,
        evidence=[
            fact(
                f"{entry.name} ({entry.schedule}): sent twice at {runs.twice} of {runs.due} moments",
                "event",
                runs.twice,
            ),
            fact(f"by {listed(runs.by)}", "event", len(runs.by)),
        ],
        related=list(runs.by),
        fix=f"Stop all but one of {listed(runs.by)} (gen<pid>@host: the pid and machine of each).",
    )


def _beats(seen: Snapshot, entry: Entry) -> dict[str, int]:
    """Processes that keep the interval and did so lately, and how often they sent."""
    by_sender: dict[str, list[float]] = defaultdict(list)
    for at, sender in seen.periodic.get(entry.task, ()):
        if sender:
            by_sender[sender].append(at)
    found = {}
    for sender, times in by_sender.items():
        times = sorted(times)[-20:]
        lately = seen.now - times[-1] < 2 * entry.every + 2
        if lately and _is_beat(times, entry.every):
            found[sender] = len(times)
    return found


def _is_beat(times: Sequence[float], every: float) -> bool:
    """Of few sendings each must be on time: what others send at about that pace fits by chance."""
    if not keeps_interval(times, every):
        return False
    off = max(PUNCTUAL * every, LATE)
    on_time = all(abs(later - earlier - every) <= off for earlier, later in pairwise(times))
    return on_time or len(times) >= SURE


def _finding(seen: Snapshot, entry: Entry, beats: dict[str, int]) -> Finding:
    return Finding(
        code="beat-duplicate",
        severity="critical",
        title=f"{count(len(beats), 'beat', does='run')}: {entry.task} is sent {len(beats)} times each "
        f"{span(entry.every)}.",
        subject=entry.task,
        evidence=[
            fact(f"{sender} sent it {number} times, every {span(entry.every)}", "event", number)
            for sender, number in beats.items()
        ],
        related=list(beats),
        fix=f"Stop all but one of {listed(list(beats))} (gen<pid>@host: the pid and machine of each).",
    )


def blind(seen: Snapshot) -> str | None:
    """It needs a schedule, sent events, and time for some sendings."""
    known = entries(seen)
    if not known:
        return "The workers' settings have no beat_schedule with plain intervals."
    if not any(sender for entry in known for _, sender in seen.periodic.get(entry.task, ())):
        return "Beat does not tell what it sends: set task_send_sent_event = True."
    shortest = min(entry.every for entry in known)
    if seen.watched < (ENOUGH + 1) * shortest:
        need = (ENOUGH + 1) * shortest
        told = f"Watched for {seen.watched:.0f} s; the shortest interval needs {need:.0f}"
        return told + longer(need, seen.replay)
    return None


MODE = Mode("beat-duplicate", check, blind, lingers=5.0)
