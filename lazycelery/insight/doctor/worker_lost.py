"""A worker went without goodbye: killed, crashed, or its machine is gone."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, count, fact, listed, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Finding

REPLACED = 900.0
"""Seconds after which a lost worker whose queues others consume is no news any more."""


def check(seen: Snapshot) -> list[Finding]:
    """One finding a lost worker, until another under its name, or others on its queues, take its place."""
    if not seen.settled or not seen.connected:
        return []
    found = []
    for facts in seen.workers:
        if facts.worker.lost:
            alone = [name for name in facts.queues or () if not seen.consumers(name)]
            went = facts.worker.stopped or facts.worker.last_seen or seen.now
            if alone or facts.queues is None or seen.now - went < REPLACED:
                found.append(_finding(seen, facts, alone, went))
    return found


def _finding(seen: Snapshot, facts: WorkerFacts, alone: list[str], went: float) -> Finding:
    worker, name = facts.worker, short(facts.name)
    ran = len(facts.active or ())
    evidence = [fact(f"last sign of life {span(seen.now - went)} ago", "event", went)]
    if worker.heartbeat_age is not None and worker.freq:
        told = f"heartbeats came every {worker.freq:g} s; the last is {span(worker.heartbeat_age)} old"
        evidence.append(fact(told, "event", round(worker.heartbeat_age, 1)))
    evidence.append(fact("it did not say goodbye, as a stopped worker does", "event"))
    if ran:
        names = listed(sorted({task.name or "a task" for task in facts.active or ()}))
        evidence.append(fact(f"it ran {count(ran, 'task')}: {names}", "control", ran))
    if worker.reserved:
        evidence.append(
            fact(f"it held {count(worker.reserved, 'reserved task')}", "control", worker.reserved)
        )
    if alone:
        evidence.append(fact(f"nobody else consumes {listed(alone)}", "control", len(alone)))
    return Finding(
        code="worker-lost",
        severity="critical" if alone or not seen.alive else "warning",
        title=f"{name} is lost: it went without goodbye.",
        subject=facts.name,
        kind="worker",
        since=went,
        evidence=evidence,
        fix=f"Start it again, and look for the reason on its machine (`dmesg | grep -i oom`, journal): pid "
        f"{worker.pid}."
        if worker.pid
        else "Start it again, and look for the reason on its machine (`dmesg | grep -i oom`, journal).",
    )


MODE = Mode("worker-lost", check)
