"""A message is delivered again and again: it kills whoever takes it, or is given back each time."""

from __future__ import annotations

from lazycelery.insight.advice import act_on_task
from lazycelery.insight.doctor.mode import Mode, fact, short, short_id
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding a task."""
    if not seen.connected:
        return []
    return [
        Finding(
            code="poison-message",
            severity="critical",
            title=f"{task.name or 'A task'}[{short_id(task.id)}] is delivered again and again.",
            subject=task.id,
            cause=task.name or "",
            kind="task",
            evidence=[
                fact(
                    f"{task.attempts:,} deliveries, {task.retries:,} of them retries", "event", task.attempts
                ),
                fact(f"the last on {short(task.worker)}", "event"),
                fact(f"in {task.queue}", "event") if task.queue else fact("its queue is not known", "event"),
            ],
            fix=f"Revoke it ({act_on_task('revoke', short_id(task.id))}), then mend it; "
            "on RabbitMQ a quorum queue with x-delivery-limit gives up by itself.",
            actions=["revoke"],
        )
        for task in seen.tasks.again
    ]


def blind(seen: Snapshot) -> str | None:
    """Only events tell each delivery."""
    if seen.alive and all(facts.worker.events is False for facts in seen.alive):
        return "Workers send no task events. Start them with -E."
    return None


MODE = Mode("poison-message", check, blind, lingers=3.0)
