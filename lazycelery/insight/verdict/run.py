"""Tasks that run, that ended, or of which nobody knows whether they did."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import fact, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.verdict.common import (
    error_of,
    holder_of,
    is_gone,
    is_silent,
    last_heard,
    on_worker,
    took,
)
from lazycelery.model.moments import epoch
from lazycelery.model.task import Task, next_try
from lazycelery.model.verdict import Verdict


def started(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    """Where, for how long, against which limit."""
    holder = holder_of(task, seen)
    if holder is not None and holder.worker.lost:
        stopped = holder.worker.stopped
        ago = "" if stopped is None else f" {span(seen.now - stopped)} ago"
        return f"ran{on_worker(task)} when that was lost{ago}; whether it ended is not known"
    if holder is not None and is_gone(holder):
        stopped = holder.worker.stopped
        why = holder.worker.why if stopped is None else f"stopped {span(seen.now - stopped)} ago"
        return f"ran{on_worker(task)}, which is gone: {why or 'it stopped'}"
    if late := last_heard(holder, seen):
        return f"ran{on_worker(task)}{late}; whether it ended is not known"
    age = None if task.started is None else max(0.0, seen.now - task.started)
    told = f"runs{on_worker(task) or ' on a worker that nobody named'}" + (
        f", process {task.pid}" if task.pid else ""
    )
    told += f", for {span(age)}" if age is not None else ""
    conf = (holder.conf if holder else None) or {}
    limit = conf.get("task_time_limit")
    if isinstance(limit, (int, float)) and not isinstance(limit, bool) and limit and age is not None:
        verdict.until = (task.started or seen.now) + limit
        ends = f" ends it in {span(max(0.0, limit - age))}"
        told += f"; its time limit of {span(limit)}{ends if seen.cut is None else ' ends it'}"
    elif holder is not None and holder.conf is not None:
        told += "; its worker sets no time limit"
    usual = next((one for one in seen.tasks.running if one.id == task.id), None)
    if usual is not None and usual.usual is not None and usual.runs >= seen.limits.stalled_runs:
        told += f"; 95% of its kind take less than {usual.usual:.2g} s"
        verdict.evidence.append(fact(f"from {usual.runs:,} runs", "event", usual.usual))
    if holder is not None and is_silent(holder, seen):
        told += "; the worker answers nobody now"
    return told


def retry(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    """Failed with what, and when it is tried again."""
    eta = epoch(task.eta)
    verdict.until = eta
    when = f" in {span(eta - seen.now)}" if eta is not None and eta > seen.now and seen.cut is None else ""
    number = next_try(task)
    which = f" (try {number})" if number is not None else ""
    return f"failed{on_worker(task)} with {error_of(task)}, and is tried again{when}{which}"


def lost(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    """Its worker is gone, and so is its message."""
    verdict.actions = ["retry"]
    who = f"{short(task.worker)}, which ran it," if task.worker else "the worker that ran it"
    return f"lost: {who} is gone, and its message is nowhere; nobody will run it again"


def unknown(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    """Heard of, and nobody tells more."""
    if "ended-unseen" in task.marks:
        return "it ended, and nobody told how: neither an event nor a result"
    return "it was heard of, and no source tells where it is now"


def ended(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    """How, where and when it ended."""
    after = f" after {took(task.runtime)}" if task.runtime is not None else ""
    ago = f", {span(max(0.0, seen.now - task.finished))} ago" if task.finished else ""
    if task.state == "success":
        return f"succeeded{on_worker(task)}{after}{ago}"
    if task.state == "failure":
        return f"failed{on_worker(task)}{after}{ago}: {error_of(task)}"
    if task.state == "rejected":
        return f"rejected{on_worker(task)}{ago}: its worker gave the message back or threw it away"
    if "expired" in task.marks:
        return f"dropped{on_worker(task)}{ago}: it had expired before it could begin"
    how = "terminated while it ran" if "terminated" in task.marks else "revoked"
    return f"{how}{on_worker(task)}{ago}"
