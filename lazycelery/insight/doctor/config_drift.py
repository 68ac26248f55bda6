"""Workers of one queue have different settings: what a task does depends on who takes it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
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
Group = tuple[Mapping[str, Any], list[str]]
"""Settings, and the names of those who have them."""
MOST_GROUPS = 8
"""Groups with which a worker is compared; where all differ in a host's name, each is one of its own."""


def check(seen: Snapshot) -> list[Finding]:
    """One finding for each set of workers that share a queue and differ."""
    found: dict[tuple[str, ...], Finding] = {}
    for queue in sorted(seen.taken_by):
        told = [facts for facts in seen.consumers(queue) if facts.conf is not None]
        who = tuple(facts.name for facts in told)
        if len(told) < 2 or who in found:
            continue
        groups = _groups(told)
        if len(groups) < 2:
            continue
        differing = {key: values for key in COMPARED if len(values := _values(groups, key)) > 1}
        if differing:
            found[who] = _finding(queue, told, differing)
    return list(found.values())


def _groups(told: list[WorkerFacts]) -> list[Group]:
    """Workers that have the same settings to the last: thousands of them are mostly one or two groups."""
    groups: list[Group] = []
    for facts in told:
        conf = facts.conf or {}
        for same, names in groups[:MOST_GROUPS]:
            if same == conf:
                names.append(facts.name)
                break
        else:
            groups.append((conf, [facts.name]))
    return groups


def _values(groups: list[Group], key: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = defaultdict(list)
    for conf, names in groups:
        values[_text(conf.get(key, UNSET))] += names
    return {value: sorted(names) for value, names in values.items()}


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
