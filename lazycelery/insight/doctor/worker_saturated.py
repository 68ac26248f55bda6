"""All slots of a worker run long tasks while work waits behind them."""

from __future__ import annotations

from collections import Counter

from lazycelery.insight.doctor.mode import Mode, count, fact, listed, plain_slots, short, span
from lazycelery.insight.doctor.slots import full_since, stuck
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.counting import agreed
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Finding


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


def asks(seen: Snapshot) -> set[str]:
    """Whoever runs nothing but long tasks, by their events, while work waits: is no slot free since?"""
    long = Counter(
        task.worker
        for task in seen.tasks.running
        if task.since is not None and seen.now - task.since >= seen.limits.overdue_least
    )
    runs = {task.id for task in seen.tasks.running}
    flights = seen.flights.messages if seen.flights is not None else ()
    holds = {flight.worker for flight in flights if flight.id not in runs}
    return {
        facts.name
        for facts in seen.alive
        if facts.worker.concurrency
        and long[facts.name] >= facts.worker.concurrency
        and (facts.reserved or facts.name in holds or seen.waiting(facts))
    }


MODE = Mode("worker-saturated", check, asks=asks)
