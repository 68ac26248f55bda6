"""A worker holds a task until an ETA that is later than its message stays its own."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, count, fact, short, short_id, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Finding
from lazycelery.model.moments import epoch


def check(seen: Snapshot) -> list[Finding]:
    """One finding a worker."""
    if not seen.connected or not seen.redelivers:
        return []
    timeout = seen.visibility()
    delivered = {flight.id: flight.delivered for flight in seen.flights.messages} if seen.flights else {}
    found = []
    for facts in seen.alive:
        due = {task.id: (epoch(task.eta), task.name) for task in facts.scheduled or ()}
        due |= {task.id: (task.eta, task.name) for task in seen.tasks.scheduled if task.worker == facts.name}
        late = [
            (eta, key, name)
            for key, (eta, name) in due.items()
            if eta is not None
            and eta - (delivered.get(key) or seen.now) > timeout
            and not seen.revoked(key)  # It is dropped, as often as it comes.
        ]
        if late:
            found.append(_finding(seen, facts, sorted(late, key=lambda one: -one[0]), timeout))
    return found


def _finding(
    seen: Snapshot, facts: WorkerFacts, late: list[tuple[float, str, str | None]], timeout: float
) -> Finding:
    last, key, name = late[0]
    away = last - seen.now
    need = int(max(away, timeout) // 3600 + 2) * 3600
    return Finding(
        code="eta-beyond-visibility",
        severity="warning",
        title=f"{short(facts.name)} holds {count(len(late), 'task')} until later than the "
        "visibility timeout: "
        "they will be delivered again, and run more than once.",
        subject=facts.name,
        kind="worker",
        related=[one[1] for one in late[:100]],
        evidence=[
            fact(f"{name or 'a task'}[{short_id(key)}] is due in {span(away)}", "control", last),
            fact(f"the visibility timeout is {span(timeout)}", "control", timeout),
            fact(f"{count(len(late), 'scheduled task', does='lie')} beyond it", "control", len(late)),
        ],
        fix=f"Set broker_transport_options = {{'visibility_timeout': {need}}} for workers and "
        "senders, or keep "
        "far tasks in a database and let beat send them.",
        actions=["revoke"],
    )


MODE = Mode("eta-beyond-visibility", check)
