"""Messages of a low priority wait while ever more of a higher one are taken."""

from __future__ import annotations

from itertools import pairwise

from lazycelery.insight.advice import longer
from lazycelery.insight.doctor.mode import Mode, count, fact, span
from lazycelery.insight.doctor.snapshot import QueueSample, Snapshot
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
        if len([number for number in queue.priorities.values() if number]) > 1:
            samples = seen.history.queue_over(queue.name, seen.now - seen.limits.starved)
            finding = _judge(seen, queue, samples)
            if finding is not None:
                found.append(finding)
    return found


def _judge(seen: Snapshot, queue: Queue, samples: list[QueueSample]) -> Finding | None:
    if len(samples) < 3:
        return None
    last = _last(queue)
    depths = [dict(sample.priorities).get(last, 0) for sample in samples]
    ahead = [sum(number for step, number in sample.priorities if step != last) for sample in samples]
    taken = all((sample.taken or 0.0) > 0 for sample in samples[-LATELY:])
    steady = all(depths) and all(ahead) and all(a <= b for a, b in pairwise(depths))
    if not steady or not taken:
        return None
    lasted = samples[-1].at - samples[0].at
    return Finding(
        code="priority-starvation",
        severity="warning",
        title=f"{queue.name}: messages of priority {last} do not move while others are taken.",
        subject=queue.name,
        kind="queue",
        since=samples[0].at,
        evidence=[
            fact(f"{count(depths[-1], 'message')} of priority {last}", "broker", depths[-1]),
            fact(f"none of them was taken for {span(lasted)}", "broker", round(lasted)),
            fact(f"{count(ahead[-1], 'message')} of other priorities go before them", "broker", ahead[-1]),
        ],
        fix="Give them a queue and a worker of their own, or add slots: `celery -A yourapp "
        f"worker -Q {queue.name}`.",
        actions=["peek"],
    )


def _last(queue: Queue) -> str:
    """The priority that runs last."""
    numbers = sorted(int(step) for step, number in queue.priorities.items() if number and step.isdigit())
    backwards = queue.first_priority not in (None, 0)
    return str(numbers[0] if backwards else numbers[-1]) if numbers else ""


def blind(seen: Snapshot) -> str | None:
    """It takes minutes to be told from a wave."""
    mixed = [queue for queue in seen.queues if len([n for n in queue.priorities.values() if n]) > 1]
    if mixed and seen.watched < seen.limits.starved:
        need = seen.limits.starved
        return f"Watched for {seen.watched:.0f} s, and starving needs {need:.0f}" + longer(need)
    if mixed and all(queue.out_rate is None for queue in mixed):
        return "How many messages are taken is told by events: start workers with -E."
    return None


MODE = Mode("priority-starvation", check, blind, lingers=4.0)
