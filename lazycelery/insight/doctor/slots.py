"""Slots that are all taken: since when, and whether one will become free soon."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import fact, fresh, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Evidence


def full_since(facts: WorkerFacts, now: float) -> float | None:
    """Since when no slot became free: the start of the youngest running task, our clock."""
    slots, active = facts.worker.concurrency, facts.active
    if not slots or not active or len(active) < slots or not fresh(facts, "active", now, 30):
        return None
    if facts.worker.active is not None and facts.worker.active < slots:
        return None  # A heartbeat tells that one ended since.
    starts = [task.time_start for task in active if task.time_start is not None]
    return max(starts) - (facts.worker.clock_skew or 0.0) if len(starts) == len(active) else None


def stuck(seen: Snapshot, facts: WorkerFacts, since: float, limit: float) -> list[Evidence] | None:
    """Why its slots count as taken for long, in evidence (none where simply `limit` has passed); `None` while
    they may well be a rush. Before that time what is usual tells: all of them run far longer than their
    kind, or half of their kind's runs would not let one go before."""
    # What ended after it told its list is not known: time counts up to then.
    held = facts.at.get("active", seen.now) - since
    if held >= limit:
        return []
    return _overdue(seen, facts) or _foreseen(seen, facts, limit - held)


def _overdue(seen: Snapshot, facts: WorkerFacts) -> list[Evidence] | None:
    limits, usual = seen.limits, {task.id: task for task in seen.tasks.running if task.worker == facts.name}
    told, times = facts.at.get("active", seen.now), []
    for task in facts.active or ():
        known = usual.get(task.id)
        if known is None or known.usual is None or known.runs < limits.stalled_runs or not task.time_start:
            return None
        age = told - task.time_start + (facts.worker.clock_skew or 0.0)
        if age < max(limits.overdue_least, limits.overdue_times * known.usual):
            return None
        times.append(age / max(known.usual, 1e-3))
    text = f"each runs at least {min(times):,.0f} times as long as 95 % of its kind"
    return [fact(text, "event", round(min(times), 1))]


def _foreseen(seen: Snapshot, facts: WorkerFacts, left: float) -> list[Evidence] | None:
    ends = []
    for task in facts.active or ():
        half = seen.usual_half(task.name)
        if half is None or task.time_start is None:
            return None
        ends.append(task.time_start - (facts.worker.clock_skew or 0.0) + half - seen.now)
    if min(ends) < left:
        return None
    return [fact(f"usually none of them ends within {span(min(ends))}", "event", round(min(ends), 1))]
