"""A worker beats and answers, has free slots, and takes nothing from a queue that is not empty."""

from __future__ import annotations

from lazycelery.insight.advice import word
from lazycelery.insight.doctor.mode import Mode, count, fact, fresh, plain_slots, short, span
from lazycelery.insight.doctor.rate_limited_backlog import kept
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.faces import by_face
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Finding
from lazycelery.model.queue import Queue

AHEAD = 4.0
"""Seconds before its time is over in which a worker is asked, so that the answer is there by then."""


def check(seen: Snapshot) -> list[Finding]:
    """One finding a deaf worker, about the fullest queue that it should take from."""
    if not seen.connected:
        return []
    stay_full = {queue.name for queue in seen.queues if queue.messages and _stays_full(seen, queue)}
    found = []
    for facts in seen.alive if stay_full else ():
        if stay_full.isdisjoint(facts.queues or ()):
            continue
        idle = _idle(facts) and _empty_handed(seen, facts) and _takes_nothing(seen, facts)
        if idle and not kept(seen, facts):
            full = [queue for queue in seen.waiting(facts) if queue.name in stay_full]
            if full:
                found.append(_finding(seen, facts, max(full, key=lambda queue: queue.messages or 0)))
    return found


def asks(seen: Snapshot) -> set[str]:
    """Idle workers beside waiting messages are asked what they hold."""
    full = {queue.name for queue in seen.queues if queue.messages and _stays_full(seen, queue, AHEAD)}
    return {
        facts.name
        for facts in seen.alive
        if full and _idle(facts) and not full.isdisjoint(facts.queues or ())
    }


def _idle(facts: WorkerFacts) -> bool:
    slots = facts.worker.concurrency
    return bool(slots) and facts.silent is None and facts.worker.active == 0


def _empty_handed(seen: Snapshot, facts: WorkerFacts) -> bool:
    """It holds nothing that a rate limit could keep back."""
    return fresh(facts, "reserved", seen.now, seen.limits.deaf) and not facts.reserved and not facts.active


def _takes_nothing(seen: Snapshot, facts: WorkerFacts) -> bool:
    _, since = seen.history.idle.get(facts.name, (None, seen.now))
    return seen.now - since >= seen.limits.deaf


def _stays_full(seen: Snapshot, queue: Queue, ahead: float = 0.0) -> bool:
    return seen.now - seen.history.full.get(queue.name, seen.now) >= seen.limits.deaf - ahead


def _finding(seen: Snapshot, facts: WorkerFacts, queue: Queue) -> Finding:
    worker, name = facts.worker, short(facts.name)
    since = _since(seen, facts, queue)
    answered = f"it answers control, {span(worker.control_age or 0.0)} ago the last time"
    return Finding(
        code="worker-deaf",
        severity="critical",
        title=f"{name} takes nothing from {queue.name}: "
        f"{count(queue.messages or 0, 'message', does='wait')}, "
        f"and its {count(worker.concurrency or 0, 'slot', does='are')} free.",
        subject=facts.name,
        kind="worker",
        since=since,
        queues=[queue.name] if seen.consumers(queue.name) == [facts] else [],
        evidence=[
            fact(f"{count(queue.messages or 0, 'message')} in {queue.name}", "broker", queue.messages),
            fact(f"it consumes {queue.name}, by its own word", "control"),
            fact(answered, "control", round(worker.control_age or 0.0, 1)),
            fact(f"0 of {plain_slots(worker.concurrency or 0)} taken, nothing reserved", "control", 0),
            fact(
                f"it has not begun a task for {span(seen.now - since)}", "event", round(seen.now - since, 1)
            ),
        ],
        fix=by_face(
            f"`lazycelery worker cancel {word(queue.name)} {word(facts.name)} --allow consumers`, "
            "then the same with consume",
            f"`:consume` cancels {queue.name} there, and then consumes it again",
        )
        + "; or "
        + by_face(f"`lazycelery worker shutdown {word(facts.name)} --allow shutdown`", "`:shutdown`")
        + " where a supervisor starts it again.",
        actions=["consume", "shutdown"],
    )


def _since(seen: Snapshot, facts: WorkerFacts, queue: Queue) -> float:
    """Since when both stand still, as far as it is remembered."""
    now = seen.now
    for sample in reversed(seen.history.queue(queue.name, 0.0)):
        if not sample.messages:
            break
        now = sample.at
    since = seen.now
    for told in reversed(seen.history.worker(facts.name, now)):
        if told.processed != facts.worker.processed or told.active:
            break
        since = told.at
    return since


MODE = Mode("worker-deaf", check, asks=asks, lingers=4.0)
