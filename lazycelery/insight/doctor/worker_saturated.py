"""All slots of a worker run long tasks while work waits behind them."""

from __future__ import annotations

from collections import defaultdict

from lazycelery.insight.doctor.mode import Mode, count, fact, fresh, listed, plain_slots, short, span
from lazycelery.insight.doctor.slots import full_since, stuck
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.counting import agreed
from lazycelery.model.facts import Flight, TaskSeen, WorkerFacts
from lazycelery.model.finding import Finding

TOLD_ANEW = 15.0
"""Seconds after which a worker's list is too old to go by: rounds of questions come every ten."""
CLOCKS = 1.0
"""Seconds by which two sources may tell the same moment differently."""


def check(seen: Snapshot) -> list[Finding]:
    """One finding a worker of which no slot became free for a while."""
    if not seen.connected:
        return []
    return [finding for facts in seen.alive if (finding := _judge(seen, facts)) is not None]


def _judge(seen: Snapshot, facts: WorkerFacts) -> Finding | None:
    since = full_since(facts, seen.now)
    why = None if since is None else stuck(seen, facts, since, seen.limits.saturated)
    if since is None or why is None:
        return None
    reserved = len(facts.reserved or ())
    waiting = {queue.name: queue.messages or 0 for queue in seen.waiting(facts)}
    behind = reserved + sum(waiting.values())
    if not behind:
        return None
    name, slots = short(facts.name), facts.worker.concurrency or 0
    names = listed(sorted({task.name or "a task" for task in facts.active or ()}))
    evidence = [
        fact(f"{plain_slots(slots)} run {names}", "control", slots),
        fact(f"no slot became free for {span(seen.now - since)}", "control", round(seen.now - since, 1)),
        *why,
    ]
    if reserved:
        evidence.append(
            fact(f"{count(reserved, 'reserved task', does='wait')} behind them", "control", reserved)
        )
    for queue, messages in list(waiting.items())[:5]:
        evidence.append(fact(f"{count(messages, 'message', does='wait')} in {queue}", "broker", messages))
    return Finding(
        code="worker-saturated",
        severity="warning",
        title=f"{name} is full: its {plain_slots(slots)} {agreed(slots, 'run')} {names}, "
        f"and {count(behind, 'task', does='wait')} behind.",
        subject=facts.name,
        kind="worker",
        since=since,
        evidence=evidence,
        fix="Give long tasks a queue and a worker of their own (task_routes, -Q) and a "
        "time_limit, or add slots.",
        actions=["pool"],
    )


def _lasts(seen: Snapshot, task: TaskSeen) -> bool:
    """Whether it runs for long, or usually does."""
    usual = seen.usual_half(task.name) or 0.0
    return seen.now - (task.since or seen.now) >= seen.limits.overdue_least or usual >= seen.limits.saturated


def asks(seen: Snapshot) -> set[str]:
    """Whoever runs nothing but long tasks, by their events, while work waits: is no slot free since?

    Asked when a limit has passed since its list was told, and not again and again: replies carry arguments.
    """
    long: dict[str | None, list[TaskSeen]] = defaultdict(list)
    for task in seen.tasks.running:
        if task.since is not None and _lasts(seen, task):
            long[task.worker].append(task)
    runs = {task.id for task in seen.tasks.running}
    flights = seen.flights.messages if seen.flights is not None else ()
    holds: dict[str | None, list[Flight]] = defaultdict(list)
    for flight in flights:
        if flight.id not in runs:
            holds[flight.worker].append(flight)
    return {
        facts.name
        for facts in seen.alive
        if facts.worker.concurrency
        and len(long[facts.name]) >= facts.worker.concurrency
        and (facts.reserved or holds[facts.name] or seen.waiting(facts))
        and (_untold(seen, facts, long[facts.name]) or _unlisted(seen, facts, holds[facts.name]))
    }


def _untold(seen: Snapshot, facts: WorkerFacts, tasks: list[TaskSeen]) -> bool:
    """Whether its list of running tasks is older than the moment from which it would tell something."""
    if not fresh(facts, "active", seen.now, TOLD_ANEW):
        return True
    limits, youngest = seen.limits, max(task.since or 0.0 for task in tasks)
    overdue = max((task.since or 0.0) + limits.overdue_times * (task.usual or 0.0) for task in tasks)
    # Those that usually last may be told of as soon as they run.
    due = (youngest, youngest + limits.overdue_least, overdue, youngest + limits.saturated)
    return any(facts.at["active"] < at + CLOCKS and at <= seen.now for at in due)


def _unlisted(seen: Snapshot, facts: WorkerFacts, held: list[Flight]) -> bool:
    """Whether messages came to it since it told all that it holds."""
    told = facts.whole.at if facts.whole is not None else 0.0
    return any((flight.delivered or seen.now) + seen.limits.orphan_doubt > told for flight in held)


MODE = Mode("worker-saturated", check, asks=asks)
