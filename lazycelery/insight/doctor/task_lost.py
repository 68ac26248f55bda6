"""A task ended with its worker, and nothing brings it back."""

from __future__ import annotations

from lazycelery.insight.advice import act_on_task
from lazycelery.insight.doctor.mode import Mode, fact, listed, short, short_id
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import TaskSeen
from lazycelery.model.finding import Finding
from lazycelery.store.lost import PATIENCE as NEEDS


def check(seen: Snapshot) -> list[Finding]:
    """One finding a lost task, until it is sent again; of the last hour. Of very many some of each worker."""
    if not seen.connected:
        return []
    beyond = dict(seen.tasks.lost_beyond)
    found = [_finding(task, beyond.pop(task.worker, 0), bool(seen.replay)) for task in seen.tasks.lost]
    if found:  # Of workers none of whose tasks is named.
        found[-1].beyond += sum(beyond.values())
    return found


def _finding(task: TaskSeen, beyond: int, recorded: bool) -> Finding:
    worker = short(task.worker)
    early = fact("its message is not among the unacknowledged ones: it was acknowledged early", "broker")
    return Finding(
        code="task-lost",
        severity="critical",
        title=f"{task.name or 'A task'}[{short_id(task.id)}] is lost: it ran on {worker}, which is gone.",
        subject=task.id,
        beyond=beyond,
        cause=task.name or "",
        follows=[task.worker] if task.worker else [],
        kind="task",
        since=task.since,
        evidence=[
            fact(f"it had started on {worker}, and no end was told", "event"),
            fact(f"{worker} is gone since then", "event", task.since),
            *([] if recorded else [early]),
        ],
        fix=f"Send it again ({act_on_task('retry', short_id(task.id))}); with acks_late=True and "
        "task_reject_on_worker_lost = True it would come back by itself.",
        actions=["retry"],
    )


def blind(seen: Snapshot) -> str | None:
    """What the result backend alone says to run may have been lost before anybody watched."""
    if seen.watched >= NEEDS:
        return None
    runs = {facts.name: {one.id for one in facts.active} for facts in seen.alive if facts.active is not None}
    told = [
        one for one in seen.tasks.running if one.said and one.id not in runs.get(one.worker or "", {one.id})
    ]
    if not told:
        return None
    named = listed([f"{one.name or 'a task'}[{short_id(one.id)}]" for one in told])
    were, it = ("was", "it was") if len(told) == 1 else ("were", "they were")
    return (
        f"Watched for {seen.watched:.0f} s. {named} began, as the result backend tells, and {were} not among "
        f"what the worker runs: nobody saw whether {it} lost before."
    )


MODE = Mode("task-lost", check, blind)
