"""Whether a worker is alive or gone, free or full, and with what."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.insight.doctor.mode import count, fact, listed, plain_slots, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.verdict.common import dated
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Evidence, Finding
from lazycelery.model.verdict import Verdict
from lazycelery.store.queues import near


def of_worker(facts: WorkerFacts, seen: Snapshot, findings: Sequence[Finding] = ()) -> Verdict:
    """Alive or gone, free or full, and with what."""
    worker, name = facts.worker, short(facts.name)
    about = [one for one in findings if facts.name == one.subject or facts.name in one.related]
    own = [one for one in about if one.subject == facts.name and one.severity != "info"]
    verdict = Verdict(kind="worker", subject=facts.name, state=worker.state, text="", at=seen.now)
    verdict.worker = worker
    verdict.findings = [one.code for one in about]
    if worker.state == "offline":
        verdict.text = f"{name} is gone: {worker.why or 'it stopped'}{_had(facts)}."
    elif own:
        verdict.text = own[0].title
    elif worker.why and (seen.cut is None or worker.state == "unknown"):
        verdict.text = f"{name} is {worker.why}."
    else:
        slots = worker.concurrency or 0
        busy = f"{worker.active or 0} of {plain_slots(slots)} taken" if slots else "its pool is not known"
        verdict.text = f"{name} is {worker.state}: {busy}, {_takes(facts, seen)}."
        if worker.events is False:
            verdict.text += " It sends no task events."
    if worker.state not in ("offline", "unknown"):  # Of these it is told how long ago they were heard.
        dated(verdict, seen)
    verdict.evidence = [] if own else _of_silence(facts, seen)
    verdict.evidence += [
        fact(f"{task.name} runs", "control", task.time_start) for task in (facts.active or [])[:5]
    ]
    if worker.reserved:
        told = count(worker.reserved, "reserved task")
        verdict.evidence.append(fact(told, "control", worker.reserved))
    verdict.evidence += [each for one in about for each in one.evidence]
    return verdict


def _of_silence(facts: WorkerFacts, seen: Snapshot) -> list[Evidence]:
    """When a worker that does not answer was asked, and when it was heard last, each with its source."""
    worker, silent = facts.worker, facts.silent
    if silent is None or worker.state not in ("online", "busy"):
        return []
    told = [fact(f"asked {span(seen.now - silent)} ago, no answer", "control", silent)]
    if worker.heartbeat_age is not None:
        age = worker.heartbeat_age
        told.append(fact(f"last heartbeat {span(age)} ago", "event", round(age, 1)))
    return told


def _takes(facts: WorkerFacts, seen: Snapshot) -> str:
    """What it takes from; a queue that waits for nobody and is called nearly so was perhaps meant."""
    if facts.queues is None:
        return "what it takes from was not told yet"
    held = [one.name for one in seen.queues if one.held is not None and facts.name in one.held.workers]
    told = f"it takes from {listed(facts.queues) or 'no queue'}"
    if held:
        told += f"; {listed(held)} {'is' if len(held) == 1 else 'are'} held"
    lonely = [one.name for one in seen.queues if one.messages and one.consumers == 0 and one.held is None]
    for name in facts.queues:
        queue, meant = seen.lines.get(name), near(name, [one for one in lonely if one != name])
        if meant and (queue is None or not queue.messages):
            waiting = seen.lines[meant].messages or 0
            return f"{told}; {count(waiting, 'message', does='wait')} in {meant}, which nobody consumes"
    return told


def _had(facts: WorkerFacts) -> str:
    """What it told last to run and to hold, where it went without goodbye."""
    runs, held = len(facts.active or ()), len(facts.reserved or ()) + len(facts.scheduled or ())
    if not facts.worker.lost or not (runs or held):
        return ""
    parts = [f"{runs:,} running" if runs else "", f"{held:,} waiting" if held else ""]
    return (
        f"; it had {' and '.join(part for part in parts if part)} {'task' if runs + held == 1 else 'tasks'}"
    )
