"""More comes in than goes out: a queue grows, steadily, or is hours behind."""

from __future__ import annotations

import math
from statistics import mean

from lazycelery.insight.advice import longer, more_slots
from lazycelery.insight.doctor.mode import Mode, count, fact, span
from lazycelery.insight.doctor.snapshot import SAMPLE_EVERY, QueueSample, Snapshot
from lazycelery.model.finding import Finding
from lazycelery.model.queue import Queue
from lazycelery.store.queues import RATE_WINDOW

CHANCE = 1.65
"""Standard deviations by which chance may have let fewer be taken than usual."""
MEASURED = 15.0
"""Seconds for which there must be enough to take, before the rate at which it is taken tells anything."""


def check(seen: Snapshot) -> list[Finding]:
    """One finding a queue that grew through all of the last minutes, or will not be worked off in time."""
    if not seen.settled or not seen.connected:
        return []
    found = []
    for queue in seen.queues:
        if (queue.messages or 0) >= seen.limits.growth_least and queue.consumers != 0:
            whole, most = (
                seen.history.queue_over(queue.name, seen.now - part * seen.limits.growth) for part in (1, 0.8)
            )
            samples = whole or most
            behind = _behind(seen, queue)
            if _grows(seen, samples):
                found.append(_finding(queue, samples))
            elif behind is not None:
                found.append(_far_behind(queue, *behind))
    return found


def _behind(seen: Snapshot, queue: Queue) -> tuple[float, float] | None:
    """Since when a queue is further behind than the limit, and how many messages a second are taken.

    Only what was taken while there was enough to take counts, and few of them may be so few by chance.
    """
    samples = seen.history.queue(queue.name, seen.now - RATE_WINDOW - SAMPLE_EVERY)
    shallow = [at for at, sample in enumerate(samples) if sample.messages < seen.limits.growth_least]
    deep = samples[shallow[-1] + 1 :] if shallow else samples
    if not deep or seen.now - deep[0].at < MEASURED or queue.messages is None or not queue.out_rate:
        return None
    window = min(RATE_WINDOW, max(seen.watched, MEASURED))
    # It became so deep between two samples.
    seconds = min(window, seen.now - (samples[shallow[-1]].at + deep[0].at) / 2) if shallow else window
    if queue.sources.get("out_rate") == "broker":
        rates = [queue.out_rate, *(sample.taken for sample in deep if sample.taken is not None)]
        taken = mean(rates) * seconds  # Each tells of some five seconds.
    else:
        taken = queue.out_rate * window
    likely = taken + CHANCE * math.sqrt(taken) + 2
    left = min(queue.messages * seconds / likely, queue.drain_time or math.inf)
    return (deep[0].at, taken / seconds) if left >= seen.limits.drain else None


def blind(seen: Snapshot) -> str | None:
    """Growth takes time to be told from a wave."""
    deep = [queue for queue in seen.queues if (queue.messages or 0) >= seen.limits.growth_least]
    if deep and seen.watched < seen.limits.growth * 0.9:
        need = seen.limits.growth
        return f"Watched for {seen.watched:.0f} s, and growth needs {need:.0f}" + longer(need, seen.replay)
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


def _far_behind(queue: Queue, since: float, rate: float) -> Finding:
    messages = queue.messages or 0
    drain = messages / rate
    source = queue.sources.get("out_rate", "event")
    evidence = [
        fact(f"{count(messages, 'message', does='wait')}", "broker", messages),
        fact(f"{rate:.2g} a second are taken", source, round(rate, 3)),
        fact(f"a message sent now waits {span(drain)}", "inferred", round(drain, 1)),
    ]
    if queue.in_rate is not None:
        evidence.append(fact(f"{queue.in_rate:.2g} a second come", source, round(queue.in_rate, 3)))
    return Finding(
        code="backlog-growing",
        severity="warning",
        title=f"{queue.name} is {span(drain)} behind: {count(messages, 'message', does='wait')}.",
        subject=queue.name,
        kind="queue",
        since=since,
        evidence=evidence,
        fix=f"{more_slots(queue.name)}.",
        actions=["peek", "consumers", "hold"],
    )


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
        since=max(sample.at for sample in samples if sample.messages <= samples[0].messages),
        evidence=evidence,
        fix=f"{more_slots(queue.name)}.",
        actions=["peek", "consumers", "hold"],
    )


MODE = Mode("backlog-growing", check, blind, lingers=5.0)
