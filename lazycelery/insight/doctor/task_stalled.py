"""A task runs far longer than its kind does."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, fact, short, short_id, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import TaskSeen
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding a task."""
    if not seen.connected:
        return []
    workers = {facts.name: facts for facts in seen.workers}
    found = []
    for task in seen.tasks.running:
        facts = workers.get(task.worker or "")
        if task.since is None or facts is None or not facts.alive:
            continue
        age = seen.now - task.since + (facts.worker.clock_skew or 0.0)
        if age > _too_long(seen, task):
            found.append(_finding(task, age, facts.conf or {}))
    return found


def _too_long(seen: Snapshot, task: TaskSeen) -> float:
    limits = seen.limits
    if task.usual is None or task.runs < limits.stalled_runs:
        return limits.stalled
    return max(limits.stalled_least, limits.stalled_times * task.usual)


def _finding(task: TaskSeen, age: float, conf: dict[str, object]) -> Finding:
    evidence = [fact(f"it runs on {short(task.worker)} for {span(age)}", "event", round(age, 1))]
    if task.usual is not None:
        told = f"95% of {task.runs:,} runs of {task.name} took less than {task.usual:.2g} s"
        evidence.append(fact(told, "event", round(task.usual, 3)))
    limit = conf.get("task_time_limit") or conf.get("task_soft_time_limit")
    if limit is None:
        evidence.append(fact("its worker sets no task_time_limit", "control"))
    else:
        evidence.append(fact(f"its worker's time limit is {limit} s", "control"))
    much = f", {age / task.usual:,.0f} times its usual" if task.usual and task.runs >= 20 else ""
    return Finding(
        code="task-stalled",
        severity="warning",
        title=f"{task.name or 'A task'}[{short_id(task.id)}] runs on {short(task.worker)} for "
        f"very long{much}.",
        subject=task.id,
        cause=task.name or "",
        kind="task",
        since=task.since,
        evidence=evidence,
        fix="Look at its stack (`py-spy dump`), then terminate it; set time_limit and "
        "soft_time_limit on the task, "
        "and timeouts on what it calls.",
        actions=["terminate"],
    )


MODE = Mode("task-stalled", check)
