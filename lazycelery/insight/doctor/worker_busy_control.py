"""A worker is there and answers nobody: its loop is inside a task, or held up."""

from __future__ import annotations

from collections.abc import Iterator

from lazycelery.insight.doctor.mode import Mode, fact, listed, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.steps import beats, why_silent
from lazycelery.model.counting import count
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Finding

CLOSING = 15.0
"""Seconds of silence within which a mailbox that is closed, and still is at the next look, proves a loss."""


def check(seen: Snapshot) -> Iterator[Finding]:
    """One finding a worker that was asked and has been silent for seconds; of ten thousand workers that all
    are, each finding is made when it is asked for."""
    for facts in seen.alive if seen.connected else ():
        silent = facts.silent
        if silent is None or (facts.shut and seen.now - silent < CLOSING):
            continue
        if seen.now - silent >= seen.limits.silent or _dumb(seen, facts):
            yield _finding(seen, facts, seen.now - silent)


def _dumb(seen: Snapshot, facts: WorkerFacts) -> bool:
    """Whether it gives no sign of life at all: what it told last counts then, and not when it was asked."""
    worker = facts.worker
    if worker.heartbeat_age is None or worker.last_seen is None:
        return False
    # Only a solo worker is dumb whenever it works; two heartbeats, or three, must be missing.
    patience = max(seen.limits.silent, 2 * (worker.freq or 2.0)) * (1.0 if worker.pool == "solo" else 1.5)
    return min(worker.heartbeat_age, seen.now - worker.last_seen) >= patience


def asks(seen: Snapshot) -> set[str]:
    """Those who were silent are asked again soon."""
    return {facts.name for facts in seen.alive if facts.silent is not None}


def solo_or_unheard(facts: WorkerFacts) -> bool:
    """Whether it may be inside a task: who beats at once is not."""
    return facts.worker.pool == "solo" or not beats(facts)


def _finding(seen: Snapshot, facts: WorkerFacts, silent: float) -> Finding:
    worker, name = facts.worker, short(facts.name)
    evidence = [fact(f"asked, and silent for {span(silent)}", "control", round(silent, 1))]
    if worker.heartbeat_age is not None:
        told = f"last heartbeat {span(worker.heartbeat_age)} ago"
        evidence.append(fact(told, "event", round(worker.heartbeat_age, 1)))
    if facts.listening:
        evidence.append(fact("the broker counts a listener at its mailbox", "broker"))
    names = sorted({task.name or "a task" for task in facts.active or ()})
    if names:
        evidence.append(fact(f"it ran {listed(names)} when it answered last", "control"))
    alone = [queue for queue in seen.waiting(facts) if len(seen.consumers(queue.name)) < 2]
    waiting = sum(queue.messages or 0 for queue in alone)
    if waiting:
        evidence.append(fact(f"{count(waiting, 'message', does='wait')} for it alone", "broker", waiting))
    never = facts.answered is None and not names and not solo_or_unheard(facts)
    if never:
        fix = "Add json to accept_content, and leave worker_enable_remote_control on: then it can be asked."
    elif worker.pool == "solo":
        fix = (
            "Run long tasks with `-P prefork` or `-P threads`: a solo worker answers only between two tasks."
        )
    else:
        fix = (
            f"Look at what holds its main process: `py-spy dump --pid {worker.pid or 'PID'}` on its machine."
        )
    solo = (
        " its only thread is inside a task" if worker.pool == "solo" else " it is inside a task, or held up"
    )
    return Finding(
        code="worker-busy-control",
        severity="warning" if waiting or worker.pool != "solo" else "info",
        title=why_silent(facts) if never else f"{name} answers nobody:{solo}.",
        subject=facts.name,
        kind="worker",
        since=facts.silent,
        evidence=evidence,
        fix=fix,
    )


MODE = Mode("worker-busy-control", check, asks=asks)
