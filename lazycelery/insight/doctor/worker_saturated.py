"""All slots of a worker run long tasks while work waits behind them."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, count, fact, fresh, listed, plain_slots, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.counting import agreed
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding a worker of which no slot became free for a while."""
    if not seen.connected:
        return []
    return [finding for facts in seen.alive if (finding := _judge(seen, facts)) is not None]


def full_since(facts: WorkerFacts, now: float) -> float | None:
    """Since when no slot became free: the start of the youngest running task, our clock."""
    slots, active = facts.worker.concurrency, facts.active
    if not slots or not active or len(active) < slots or not fresh(facts, "active", now, 30):
        return None
    starts = [task.time_start for task in active if task.time_start is not None]
    return max(starts) - (facts.worker.clock_skew or 0.0) if len(starts) == len(active) else None


def _judge(seen: Snapshot, facts: WorkerFacts) -> Finding | None:
    since = full_since(facts, seen.now)
    if since is None or seen.now - since < seen.limits.saturated:
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


MODE = Mode("worker-saturated", check)
