"""A worker went without goodbye: killed, crashed, or its machine is gone."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, count, fact, listed, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Finding

HANGS_AFTER = 10.0
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
        elif _hangs(seen, facts):
            found.append(_hanging(seen, facts))
    return found


def _hangs(seen: Snapshot, facts: WorkerFacts) -> bool:
    """It listens and gives no sign of life, with a pool that never blocks its main process."""
    worker = facts.worker
    if not facts.alive or facts.silent is None or not facts.listening:
        return False  # Who said goodbye is silent too.
    if worker.pool not in ("prefork", "threads"):
        return False
    beats = worker.heartbeat_age
    dumb = seen.now - facts.silent > HANGS_AFTER
    return dumb and (beats is None or beats > max(3 * (worker.freq or 2.0), HANGS_AFTER))


def _hanging(seen: Snapshot, facts: WorkerFacts) -> Finding:
    name, age = short(facts.name), facts.worker.heartbeat_age
    age = seen.now - (facts.silent or seen.now) if age is None else age
    return Finding(
        code="worker-lost",
        severity="critical",
        title=f"{name} hangs: it is connected, and neither beats nor answers.",
        subject=facts.name,
        kind="worker",
        since=seen.now - age,
        queues=list(facts.queues or ()),
        evidence=[
            fact(f"no heartbeat for {span(age)}", "event", round(age, 1)),
            fact("it was asked and did not answer", "control"),
            fact("the broker still counts a listener at its mailbox", "broker"),
        ],
        fix="See what state its process is in (`ps -o stat,wchan -p "
        f"{facts.worker.pid or 'PID'}`: T is stopped, "
        "D waits for a disk), continue or kill it, and start it again.",
    )


def _finding(seen: Snapshot, facts: WorkerFacts, alone: list[str], went: float) -> Finding:
    worker, name = facts.worker, short(facts.name)
    ran = len(facts.active or ())
    evidence = [fact(f"last sign of life {span(seen.now - went)} ago", "event", went)]
    if worker.heartbeat_age is not None and worker.freq:
        told = f"heartbeats came every {worker.freq:g} s; the last is {span(worker.heartbeat_age)} old"
        evidence.append(fact(told, "event", round(worker.heartbeat_age, 1)))
    if facts.closed:
        evidence.append(fact("nobody listens at its mailbox: its connection has ended", "broker"))
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
        queues=list(facts.queues or ()),
        evidence=evidence,
        fix=f"Start it again, and look for the reason on its machine (`dmesg | grep -i oom`, journal): pid "
        f"{worker.pid}."
        if worker.pid
        else "Start it again, and look for the reason on its machine (`dmesg | grep -i oom`, journal).",
    )


MODE = Mode("worker-lost", check)
