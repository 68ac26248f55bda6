"""More comes in than goes out: a queue grows, steadily."""

from __future__ import annotations

from statistics import mean

from lazycelery.insight.advice import longer, more_slots
from lazycelery.insight.doctor.mode import Mode, count, fact, span
from lazycelery.insight.doctor.snapshot import QueueSample, Snapshot
from lazycelery.model.finding import Finding
from lazycelery.model.queue import Queue


def check(seen: Snapshot) -> list[Finding]:
    """One finding a queue that grew through all of the last minutes."""
    if not seen.settled or not seen.connected:
        return []
    found = []
    for queue in seen.queues:
        if (queue.messages or 0) >= seen.limits.growth_least and queue.consumers != 0:
            whole, most = (
                seen.history.queue_over(queue.name, seen.now - part * seen.limits.growth) for part in (1, 0.8)
            )
            samples = whole or most
            if _grows(seen, samples):
                found.append(_finding(queue, samples))
    return found


def blind(seen: Snapshot) -> str | None:
    """Growth takes time to be told from a wave."""
    deep = [queue for queue in seen.queues if (queue.messages or 0) >= seen.limits.growth_least]
    if deep and seen.watched < seen.limits.growth * 0.9:
        need = seen.limits.growth
        return f"Watched for {seen.watched:.0f} s, and growth needs {need:.0f}" + longer(need)
    return None


def _grows(seen: Snapshot, samples: list[QueueSample]) -> bool:
    if len(samples) < 3:
        return False
    third = len(samples) // 3
    depths = [sample.messages for sample in samples]
    first, second, last = mean(depths[:third]), mean(depths[third:-third]), mean(depths[-third:])
    rise = depths[-1] - depths[0]
    # A wave that is being worked off rose too: what grows is still at its height.
    risen = first < second < last <= depths[-1]
    return risen and rise >= max(seen.limits.growth_least, 0.1 * depths[0])


def _finding(queue: Queue, samples: list[QueueSample]) -> Finding:
    messages = queue.messages or 0
    lasted = samples[-1].at - samples[0].at
    growth = (samples[-1].messages - samples[0].messages) / lasted
    evidence = [
        fact(f"from {samples[0].messages:,} to {messages:,} in {span(lasted)}", "broker", messages),
        fact(f"it grows by {growth:.1f} messages a second", "broker", round(growth, 2)),
    ]
    if queue.in_rate is not None and queue.out_rate is not None:
        source = queue.sources.get("in_rate", "event")
        evidence.append(fact(f"{queue.in_rate:.1f}/s come, {queue.out_rate:.1f}/s go", source))
    if queue.out_rate:
        drain = messages / queue.out_rate
        told = f"a message sent now waits {span(drain)}; if nothing more came, it would be empty by then"
        evidence.append(fact(told, "inferred", round(drain, 1)))
    workers = len(queue.workers)
    if workers:
        evidence.append(fact(f"{count(workers, 'worker', does='consume')} it", "control", workers))
    return Finding(
        code="backlog-growing",
        severity="warning",
        title=f"{queue.name} grows by {growth:.1f} messages a second.",
        subject=queue.name,
        kind="queue",
        since=samples[0].at,
        evidence=evidence,
        fix=f"{more_slots(queue.name)}.",
        actions=["peek", "consumers", "hold"],
    )


MODE = Mode("backlog-growing", check, blind, lingers=15.0)
