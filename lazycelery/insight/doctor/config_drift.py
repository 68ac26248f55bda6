"""Workers of one queue have different settings: what a task does depends on who takes it."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from lazycelery.insight.doctor.mode import Mode, fact, listed, short
from lazycelery.insight.doctor.results_off import blind
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Finding

COMPARED = (
    *("task_acks_late", "task_acks_on_failure_or_timeout", "task_reject_on_worker_lost"),
    *("task_time_limit", "task_soft_time_limit", "task_ignore_result", "task_track_started"),
    *("task_serializer", "result_serializer", "accept_content", "result_expires", "result_extended"),
    *("task_default_queue", "timezone", "enable_utc", "worker_prefetch_multiplier"),
)
"""Settings that change what becomes of a task, none of them a secret."""
UNSET = object()


def check(seen: Snapshot) -> list[Finding]:
    """One finding for each set of workers that share a queue and differ."""
    found: dict[tuple[str, ...], Finding] = {}
    for queue in sorted(seen.taken_by):
        told = [facts for facts in seen.consumers(queue) if facts.conf is not None]
        who = tuple(facts.name for facts in told)
        if len(told) < 2 or who in found:
            continue
        differing = {key: values for key in COMPARED if len(values := _values(told, key)) > 1}
        if differing:
            found[who] = _finding(queue, told, differing)
    return list(found.values())


def _values(told: list[WorkerFacts], key: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = defaultdict(list)
    for facts in told:
        values[_text((facts.conf or {}).get(key, UNSET))].append(facts.name)
    return values


def _text(value: Any) -> str:
    return "Celery's own" if value is UNSET else repr(value)[:60]


def _finding(queue: str, told: list[WorkerFacts], differing: dict[str, dict[str, list[str]]]) -> Finding:
    names = listed([short(facts.name) for facts in told])
    return Finding(
        code="config-drift",
        severity="warning",
        title=f"{names} consume {queue} with different settings: {listed(list(differing))}.",
        subject=queue,
        kind="queue",
        related=[facts.name for facts in told],
        evidence=[
            fact(
                f"{key}: "
                + "; ".join(f"{value} on {listed([short(n) for n in who])}" for value, who in values.items()),
                "control",
            )
            for key, values in list(differing.items())[:8]
        ],
        fix=f"Start all workers of {queue} from one configuration; after a change restart all of them.",
    )


MODE = Mode("config-drift", check, blind, patience=2.0)
