"""Messages of a queue wait far longer than they usually do at this time of the day, for two minutes."""

from __future__ import annotations

from lazycelery.insight.advice import more_slots, word
from lazycelery.insight.anomalies import durations, freshest, highest, middle
from lazycelery.insight.doctor.mode import Mode, count, fact, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.faces import by_face
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Finding
from lazycelery.store.ago import DAY
from lazycelery.store.habits import Habit, Usual

A_DAY = DAY - 3600.0
NO_DAY = "What is usual at this time of the day is known a day later: nobody watched this hour yesterday."
KEPT = " history = true keeps the statistics, `lazycelery watch` records without a screen."


def check(seen: Snapshot) -> list[Finding]:
    """One finding a queue."""
    if not seen.connected:
        return []
    return [found for habit in seen.habits if habit.kind == "queue" and (found := _judge(seen, habit))]


def blind(seen: Snapshot) -> str | None:
    """Waves of work are known by the day."""
    return no_day(seen)


def no_day(seen: Snapshot) -> str | None:
    """Why this hour of yesterday is not known; `None` where it is."""
    if seen.day_known:
        return None
    return NO_DAY if seen.replay else NO_DAY + KEPT


def _judge(seen: Snapshot, habit: Habit) -> Finding | None:
    limits, usual = seen.limits, habit.usual
    fresh = freshest(habit, lambda cell: durations(cell.wait), limits.slow_runs)
    if fresh is None or usual is None or not seen.day_known or seen.now - usual.since < A_DAY:
        return None
    cell, when = fresh
    half, most = middle(cell.wait)
    usual_most = usual.wait[2]
    if usual_most is None or usual.runs < limits.usual_runs:
        return None
    if half < limits.wait_least or half < limits.wait_times * usual_most:
        return None
    high = highest(usual, seen.now, lambda step: step.wait_p95)
    least = max(limits.wait_least, limits.wait_times * usual_most, limits.wait_times * high)
    # And still: what a flood or a deployment left is over when the newest do not wait.
    newest = middle(habit.now.wait)[0] if habit.now is not None and habit.now.wait else 0.0
    if half < least or newest < least or _over(seen, habit.name):
        return None
    return _finding(seen, habit, usual, when, (half, most, durations(cell.wait)), high)


def _over(seen: Snapshot, queue: str) -> bool:
    """Nothing waits any more, neither in the queue nor at its workers, and they have free slots."""
    line, takers = seen.lines.get(queue), seen.consumers(queue)
    return line is not None and line.messages == 0 and bool(takers) and all(map(_free, takers))


def _free(facts: WorkerFacts) -> bool:
    slots, active = facts.worker.concurrency, facts.worker.active
    return slots is not None and active is not None and active < slots and not facts.reserved


def _finding(
    seen: Snapshot, habit: Habit, usual: Usual, when: str, now: tuple[float, float, int], high: float
) -> Finding:
    half, most, starts = now
    line = seen.lines.get(habit.name)
    evidence = [
        fact(
            f"in {when} half of {count(starts, 'start')} had waited over {span(half)}, 5 % over {span(most)}",
            "event",
            round(half, 2),
        ),
        fact(
            f"usually 95 % wait less than {usual.wait[2] or 0.0:.2g} s, and at this time of the day less "
            f"than {high:.2g} s: {usual.runs:,} runs in {span(usual.seen)} of watching",
            "event",
            round(usual.wait[2] or 0.0, 3),
        ),
    ]
    if line is not None and line.messages is not None:
        evidence.append(fact(f"{count(line.messages, 'message', does='wait')} now", "broker", line.messages))
    return Finding(
        code="waiting-long",
        severity="warning",
        title=f"Tasks of {habit.name} wait {span(half)} before they start, far longer than usual.",
        subject=habit.name,
        kind="queue",
        evidence=evidence,
        fix=f"{more_slots(habit.name)}; "
        + by_face(f"`lazycelery why {word(habit.name)}`", f"`:queue {habit.name}`")
        + " tells what is before them.",
        actions=["peek", "consumers"],
    )


MODE = Mode("waiting-long", check, blind, patience=120.0, lingers=8.0, habit="queue")
