"""A task runs twice at once, or will be delivered again while it still runs."""

from __future__ import annotations

from collections import defaultdict

from lazycelery.insight.doctor.mode import Mode, fact, fresh, listed, short, short_id, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Finding
from lazycelery.model.reports import TaskReport

SOON = 0.8
"""Share of the visibility timeout from which on it is forecast."""


def check(seen: Snapshot) -> list[Finding]:
    """One finding a task."""
    if not seen.connected:
        return []
    running: dict[str, list[TaskReport]] = defaultdict(list)
    for facts in seen.alive:
        if fresh(facts, "active", seen.now, 30):
            for task in facts.active or ():
                running[task.id].append(task)
    twice = [_twice(key, tasks) for key, tasks in running.items() if len({t.worker for t in tasks}) > 1]
    return twice + _forecasts(seen, running)


def _twice(id: str, tasks: list[TaskReport]) -> Finding:
    workers = [short(task.worker) for task in tasks]
    starts = [task.time_start for task in tasks if task.time_start is not None]
    return Finding(
        code="duplicate-delivery",
        severity="critical",
        title=f"{tasks[0].name or 'A task'}[{short_id(id)}] runs twice at once: on {' and '.join(workers)}.",
        subject=id,
        cause=tasks[0].name or "",
        kind="task",
        since=max(starts, default=None),
        evidence=[fact(f"{short(task.worker)} runs it", "control", task.time_start) for task in tasks],
        fix="Terminate one of them; set visibility_timeout in broker_transport_options above the "
        "longest task.",
        actions=["terminate"],
    )


def _forecasts(seen: Snapshot, running: dict[str, list[TaskReport]]) -> list[Finding]:
    timeout = seen.visibility()
    found = []
    for flight in seen.flights.messages if seen.flights is not None and seen.redelivers else ():
        tasks = running.get(flight.id or "")
        if not tasks or flight.delivered is None or seen.now - flight.delivered < SOON * timeout:
            continue
        if seen.now - (seen.flights.at if seen.flights else 0.0) > 15:
            continue
        age = seen.now - flight.delivered
        left = max(0.0, timeout - age)
        found.append(
            Finding(
                code="duplicate-delivery",
                severity="warning",
                title=f"{flight.task or 'A task'}[{short_id(flight.id or '')}] will be delivered "
                "again while it "
                f"runs on {listed([short(task.worker) for task in tasks])}.",
                subject=flight.id or "",
                cause=flight.task or "",
                kind="task",
                since=flight.delivered + SOON * timeout,
                evidence=[
                    fact(f"delivered {span(age)} ago and not acknowledged", "broker", flight.delivered),
                    fact(f"the visibility timeout is {span(timeout)}", "control", timeout),
                    fact(f"{span(left)} are left", "inferred", round(left, 1)),
                ],
                fix=f"Set broker_transport_options = {{'visibility_timeout': {_enough(age)}}}: it "
                "must be longer than the "
                "longest task with acks_late.",
            )
        )
    return found


def _enough(age: float) -> int:
    return max(3600, int(2 * age // 3600 + 1) * 3600)


MODE = Mode("duplicate-delivery", check, patience=1.0, lingers=4.0)
