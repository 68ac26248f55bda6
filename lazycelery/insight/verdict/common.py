"""What every verdict needs: who holds a task, whether that one lives, and the time of what is known."""

from __future__ import annotations

from msgspec.structs import replace

from lazycelery.insight.doctor.mode import short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import SAME, Flight, WorkerFacts
from lazycelery.model.task import Task
from lazycelery.model.verdict import Verdict

SETTLE = 0.25
"""Seconds after which a worker that was asked lists a task that had just begun."""


def as_of(seen: Snapshot) -> Snapshot:
    """While we are cut off, the moment when the broker answered last: what is known is as old as that."""
    return seen if seen.cut is None else replace(seen, now=min(seen.now, seen.cut))


def dated(verdict: Verdict, seen: Snapshot) -> None:
    """What was true when the broker answered last is told as that, and nothing is promised by it."""
    if seen.cut is not None:
        verdict.text = f"Not connected; {span(seen.now - seen.cut)} ago: {verdict.text}"
        verdict.until = None


def flight_of(task: Task, seen: Snapshot) -> Flight | None:
    """Its unacknowledged message, as the broker told it last."""
    messages = seen.flights.messages if seen.flights else []
    return next((flight for flight in messages if flight.id == task.id), None)


def holder_of(task: Task, seen: Snapshot) -> WorkerFacts | None:
    """The worker it was told to be at."""
    return next((facts for facts in seen.workers if facts.name == task.worker), None)


def is_gone(holder: WorkerFacts | None) -> bool:
    """Seen to stop, or lost while we listened; one that is only not heard is not gone."""
    return holder is not None and holder.worker.state == "offline"


def last_heard(holder: WorkerFacts | None, seen: Snapshot) -> str:
    """When it was last heard, where nobody tells of it now. While cut off all is told as it was then."""
    if holder is None or holder.worker.state != "unknown" or seen.cut is not None:
        return ""
    last = holder.worker.last_seen
    return " when that was last heard" + ("" if last is None else f", {span(seen.now - last)} ago")


def said_to_run(task: Task) -> bool:
    """Whether the result backend alone says that it runs: it keeps that a task began, and not that its
    worker died."""
    return task.state == "started" and task.sources.get("state") == "result"


def is_silent(facts: WorkerFacts, seen: Snapshot) -> bool:
    """It was asked and does not answer. While we are cut off no answer could reach us."""
    return facts.silent is not None and seen.cut is None


def on_worker(task: Task) -> str:
    """` on w1`, or nothing."""
    return f" on {short(task.worker)}" if task.worker else ""


def error_of(task: Task) -> str:
    """What it failed with, not too long."""
    return (task.error or "no reason was told")[:300].rstrip(".")


def took(seconds: float) -> str:
    """`250ms`, `7.25s`, `4m`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 60:
        return f"{seconds:.2f}s" if seconds < 10 else f"{seconds:.1f}s"
    return span(seconds)


def began_anew(holder: WorkerFacts, at: float | None) -> bool:
    """Whether its process is another one than that which took something at a moment."""
    return at is not None and holder.began is not None and at < holder.began - SAME


def which_try(task: Task) -> str:
    """` (try 3 after TimeoutError())`, where it failed before."""
    if not task.retries:
        return ""
    errors = [one.error for one in task.attempts if one.error and one.state == "retry"]
    after = f" after {errors[-1][:100].rstrip('.')}" if errors else ""
    return f" (try {task.retries + 1}{after})"
