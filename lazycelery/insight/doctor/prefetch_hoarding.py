"""A worker holds tasks behind its long ones while another has nothing to do."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, count, fact, fresh, listed, plain_slots, short, span
from lazycelery.insight.doctor.slots import full_since, stuck
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Evidence, Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding a hoarder."""
    if not seen.connected:
        return []
    found, unused = [], _idle(seen)
    for facts in seen.alive if unused else ():
        since = full_since(facts, seen.now)
        why = None if since is None else stuck(seen, facts, since, seen.limits.hoarded)
        if since is None or why is None or not facts.reserved:
            continue
        idle = _idle_beside(seen, facts, unused)
        if idle and fresh(facts, "reserved", seen.now, 15):
            free = min(_free_since(seen, one) for one in idle)
            found.append(_finding(seen, facts, idle, (since, why), max(since, free)))
    return found


def asks(seen: Snapshot) -> set[str]:
    """Full workers beside idle ones are asked what they hold."""
    unused = _idle(seen)
    return {
        facts.name
        for facts in seen.alive
        if unused and full_since(facts, seen.now) is not None and _idle_beside(seen, facts, unused)
    }


def _idle(seen: Snapshot) -> list[WorkerFacts]:
    """Workers with free slots, and nothing reserved for them."""
    return [
        facts
        for facts in seen.alive
        if facts.silent is None
        and facts.worker.active is not None
        and facts.worker.active < (facts.worker.concurrency or 0)
        and not facts.reserved
    ]


def _idle_beside(seen: Snapshot, full: WorkerFacts, unused: list[WorkerFacts]) -> list[WorkerFacts]:
    """Those of the unused that take from the same queues, all of which are empty."""
    if seen.waiting(full):
        return []
    shared = set(full.queues or ())
    return [facts for facts in unused if facts is not full and not shared.isdisjoint(facts.queues or ())]


def _free_since(seen: Snapshot, facts: WorkerFacts) -> float:
    """Since when it has had a free slot: its start, or later, when it was last seen to be full."""
    slots, began = facts.worker.concurrency or 0, facts.began or 0.0
    full = [one.at for one in seen.history.worker(facts.name, began) if (one.active or 0) >= slots]
    return max(full, default=began)


def _finding(
    seen: Snapshot,
    facts: WorkerFacts,
    idle: list[WorkerFacts],
    stuck_since: tuple[float, list[Evidence]],
    since: float,
) -> Finding:
    """`stuck_since`: since when no slot became free, and what more tells so; `since`: since when somebody
    beside it had nothing to do."""
    (full, why), reserved = stuck_since, facts.reserved or []
    name, names = short(facts.name), listed(sorted({task.name or "a task" for task in facts.active or ()}))
    free = sum((one.worker.concurrency or 0) - (one.worker.active or 0) for one in idle)
    others = listed([short(one.name) for one in idle])
    return Finding(
        code="prefetch-hoarding",
        severity="warning",
        title=f"{name} holds {count(len(reserved), 'task')} behind {names} while {others} "
        f"{'has' if len(idle) == 1 else 'have'} free slots.",
        subject=facts.name,
        kind="worker",
        since=since,
        related=[one.name for one in idle],
        evidence=[
            fact(f"{count(len(reserved), 'task')} reserved on {name}", "control", len(reserved)),
            fact(f"no slot of it became free for {span(seen.now - full)}", "control", round(seen.now - full)),
            *why,
            fact(f"{plain_slots(free)} free on {others}", "control", free),
            fact(f"prefetch is {facts.worker.prefetch}", "control", facts.worker.prefetch),
        ],
        fix="Set worker_prefetch_multiplier = 1 with task_acks_late = True, and give long tasks "
        "a queue of their own.",
    )


MODE = Mode("prefetch-hoarding", check, asks=asks, patience=1.0)
