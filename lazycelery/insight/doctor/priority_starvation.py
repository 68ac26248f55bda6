"""Messages of a low priority wait while ever more of a higher one are taken."""

from __future__ import annotations

from lazycelery.insight.advice import longer
from lazycelery.insight.doctor.mode import Mode, count, fact, span
from lazycelery.insight.doctor.snapshot import Snapshot, Unmoved
from lazycelery.model.finding import Finding
from lazycelery.model.queue import Queue

LATELY = 6
"""Newest samples in which others must have been taken."""


def check(seen: Snapshot) -> list[Finding]:
    """One finding a queue."""
    if not seen.connected:
        return []
    found = []
    for queue in seen.queues:
        still = seen.history.unmoved.get(queue.name)
        if still is not None and seen.now - still.since >= seen.limits.starved and _taken(seen, queue):
            found.append(_finding(seen, queue, still))
    return found


def _taken(seen: Snapshot, queue: Queue) -> bool:
    """Whether others are taken, now and lately."""
    lately = list(seen.history.queues.get(queue.name, ()))[-LATELY:]
    return (queue.out_rate or 0.0) > 0 and all((sample.taken or 0.0) > 0 for sample in lately)


def _finding(seen: Snapshot, queue: Queue, still: Unmoved) -> Finding:
    last, lasted = still.priority, seen.now - still.since
    return Finding(
        code="priority-starvation",
        severity="warning",
        title=f"{queue.name}: messages of priority {last} do not move while others are taken.",
        subject=queue.name,
        kind="queue",
        since=still.since,
        evidence=[
            fact(f"{count(still.messages, 'message')} of priority {last}", "broker", still.messages),
            fact(f"none of them was taken for {span(lasted)}", "broker", round(lasted)),
            fact(
                f"{count(still.ahead, 'message')} of other priorities go before them", "broker", still.ahead
            ),
        ],
        fix="Give them a queue and a worker of their own, or add slots: `celery -A yourapp "
        f"worker -Q {queue.name}`.",
        actions=["peek"],
    )


def blind(seen: Snapshot) -> str | None:
    """It takes minutes to be told from a wave."""
    mixed = [queue for queue in seen.queues if len([n for n in queue.priorities.values() if n]) > 1]
    if mixed and seen.watched < seen.limits.starved:
        need = seen.limits.starved
        return f"Watched for {seen.watched:.0f} s, and starving needs {need:.0f}" + longer(need, seen.replay)
    if mixed and all(queue.out_rate is None for queue in mixed):
        return "How many messages are taken is told by events: start workers with -E."
    return None


MODE = Mode("priority-starvation", check, blind, lingers=4.0)
