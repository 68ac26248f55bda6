"""Where a task is, and why it is not done."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.insight.doctor.mode import agreed, count, listed, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.verdict.common import as_of, dated, flight_of, holder_of, which_try
from lazycelery.insight.verdict.held import received, scheduled
from lazycelery.insight.verdict.left import left_behind
from lazycelery.insight.verdict.line import why_they_wait
from lazycelery.insight.verdict.run import ended, lost, retry, started, unknown
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Finding
from lazycelery.model.moments import epoch
from lazycelery.model.queue import Queue
from lazycelery.model.states import FINISHED
from lazycelery.model.task import Task
from lazycelery.model.verdict import Verdict

ENDED = {state.label for state in FINISHED}


def of_task(task: Task, seen: Snapshot, findings: Sequence[Finding] = ()) -> Verdict:
    """Waiting for what, behind what, until when; running where; or how it ended."""
    verdict = Verdict(kind="task", subject=task.id, state=task.state, text="", at=seen.now)
    then = seen if task.state in ENDED else as_of(seen)
    if task.state == "waiting":
        told = waiting(task, then, verdict, findings)
    else:
        told = _BY_STATE.get(task.state, ended)(task, then, verdict)
    verdict.text = told[0].upper() + told[1:] + "."
    if task.state not in ENDED:
        dated(verdict, seen)
    about = {task.id, task.queue, task.worker} - {None}
    verdict.findings = sorted({one.code for one in findings if one.subject in about})
    return verdict


def waiting(task: Task, seen: Snapshot, verdict: Verdict, findings: Sequence[Finding] = ()) -> str:
    """In a queue: behind what, or why nobody takes it."""
    if "run-lost" in task.marks or (flight_of(task, seen) is not None and not holder_of(task, seen)):
        return left_behind(task, seen, verdict)
    since = f" for {span(seen.now - task.sent)}" if task.sent else ""
    if task.queue is None:
        return f"waits{since} in a queue that no source names: it may be unrouted"
    queue = next((one for one in seen.queues if one.name == task.queue), None)
    told = f"waits in {task.queue}{since}{which_try(task)}"
    if queue is not None and (queue.messages or 0) > 1:
        told += f", one of {count(queue.messages or 0, 'message')}{_ahead(task, queue)}"
    if "revoke-flagged" in task.marks:
        told += "; it is revoked, and dropped when its turn comes"
    eta = epoch(task.eta)
    if eta is not None and eta > seen.now and seen.cut is None:
        told += f"; its ETA is in {span(eta - seen.now)}"
    expires = epoch(task.expires)
    if expires is not None and expires < seen.now:
        told += f"; it expired {span(seen.now - expires)} ago, and is dropped when its turn comes"
    if queue is None:
        return told
    if queue.messages is None and queue.error:
        return f"{told}; how much waits there is not known: {queue.error.rstrip('.')}"
    workers = seen.consumers(queue.name) if task.name else []
    if workers and all(facts.registered and task.name not in facts.registered for facts in workers):
        return f"{told}; {_unknown(task.name or '', workers, seen)}"
    told = f"{told}; {why_they_wait(seen, queue, verdict, findings=findings)}"
    if expires is not None and expires >= seen.now and seen.cut is None:
        verdict.until = min(expires, verdict.until or expires)
        told += f"; it expires in {span(expires - seen.now)}"
    return told


def _unknown(name: str, workers: Sequence[WorkerFacts], seen: Snapshot) -> str:
    """Who did not tell what it takes may know the name."""
    untold = [short(facts.name) for facts in seen.alive if facts.queues is None]
    if not untold:
        return f"none of its workers knows {name}"
    names = listed([short(facts.name) for facts in workers])
    takes = "it takes" if len(untold) == 1 else "they take"
    return f"{names} {agreed(len(workers), 'do')} not know {name}, {listed(untold)} did not tell what {takes}"


def _ahead(task: Task, queue: Queue) -> str:
    """How many go before it for their priority."""
    if task.priority is None or len(queue.priorities) < 2:
        return ""
    waiting = {int(step): number for step, number in queue.priorities.items() if step.isdecimal()}
    own = max((step for step in waiting if step <= task.priority), default=task.priority)
    highest = queue.first_priority is not None
    ahead = sum(number for step, number in waiting.items() if (step > own if highest else step < own))
    return f", {ahead:,} of them before it by priority" if ahead else ""


_BY_STATE = {
    "received": received,
    "scheduled": scheduled,
    "started": started,
    "retry": retry,
    "lost": lost,
    "unknown": unknown,
}
