"""Tasks that a worker holds and does not run: reserved, kept until an ETA, or left behind."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import count, fact, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.verdict.common import flight_of, holder_of, is_gone, is_silent, last_heard, on_worker
from lazycelery.insight.verdict.slots import is_full, none_free, runs
from lazycelery.model.facts import Flight
from lazycelery.model.moments import epoch
from lazycelery.model.task import Task
from lazycelery.model.verdict import Verdict

SOON = 5.0
"""Seconds in which a worker with a free slot begins what it has reserved."""


def received(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    """Prefetched: behind what its worker runs."""
    holder = holder_of(task, seen)
    since = f" for {span(seen.now - task.received)}" if task.received else ""
    told = f"reserved{on_worker(task)}{since}, not started"
    if holder is None and (seen.cut is not None or not seen.settled):
        return told
    if late := last_heard(holder, seen):
        return f"held by {short(task.worker)}{late}"
    if holder is None or is_gone(holder):
        return orphaned(task, seen, verdict, flight_of(task, seen))
    slots = holder.worker.concurrency or 0
    if is_full(holder):
        verdict.evidence = [
            fact(f"{each.name} runs", "control", each.time_start) for each in holder.active or ()
        ]
        behind = len(holder.reserved or ())
        others = f"; it is one of {count(behind, 'reserved task')} there" if behind > 1 else ""
        what = f"{runs([holder], seen)}{none_free([holder], seen)}{others}"
        if slots == 1:
            return f"{told}: its only slot {what.replace('run', 'runs', 1)}"
        return f"{told}: its {slots:,} slots {what}"
    if is_silent(holder, seen):
        return f"{told}: the worker answers nobody now"
    if not slots or holder.worker.active is None:
        return told
    if task.received and seen.now - task.received < SOON:
        return f"{told}: slots are free" + ("" if seen.cut is not None else ", it is about to")
    return f"{told} although slots are free: a rate limit, perhaps"


def scheduled(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    """Held by a worker until its time."""
    holder, eta = holder_of(task, seen), epoch(task.eta)
    verdict.until = eta
    if is_gone(holder):
        return orphaned(task, seen, verdict, flight_of(task, seen))
    if late := last_heard(holder, seen):
        due = f"; its ETA is in {span(eta - seen.now)}" if eta is not None and eta > seen.now else ""
        return f"held by {short(task.worker)}{late}{due}"
    where = f" by {short(task.worker)}" if task.worker else ""
    if eta is None:
        return f"held{where} until its ETA" + (f" ({task.eta[:40]})" if task.eta else "")
    left = eta - seen.now
    if left <= 0:
        return f"held{where}, {span(-left)} past its ETA"
    told = f"held{where} until its ETA" + (f", in {span(left)}" if seen.cut is None else "")
    if seen.redelivers and left > seen.visibility():
        timeout = span(seen.visibility())
        told += f"; that is beyond the visibility timeout ({timeout}): it will run more than once"
    return told


def orphaned(task: Task, seen: Snapshot, verdict: Verdict, flight: Flight | None) -> str:
    """Its worker is gone; whether and when its message comes back."""
    holder = holder_of(task, seen)
    if holder is not None and holder.worker.state == "unknown":
        return f"held by {short(task.worker)}{last_heard(holder, seen)}"
    who = short(task.worker) if task.worker else "a worker"
    if not seen.redelivers or (seen.flights is None and seen.gives_back):
        return f"held by {who}, which is gone. {seen.gives_back}".rstrip(". ")
    if flight is None:
        return f"held by {who}, which is gone; where its message is, is not known"
    delivered = flight.delivered or seen.now
    verdict.until = delivered + seen.visibility()
    verdict.evidence.append(fact("its message is unacknowledged, held by nobody", "broker", delivered))
    left = verdict.until - seen.now
    due = f" in about {span(left)}" if left > 0 else " at the next sweep of a worker"
    when = due if seen.cut is None else ""
    runs = "" if seen.alive or seen.unheard else ", once a worker runs"
    who = who if task.worker else "its worker"
    return f"orphaned: {who} is gone, and its message comes back to {flight.queue}{when}{runs}"
