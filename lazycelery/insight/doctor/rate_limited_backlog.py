"""Tasks lie at a worker that has free slots: a rate limit keeps them back."""

from __future__ import annotations

from collections import Counter

from lazycelery.insight.doctor.mode import Mode, count, fact, fresh, listed, plain_slots, short
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding a worker."""
    if not seen.connected:
        return []
    return [
        _finding(facts)
        for facts in seen.alive
        if _free(facts) and facts.reserved and fresh(facts, "reserved", seen.now, 6)
    ]


def asks(seen: Snapshot) -> set[str]:
    """Whoever held something beside free slots is asked again."""
    return {facts.name for facts in seen.alive if _free(facts) and facts.reserved}


def _free(facts: WorkerFacts) -> int:
    """Free slots, by the list of running tasks and by the heartbeat."""
    slots, worker = facts.worker.concurrency or 0, facts.worker
    if facts.active is None or worker.active is None or facts.silent is not None:
        return 0
    return max(0, slots - max(len(facts.active), worker.active))


def _finding(facts: WorkerFacts) -> Finding:
    name, reserved = short(facts.name), facts.reserved or []
    names = [one for one, _ in Counter(task.name or "a task" for task in reserved).most_common()]
    return Finding(
        code="rate-limited-backlog",
        severity="warning",
        title=f"{name} keeps back {count(len(reserved), 'task')} of {listed(names)} although slots are free: "
        "a rate limit.",
        subject=facts.name,
        kind="worker",
        evidence=[
            fact(
                f"{count(len(reserved), 'task')} reserved, none of them for an ETA", "control", len(reserved)
            ),
            fact(f"{plain_slots(_free(facts))} free", "control", _free(facts)),
        ],
        fix=f"Lift the limit until the restart: `lazycelery worker rate-limit {names[0]} none "
        f"{facts.name} --allow "
        "limits`; for good by rate_limit on the task.",
    )


MODE = Mode("rate-limited-backlog", check, asks=asks, patience=9.0, lingers=8.0)
