"""Runs of a task take far longer than they usually do."""

from __future__ import annotations

from lazycelery.insight.advice import condition, word
from lazycelery.insight.anomalies import UNLIKELY, above, chance, durations, freshest, highest, middle
from lazycelery.insight.doctor.mode import Mode, fact, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.faces import by_face
from lazycelery.model.finding import Evidence, Finding
from lazycelery.model.text import quoted
from lazycelery.store.habits import Habit, StepFacts, Usual
from lazycelery.store.rings import Cell


def check(seen: Snapshot) -> list[Finding]:
    """One finding a name."""
    if not seen.connected:
        return []
    return [found for habit in seen.habits if habit.kind == "task" and (found := _judge(seen, habit))]


def known(seen: Snapshot, usual: Usual | None) -> bool:
    """Whether enough was seen to call something usual."""
    limits = seen.limits
    return usual is not None and usual.runs >= limits.usual_runs and usual.seen >= limits.usual_seen


def _judge(seen: Snapshot, habit: Habit) -> Finding | None:
    limits, usual = seen.limits, habit.usual
    fresh = freshest(habit, lambda cell: durations(cell.runtime), limits.slow_runs)
    if fresh is None or usual is None or None in usual.runtime or not known(seen, usual):
        return None
    cell, when = fresh
    half, most = middle(cell.runtime)
    usual_half, usual_three, usual_most = (value or 0.0 for value in usual.runtime)
    runs = durations(cell.runtime)
    for now, before, bound, share, figure in (
        (half, usual_half, usual_three, 0.25, _half),
        (most, usual_most, usual_most, 0.05, _most),
    ):
        if now < limits.slow_times * before or now - before < limits.slow_least:
            continue
        if not _still(habit, cell, bound):
            continue
        longer = above(cell.runtime, bound)
        if chance(longer, runs, share) < UNLIKELY and now > highest(usual, seen.now, figure):
            told = fact(
                f"{longer:,} of {runs:,} took longer than {bound:.2g} s, which usually {share:.0%} do",
                "event",
                longer,
            )
            return _finding(habit, usual, when, (half, most), told, runs)
    return None


def _still(habit: Habit, cell: Cell, bound: float) -> bool:
    """What the last five minutes tell goes on: of the newest runs some are as slow."""
    return cell is habit.now or (habit.now is not None and above(habit.now.runtime, bound) > 0)


def _half(step: StepFacts) -> float | None:
    return step.runtime_p50


def _most(step: StepFacts) -> float | None:
    return step.runtime_p95


def _finding(
    habit: Habit, usual: Usual, when: str, now: tuple[float, float], told: Evidence, runs: int
) -> Finding:
    usual_half, _, usual_most = (value or 0.0 for value in usual.runtime)
    times = max(now[0] / max(usual_half, 1e-4), 1.0)
    which, much = "half of its runs", times
    if now[0] < 2 * usual_half:
        which, much = "its slowest runs", now[1] / max(usual_most, 1e-4)
    return Finding(
        code="task-slow",
        severity="warning",
        title=f"{habit.name} is slow: {which} take {much:,.0f} times as long as usual.",
        subject=habit.name,
        filter=quoted("name", habit.name),
        evidence=[
            fact(
                f"in {when} half of {runs:,} runs took over {now[0]:.2g} s, 5 % over {now[1]:.2g} s",
                "event",
                round(now[0], 4),
            ),
            fact(
                f"usually {usual_half:.2g} s and {usual_most:.2g} s: {usual.runs:,} runs in "
                f"{span(usual.seen)} of watching",
                "event",
                round(usual_half, 4),
            ),
            told,
        ],
        fix="Look at what it calls (a database, a service) and at its workers' load "
        "("
        + by_face("`lazycelery stats --usual --by worker`", "`:view.metrics`")
        + "); "
        + by_face(
            f"`lazycelery tasks {word(condition('name', habit.name))} --sort runtime`",
            f"`:tasks {condition('name', habit.name)}`, `:sort runtime`",
        )
        + " shows the slowest; a time_limit bounds them.",
    )


def blind(seen: Snapshot) -> str | None:
    """Slowness is told against what is usual."""
    busy = [habit for habit in seen.habits if habit.kind == "task" and habit.few is not None]
    if not busy or any(known(seen, habit.usual) for habit in busy):
        return None
    need = span(seen.limits.usual_seen)
    told = f"What is usual is known after {need} of watching"
    if seen.replay:
        return f"{told}, and less was seen of this recording."
    return f"{told}, or from the history (history = true)."


MODE = Mode("task-slow", check, blind, patience=2.0, lingers=5.0, habit="task")
