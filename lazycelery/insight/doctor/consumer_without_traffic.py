"""A worker waits at a queue that nothing comes to, while work waits elsewhere."""

from __future__ import annotations

from lazycelery.insight.advice import let_consume, longer
from lazycelery.insight.doctor.mode import Mode, count, fact, listed, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding a worker that did nothing for minutes beside a backlog."""
    if not seen.connected or not seen.settled:
        return []
    since = seen.now - seen.limits.unused
    backlogs = [
        queue
        for queue in seen.queues
        if (queue.messages or 0) >= seen.limits.growth_least and _always(seen, queue.name, since)
    ]
    if not backlogs:
        return []
    fullest = max(backlogs, key=lambda queue: queue.messages or 0)
    return [
        _finding(seen, facts, fullest.name, fullest.messages or 0)
        for facts in seen.alive
        if facts.queues and fullest.name not in facts.queues and _idle(seen, facts, since)
    ]


def blind(seen: Snapshot) -> str | None:
    """It takes minutes to tell a worker at rest from one at the wrong place."""
    deep = any((queue.messages or 0) >= seen.limits.growth_least for queue in seen.queues)
    if deep and seen.watched < seen.limits.unused:
        need = seen.limits.unused
        return f"Watched for {seen.watched:.0f} s, and idleness needs {need:.0f}" + longer(need, seen.replay)
    return None


def _always(seen: Snapshot, queue: str, since: float) -> bool:
    return seen.history.full.get(queue, seen.now) <= since


def _idle(seen: Snapshot, facts: WorkerFacts, since: float) -> bool:
    _, idle = seen.history.idle.get(facts.name, (None, seen.now))
    empty = seen.history.empty
    nothing = all(empty.get(name, seen.now) <= since for name in facts.queues or () if name in seen.lines)
    return nothing and idle <= since


def _finding(seen: Snapshot, facts: WorkerFacts, queue: str, messages: int) -> Finding:
    own = listed(facts.queues or [])
    return Finding(
        code="consumer-without-traffic",
        severity="info",
        title=f"{short(facts.name)} waits at {own}, where nothing comes, while {queue} has a backlog.",
        subject=facts.name,
        kind="worker",
        since=seen.now - seen.limits.unused,
        evidence=[
            fact(f"no message in {own} for {span(seen.limits.unused)}", "broker", seen.limits.unused),
            fact(f"it has begun no task in that time: {facts.worker.processed} as before", "event"),
            fact(f"{count(messages, 'message', does='wait')} in {queue}", "broker", messages),
        ],
        fix=f"Let it help: {let_consume(queue, facts.name)}; "
        f"check the spelling of {own} where tasks are sent.",
        actions=["consume"],
    )


MODE = Mode("consumer-without-traffic", check, blind)
