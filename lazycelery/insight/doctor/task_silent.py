"""A task that normally runs has not run for long."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.insight.advice import condition, tasks
from lazycelery.insight.anomalies import at_least, silence
from lazycelery.insight.doctor.mode import Mode, fact, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.doctor.waiting_long import no_day
from lazycelery.model.faces import by_face
from lazycelery.model.finding import Finding
from lazycelery.model.text import quoted
from lazycelery.store.habits import Habit

ACTIVE = 20
"""Minutes, or hours, with runs: fewer tell nothing of pauses."""
SHARE = 0.3
"""Of its lately usual rate that it must have had a day ago, in this hour and the next."""


def check(seen: Snapshot) -> list[Finding]:
    """One finding a name."""
    if not seen.connected:
        return []
    return [found for habit in seen.habits if habit.kind == "task" and (found := _judge(seen, habit))]


def blind(seen: Snapshot) -> str | None:
    """Who ends at six each day is not silent at seven."""
    return no_day(seen)


def _judge(seen: Snapshot, habit: Habit) -> Finding | None:
    if habit.now is not None:
        return None  # It is sent, taken or run right now.
    quiet = silence(habit.minutes, ACTIVE)
    if quiet is not None:
        length, usual = (60.0 * steps for steps in quiet)
        if length < max(usual, seen.limits.silent_least):
            return None
        rate = _rate(habit.minutes) / 60
        if not at_least(habit, rate, SHARE):
            return None
        return _finding(seen, habit, length, usual, rate, habit.day[0])
    quiet = silence(habit.hours, ACTIVE)
    if quiet is None or any(runs > 0 for runs in habit.minutes):
        return None
    length, usual = (3600.0 * steps for steps in quiet)
    if length < usual:
        return None
    return _finding(seen, habit, length, usual, _rate(habit.hours) / 3600, None)


def _rate(row: Sequence[int]) -> float:
    """Runs a step up to the last one."""
    seen = [runs for runs in row if runs >= 0]
    last = max(place for place, runs in enumerate(seen) if runs)
    return sum(seen) / (last + 1)


def _finding(
    seen: Snapshot, habit: Habit, length: float, usual: float, rate: float, day: float | None
) -> Finding:
    steps = habit.minutes if day is not None else habit.hours
    active, watched = sum(runs > 0 for runs in steps), sum(runs >= 0 for runs in steps)
    unit = "minutes" if day is not None else "hours"
    runs = sum(each for each in steps if each > 0)
    evidence = [
        fact(f"no run for {span(length)}, and nothing of it was sent or taken", "event", round(length)),
        fact(
            f"before, {runs:,} runs in {active} of {watched} watched {unit}; a pause of {span(usual / 3)} "
            "is usual, three times that is not",
            "event",
            round(usual / 3),
        ),
    ]
    if day is not None:
        told = f"a day ago at this time it ran {day * 60:.3g} times a minute, lately {rate * 60:.3g}"
        evidence.append(fact(told, "event", round(day * 60, 3)))
    return Finding(
        code="task-silent",
        severity="warning",
        title=f"{habit.name} has not run for {span(length)}, and normally it does.",
        subject=habit.name,
        filter=quoted("name", habit.name),
        queues=[queue] if (queue := seen.queue_of(habit.name)) is not None else [],
        since=seen.now - length,
        evidence=evidence,
        fix=f"Look at who sends it: a beat ({by_face('`lazycelery beat`', '`:beat`')}), a producer, "
        "a route that was changed; "
        f"{tasks(condition('name', habit.name))} shows the last ones.",
    )


MODE = Mode("task-silent", check, blind, patience=2.0, lingers=4.0, habit="task")
