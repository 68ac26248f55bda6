"""Tasks that run, that ended, or of which nobody knows whether they did."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import agreed, fact, short, span
from lazycelery.insight.doctor.results_off import NONE
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.verdict.common import (
    SETTLE,
    began_anew,
    error_of,
    holder_of,
    is_gone,
    is_silent,
    last_heard,
    on_worker,
    said_to_run,
    took,
    which_try,
)
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.moments import epoch
from lazycelery.model.task import Task, next_try
from lazycelery.model.verdict import Verdict

UNLIMITED = ("solo", "threads", "eventlet")
"""Pools that end no task for its time."""


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
    if holder is not None and said_to_run(task) and _does_not_run(holder, task, seen):
        return _began_only(task, holder, seen)
    age = None if task.started is None else max(0.0, seen.now - task.started)
    told = f"runs{on_worker(task) or ' on a worker that nobody named'}" + (
        f", process {task.pid}" if task.pid else ""
    )
    told += f", for {span(age)}" if age is not None else ""
    if task.redelivered or "delivered-again" in task.marks:
        told += ", after its message was delivered again"
    told += which_try(task) + _limit(task, seen, verdict, holder, age)
    usual = next((one for one in seen.tasks.running if one.id == task.id), None)
    if usual is not None and usual.usual is not None and usual.runs >= seen.limits.stalled_runs:
        told += f"; 95% of its kind take less than {usual.usual:.2g} s"
        verdict.evidence.append(fact(f"from {usual.runs:,} runs", "event", usual.usual))
    if holder is not None and is_silent(holder, seen):
        told += "; the worker answers nobody now"
    return told


def _does_not_run(holder: WorkerFacts, task: Task, seen: Snapshot) -> bool:
    """Whether its worker told since then all that it runs, and not this task."""
    if holder.active is None or not holder.alive or is_silent(holder, seen):
        return False
    told = holder.at.get("active", 0.0) > (task.seen or seen.now) + SETTLE / 2
    return told and all(one.id != task.id for one in holder.active)


def _began_only(task: Task, holder: WorkerFacts, seen: Snapshot) -> str:
    """The backend says so, and its worker does not run it."""
    ago = f" {span(seen.now - task.started)} ago" if task.started is not None else ""
    process = f", process {task.pid}" if task.pid else ""
    who, processes = short(task.worker), holder.worker.processes
    earlier = began_anew(holder, task.started) or bool(task.pid and processes and task.pid not in processes)
    lost = "it was probably lost with an earlier process of that worker" if earlier else "nobody saw it end"
    return (
        f"began{on_worker(task)}{process}{ago}, as the result backend tells, and {who} answers and does not "
        f"run it: {lost}"
    )


def _limit(
    task: Task, seen: Snapshot, verdict: Verdict, holder: WorkerFacts | None, age: float | None
) -> str:
    """The time limits of its name, else of its worker, and when they end it."""
    if holder is None or holder.conf is None or age is None:
        return ""
    own = holder.limits.get(task.name or "")
    hard = _seconds(own.hard if own else None) or _seconds(holder.conf.get("task_time_limit"))
    soft = _seconds(own.soft if own else None) or _seconds(holder.conf.get("task_soft_time_limit"))
    if not hard and not soft:
        return "; its worker sets no time limit"
    if holder.worker.pool in UNLIMITED:
        return f"; time limits do not hold in a pool of {holder.worker.pool}"
    told = ""
    if soft and (not hard or age < soft):
        acts = f" raises in it in {span(soft - age)}" if age < soft else f" was over {span(age - soft)} ago"
        told += f"; its soft time limit of {span(soft)}{acts if seen.cut is None else ''}"
    if hard:
        verdict.until = (task.started or seen.now) + hard
        ends = f" ends it in {span(max(0.0, hard - age))}"
        told += f"; its time limit of {span(hard)}{ends if seen.cut is None else ' ends it'}"
    return told


def _seconds(value: object) -> float | None:
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
    return float(value) if numeric else None  # type: ignore[arg-type]


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
    holder = holder_of(task, seen)
    again = holder is not None and not is_gone(holder) and holder.worker.state != "unknown"
    who = f"{short(task.worker)}, which ran it," if task.worker else "the worker that ran it"
    how = "began anew" if again else "is gone"
    return f"lost: {who} {how}, and its message is nowhere; nobody will run it again"


def unknown(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    """Heard of, and nobody tells more."""
    holder = holder_of(task, seen)
    if holder is not None and "ended-unseen" in task.marks and began_anew(holder, task.started):
        return (
            f"ran{on_worker(task)}, which began anew since: it was probably lost with it, and nobody saw that"
        )
    if "ended-unseen" in task.marks:
        return f"it ended, and nobody told how: {_unheard(task, seen)}"
    return "it was heard of, and no source tells where it is now"


def _unheard(task: Task, seen: Snapshot) -> str:
    """Why neither an event nor a result told how it ended, and the settings that would."""
    holder = holder_of(task, seen)
    asked = [holder] if holder is not None else seen.alive
    if not asked or any(facts.worker.events is not False for facts in asked):
        return "neither an event nor a result (so ends a task that raised Ignore)"
    who, it = (short(holder.name), "it") if holder is not None else ("its workers", "them")
    mute = f"{who} {agreed(len(asked), 'send')} no task events (start {it} with -E"
    confs = [facts.conf for facts in asked if facts.conf is not None]
    backends = [conf for conf in confs if conf.get("result_backend") not in NONE]
    if confs and not backends and seen.source("results").state != "connected":
        return f"{mute}, or set worker_send_task_events), and keeps no results (set result_backend)"
    return f"{mute}, or set worker_send_task_events), and no result of it is known"


def ended(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    """How, where and when it ended."""
    after = f" after {took(task.runtime)}" if task.runtime is not None else ""
    ago = f", {span(max(0.0, seen.now - task.finished))} ago" if task.finished else ""
    if task.state == "success":
        return f"succeeded{on_worker(task)}{after}{ago}"
    if task.never_ran is not None:
        return (
            f"never ran: {task.never_ran[:8]}, a step before it, failed, and Celery calls this one failed too"
        )
    if task.state == "failure" and not (task.error or "").startswith("Reject("):
        return f"failed{on_worker(task)}{after}{ago}: {error_of(task)}"
    if task.state in ("failure", "rejected"):
        return f"rejected{on_worker(task)}{ago}: {_thrown(task, seen)}"
    if "expired" in task.marks:
        return f"dropped{on_worker(task)}{ago}: it had expired before it could begin"
    if "terminated" in task.marks:
        return f"terminated while it ran{on_worker(task)}{ago}"
    before = "" if task.received or task.started else "; a worker that heard of it drops its message"
    return f"revoked{on_worker(task)}{ago}{before}"


def _thrown(task: Task, seen: Snapshot) -> str:
    """What became of the message of a task that was rejected."""
    queue = seen.lines.get(task.queue or "")
    if queue is not None and queue.dead_letter_to:
        return f"its message goes to {queue.dead_letter_to}, unless it was given back to {queue.name}"
    return "its worker gave the message back or threw it away"
