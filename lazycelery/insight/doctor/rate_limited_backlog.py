"""Tasks lie at a worker that has free slots: a rate limit keeps them back."""

from __future__ import annotations

from collections import Counter

from lazycelery.insight.advice import word
from lazycelery.insight.doctor.mode import Mode, count, fact, fresh, listed, plain_slots, short
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.faces import by_face
from lazycelery.model.facts import Flight, WorkerFacts
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding a worker."""
    if not seen.connected:
        return []
    found = []
    for facts in seen.alive:
        if (
            _has_any(seen, facts)
            and _free(facts)
            and fresh(facts, "active", seen.now, 6)
            and (names := kept(seen, facts))
        ):
            found.append(_finding(seen, facts, names))
    return found


def asks(seen: Snapshot) -> set[str]:
    """Whoever keeps something back beside free slots is asked again, and who may."""
    rests = {
        task.worker
        for task in seen.tasks.held
        if task.since is not None and seen.now - task.since > seen.limits.orphan_doubt
    }
    return {
        facts.name
        for facts in seen.alive
        if _has_any(seen, facts)
        and _free(facts)
        and (facts.name in rests or kept(seen, facts) or _rests(seen, facts))
    }


def _has_any(seen: Snapshot, facts: WorkerFacts) -> bool:
    """Whether there is anything to weigh: not at most workers."""
    return bool(facts.reserved or seen.held_of(facts.name) or seen.flights_to(facts.name))


def kept(seen: Snapshot, facts: WorkerFacts) -> list[str]:
    """Names of tasks that it has received, by events, and unacknowledged or under a rate limit, and that are
    in none of its lists (so it is with rate limits); or that it says to have reserved."""
    kept = {task.id: task.name or "a task" for task in facts.reserved or ()}
    told = facts.at.get("active", 0.0)
    # What ended before they were told is in no list either: it must be seen unacknowledged after that.
    if seen.flights is not None and seen.flights.at >= told:
        kept.update((flight.id or "", flight.task or "a task") for flight in _rests(seen, facts))
    held = _listed(facts)
    for task in seen.held_of(
        facts.name
    ):  # Where no broker tells what is unacknowledged, the limit in force does.
        rested = task.since is not None and told > task.since + seen.limits.orphan_doubt
        if rested and task.id not in held and facts.rate_of(task.name):
            kept[task.id] = task.name or "a task"
    return list(kept.values())


def _rests(seen: Snapshot, facts: WorkerFacts) -> list[Flight]:
    """Unacknowledged messages that it has had for a while, and that are in none of its lists."""
    held, told = _listed(facts), facts.at.get("active", 0.0)
    return [
        flight
        for flight in seen.flights_to(facts.name)
        if flight.id not in held
        and facts.took(flight)
        and not seen.outlived(flight)
        and told > (flight.since or flight.delivered or told) + seen.limits.orphan_doubt
    ]


def _listed(facts: WorkerFacts) -> set[str]:
    return {task.id for tasks in (facts.active, facts.reserved, facts.scheduled) for task in tasks or ()}


def _free(facts: WorkerFacts) -> int:
    """Free slots, by the list of running tasks and by the heartbeat."""
    slots, worker = facts.worker.concurrency or 0, facts.worker
    if facts.active is None or worker.active is None or facts.silent is not None:
        return 0
    return max(0, slots - max(len(facts.active), worker.active))


def stopped(facts: WorkerFacts, number: int) -> bool:
    """Whether what it keeps back fills its prefetch: then it takes nothing else."""
    return facts.worker.prefetch is not None and 0 < facts.worker.prefetch <= number


def _finding(seen: Snapshot, facts: WorkerFacts, kept: list[str]) -> Finding:
    name = short(facts.name)
    full = stopped(facts, len(kept))
    alone = [queue.name for queue in seen.waiting(facts) if seen.consumers(queue.name) == [facts]]
    names = [one for one, _ in Counter(kept).most_common()]
    lift = by_face(
        f"`lazycelery worker rate-limit {word(names[0])} none {word(facts.name)} --allow limits`",
        f"`:limit` on a task {names[0]}: rate none",
    )
    return Finding(
        code="rate-limited-backlog",
        severity="warning",
        title=f"{name} keeps back {count(len(kept), 'task')} of {listed(names)} although slots "
        "are free: a rate limit" + (", and its prefetch is full of them." if full else "."),
        subject=facts.name,
        kind="worker",
        queues=alone if full else [],
        evidence=[
            fact(f"{count(len(kept), 'task')} received and not started, none for an ETA", "event", len(kept)),
            fact(f"{plain_slots(_free(facts))} free", "control", _free(facts)),
            *(
                [fact(f"its prefetch is {facts.worker.prefetch}: it takes nothing else", "control")]
                if full
                else []
            ),
        ],
        fix=f"Lift the limit until the restart: {lift} (for what comes from now on); "
        "for good by rate_limit on the task."
        + (" A queue and a worker of its own keep it from standing in the way of others." if full else ""),
    )


MODE = Mode("rate-limited-backlog", check, asks=asks, patience=5.0, lingers=4.0)
