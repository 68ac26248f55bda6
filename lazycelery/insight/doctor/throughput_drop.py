"""A queue's tasks end far more seldom than lately, and than yesterday at this time."""

from __future__ import annotations

from statistics import median

from lazycelery.insight.advice import word
from lazycelery.insight.anomalies import at_least, deviation
from lazycelery.insight.doctor.mode import Mode, count, fact, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.doctor.waiting_long import no_day
from lazycelery.model.faces import by_face
from lazycelery.model.finding import Finding
from lazycelery.store.ago import ended
from lazycelery.store.habits import LATELY, Habit

BEFORE = 60
"""Minutes that are compared with."""
KNOWN = 30
"""Of these, minutes that must have been watched."""
DEVIATIONS = 4.0
DAY_SHARE = 0.7
"""Of the last hour's rate that this hour and the next must have had a day ago, and a week ago where that is
known: else it drops each day."""


def check(seen: Snapshot) -> list[Finding]:
    """One finding a queue."""
    if not seen.connected:
        return []
    return [found for habit in seen.habits if habit.kind == "queue" and (found := _judge(seen, habit))]


def blind(seen: Snapshot) -> str | None:
    """Evenings come each day."""
    return no_day(seen)


def _judge(seen: Snapshot, habit: Habit) -> Finding | None:
    limits, row = seen.limits, list(habit.minutes)
    # While it is found, what it is compared with stays.
    until = len(row) - LATELY - habit.ill
    now, before = row[-LATELY:], [runs for runs in row[max(0, until - BEFORE) : max(0, until)] if runs >= 0]
    line = seen.lines.get(habit.name)
    if len(before) < KNOWN or min(now, default=-1) < 0 or (line is not None and line.held is not None):
        return None
    usual = median(before)
    if usual < limits.drop_least or max(now) >= usual - DEVIATIONS * deviation(before):
        return None
    left = (1 - limits.drop_share) * usual
    if sum(now) > left * len(now) or 2 * ended(habit.now) > left:
        return None
    if not at_least(habit, usual / 60, DAY_SHARE):
        return None
    day = habit.day[0] or 0.0
    return _finding(seen, habit, sum(now) / len(now), usual, (len(before), day * 60))


def _finding(seen: Snapshot, habit: Habit, now: float, usual: float, known: tuple[int, float]) -> Finding:
    minutes, day = known
    line = seen.lines.get(habit.name)
    evidence = [
        fact(f"{now:.3g} runs a minute ended in the last {LATELY} minutes", "event", round(now, 2)),
        fact(f"before, {usual:.3g} a minute: the median of {minutes} minutes", "event", round(usual, 2)),
        fact(f"a day ago at this time, {day:.3g} a minute", "event", round(day, 2)),
    ]
    if line is not None and line.messages is not None:
        told = f"{count(line.messages, 'message', does='wait')}, "
        told += f"{count(len(line.workers), 'worker', does='consume')} it"
        evidence.append(fact(told, "broker", line.messages))
    return Finding(
        code="throughput-drop",
        severity="warning",
        title=f"{habit.name} does {1 - now / usual:.0%} less than usual: {now:.3g} runs a minute "
        f"instead of {usual:.3g}.",
        subject=habit.name,
        kind="queue",
        since=seen.now - 60.0 * (LATELY + habit.ill),
        evidence=evidence,
        fix="Where messages wait, look at its workers ("
        + by_face(f"`lazycelery why {word(habit.name)}`", f"`:queue {habit.name}`")
        + f"); where none do, at who sends them: {span(60.0 * LATELY)} "
        "without work is a producer that stopped, or a route that was changed.",
        actions=["peek", "consumers"],
    )


MODE = Mode("throughput-drop", check, blind, patience=2.0, lingers=4.0, habit="queue")
