"""Tasks that a worker holds and does not run: reserved, or kept until an ETA."""

from __future__ import annotations

from lazycelery.insight.doctor.message_orphaned import orphans
from lazycelery.insight.doctor.mode import count, fact, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.verdict.common import (
    began_anew,
    flight_of,
    holder_of,
    is_gone,
    is_silent,
    last_heard,
    on_worker,
    which_try,
)
from lazycelery.insight.verdict.left import left_behind
from lazycelery.insight.verdict.slots import is_full, none_free, runs
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.moments import epoch
from lazycelery.model.task import Task
from lazycelery.model.verdict import Verdict

SOON = 5.0
"""Seconds in which a worker with a free slot begins what it has reserved."""


def received(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    """Prefetched: behind what its worker runs."""
    holder, flight = holder_of(task, seen), flight_of(task, seen)
    at = task.received or (flight.delivered if flight is not None else None)
    since = f" for {span(seen.now - at)}" if at else ""
    told = f"reserved{on_worker(task)}{since}, not started{which_try(task)}"
    if holder is None and (seen.cut is not None or not seen.settled):
        return told
    if late := last_heard(holder, seen):
        return f"held by {short(task.worker)}{late}"
    if holder is None or is_gone(holder) or began_anew(holder, at) or _forgotten(task, seen):
        return left_behind(task, seen, verdict)
    return f"{told}{_behind(task, seen, verdict, holder, at)}{_revoked(task)}"


def _forgotten(task: Task, seen: Snapshot) -> bool:
    """Whether the broker restarted since, and it does not hold the message any more."""
    flight = flight_of(task, seen)
    if flight is None or seen.cut is not None or not seen.outlived(flight):
        return False
    return any(one.id == task.id for one in orphans(seen))


def _behind(task: Task, seen: Snapshot, verdict: Verdict, holder: WorkerFacts, at: float | None) -> str:
    slots = holder.worker.concurrency or 0
    if is_full(holder):
        verdict.evidence = [
            fact(f"{each.name} runs", "control", each.time_start) for each in holder.active or ()
        ]
        behind = len(holder.reserved or ())
        others = f"; it is one of {count(behind, 'reserved task')} there" if behind > 1 else ""
        silent = "; the worker answers nobody now" if is_silent(holder, seen) else ""
        what = f"{runs([holder], seen)}{none_free([holder], seen)}{others}{silent}"
        if slots == 1:
            return f": its only slot {what.replace('run', 'runs', 1)}"
        return f": its {slots:,} slots {what}"
    if is_silent(holder, seen):
        return ": the worker answers nobody now"
    if not slots or holder.worker.active is None:
        return ""
    if at and seen.now - at < SOON:
        return ": slots are free" + ("" if seen.cut is not None else ", it is about to")
    if rate := holder.rate_of(task.name):
        return f": its rate limit of {rate} keeps it back"
    return " although slots are free: a rate limit, perhaps"


def scheduled(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    """Held by a worker until its time."""
    holder, eta, flight = holder_of(task, seen), epoch(task.eta), flight_of(task, seen)
    verdict.until = eta
    at = task.received or (flight.delivered if flight is not None else None)
    if is_gone(holder) or (holder is not None and seen.cut is None and began_anew(holder, at)):
        return left_behind(task, seen, verdict)
    if late := last_heard(holder, seen):
        due = f"; its ETA is in {span(eta - seen.now)}" if eta is not None and eta > seen.now else ""
        return f"held by {short(task.worker)}{late}{due}"
    where = f" by {short(task.worker)}" if task.worker else ""
    if eta is None:
        return f"held{where} until its ETA" + (f" ({task.eta[:40]})" if task.eta else "")
    left = eta - seen.now
    if left <= 0:
        verdict.until = None
        return f"held{where}, {span(-left)} past its ETA{which_try(task)}{_revoked(task)}"
    told = f"held{where} until its ETA" + (f", in {span(left)}" if seen.cut is None else "") + which_try(task)
    # The timeout runs from the delivery on.
    if seen.redelivers and eta - (at or seen.now) > seen.visibility():
        timeout = span(seen.visibility())
        told += f"; that is beyond the visibility timeout ({timeout}): it will run more than once"
    return told + _revoked(task)


def _revoked(task: Task) -> str:
    return "; it is revoked, and dropped when its turn comes" if "revoke-flagged" in task.marks else ""
