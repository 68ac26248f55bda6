"""Where a task is, and why it is not done."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.insight.doctor.mode import count, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.verdict.common import as_of, dated, flight_of, holder_of
from lazycelery.insight.verdict.held import orphaned, received, scheduled
from lazycelery.insight.verdict.line import why_they_wait
from lazycelery.insight.verdict.run import ended, lost, retry, started, unknown
from lazycelery.model.finding import Finding
from lazycelery.model.moments import epoch
from lazycelery.model.states import FINISHED
from lazycelery.model.task import Task
from lazycelery.model.verdict import Verdict

ENDED = {state.label for state in FINISHED}


def of_task(task: Task, seen: Snapshot, findings: Sequence[Finding] = ()) -> Verdict:
    """Waiting for what, behind what, until when; running where; or how it ended."""
    verdict = Verdict(kind="task", subject=task.id, state=task.state, text="", at=seen.now)
    told = _BY_STATE.get(task.state, ended)(task, seen if task.state in ENDED else as_of(seen), verdict)
    verdict.text = told[0].upper() + told[1:] + "."
    if task.state not in ENDED:
        dated(verdict, seen)
    about = {task.id, task.queue, task.worker} - {None}
    verdict.findings = sorted({one.code for one in findings if one.subject in about})
    return verdict


def waiting(task: Task, seen: Snapshot, verdict: Verdict) -> str:
    """In a queue: behind what, or why nobody takes it."""
    flight = flight_of(task, seen)
    if "run-lost" in task.marks or (flight is not None and seen.cut is None and not holder_of(task, seen)):
        return orphaned(task, seen, verdict, flight)
    since = f" for {span(seen.now - task.sent)}" if task.sent else ""
    if task.queue is None:
        return f"waits{since} in a queue that no source names: it may be unrouted"
    queue = next((one for one in seen.queues if one.name == task.queue), None)
    told = f"waits in {task.queue}{since}"
    if queue is not None and (queue.messages or 0) > 1:
        told += f", one of {count(queue.messages or 0, 'message')}"
    expires = epoch(task.expires)
    if expires is not None and expires < seen.now:
        verdict.until = expires
        return f"{told}; it expired {span(seen.now - expires)} ago, and is dropped when its turn comes"
    if queue is None:
        return told
    workers = seen.consumers(queue.name) if task.name else []
    if workers and all(facts.registered and task.name not in facts.registered for facts in workers):
        return f"{told}; none of its workers knows {task.name}"
    return f"{told}; {why_they_wait(seen, queue, verdict)}"


_BY_STATE = {
    "waiting": waiting,
    "received": received,
    "scheduled": scheduled,
    "started": started,
    "retry": retry,
    "lost": lost,
    "unknown": unknown,
}
