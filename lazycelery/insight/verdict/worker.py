"""Whether a worker is alive or gone, free or full, and with what."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.insight.doctor.mode import count, fact, listed, plain_slots, short
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.insight.verdict.common import dated
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Finding
from lazycelery.model.verdict import Verdict


def of_worker(facts: WorkerFacts, seen: Snapshot, findings: Sequence[Finding] = ()) -> Verdict:
    """Alive or gone, free or full, and with what."""
    worker, name = facts.worker, short(facts.name)
    about = [one for one in findings if facts.name == one.subject or facts.name in one.related]
    own = [one for one in about if one.subject == facts.name and one.severity != "info"]
    verdict = Verdict(kind="worker", subject=facts.name, state=worker.state, text="", at=seen.now)
    verdict.findings = [one.code for one in about]
    if worker.state == "offline":
        verdict.text = f"{name} is gone: {worker.why or 'it stopped'}."
    elif own:
        verdict.text = own[0].title
    elif worker.why and (seen.cut is None or worker.state == "unknown"):
        verdict.text = f"{name} is {worker.why}."
    else:
        slots = worker.concurrency or 0
        busy = f"{worker.active or 0} of {plain_slots(slots)} taken" if slots else "its pool is not known"
        takes = listed(worker.queues) or "no queue"
        verdict.text = f"{name} is {worker.state}: {busy}, it takes from {takes}."
    if worker.state not in ("offline", "unknown"):  # Of these it is told how long ago they were heard.
        dated(verdict, seen)
    verdict.evidence = [
        fact(f"{task.name} runs", "control", task.time_start) for task in (facts.active or [])[:5]
    ]
    if worker.reserved:
        told = count(worker.reserved, "reserved task")
        verdict.evidence.append(fact(told, "control", worker.reserved))
    verdict.evidence += [each for one in about for each in one.evidence]
    return verdict
