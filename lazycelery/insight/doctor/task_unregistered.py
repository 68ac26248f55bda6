"""A task is sent whose name its workers do not know."""

from __future__ import annotations

from lazycelery.insight.advice import more_patience
from lazycelery.insight.doctor.mode import Mode, agreed, count, fact, listed, short
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Evidence, Finding
from lazycelery.model.text import quoted
from lazycelery.store.queues import near


def check(seen: Snapshot) -> list[Finding]:
    """One finding a name."""
    if not seen.connected:
        return []
    evidence: dict[str, list[Evidence]] = {}
    who: dict[str, list[WorkerFacts]] = {}
    refused: dict[tuple[str, str, str], int] = {}
    for task in seen.tasks.unknown:
        name = task.name or (task.error or "").partition("'")[2].partition("'")[0] or "a task"
        key = name, short(task.worker), (task.error or "")[:80]
        refused[key] = refused.get(key, 0) + 1
    for (name, worker, error), number in refused.items():
        told = fact(f"{worker} refused {number:,}: {error}", "event", number)
        evidence.setdefault(name, []).append(told)
    for (name, queue), number in seen.tasks.waiting.items():
        line = seen.lines.get(queue)
        if not seen.told or (line is not None and line.messages == 0):
            continue  # Who did not tell what it takes from may know it; or nothing waits there any more.
        workers = seen.consumers(queue)
        if workers and all(facts.registered and name not in facts.registered for facts in workers):
            told = fact(f"{count(number, 'such message', does='wait')} in {queue}", "broker", number)
            evidence.setdefault(name, []).append(told)
            who[name] = workers
    return [_finding(seen, name, facts, who.get(name, [])) for name, facts in evidence.items()]


def _finding(seen: Snapshot, name: str, evidence: list[Evidence], who: list[WorkerFacts]) -> Finding:
    workers = who or seen.alive
    known = sorted({one for facts in workers for one in facts.registered or ()})
    meant = near(name, known)
    asked = f" Did you mean {meant}?" if meant else ""
    names = listed([short(facts.name) for facts in workers])
    return Finding(
        code="task-unregistered",
        severity="critical",
        title=f"{name} is sent, and its workers do not know it.{asked}",
        subject=name,
        filter=quoted("name", name),
        evidence=[
            *evidence[:5],
            fact(
                f"{names} {agreed(len(workers), 'know')} {count(len(known), 'task name')}, and not this one",
                "control",
                len(known),
            ),
        ],
        fix=f"{_corrected(meant)}{'import' if meant else 'Import'} the module of {name} in the worker "
        "(imports, include, autodiscover_tasks) and restart it; or route it to the workers that know it "
        "(task_routes).",
    )


def _corrected(meant: str | None) -> str:
    return f"Correct the name where it is sent, if {meant} is meant. Else " if meant else ""


def blind(seen: Snapshot) -> str | None:
    """Workers tell what they know."""
    if seen.alive and all(facts.registered is None for facts in seen.alive):
        return "No worker told which tasks it knows (inspect registered)." + more_patience(seen.replay)
    if not seen.told:
        silent = [facts.name for facts in seen.alive if facts.queues is None]
        return (
            f"What waits is not looked at: {listed(silent)} did not tell what "
            f"{'it consumes' if len(silent) == 1 else 'they consume'}." + more_patience(seen.replay)
        )
    return None


MODE = Mode("task-unregistered", check, blind, patience=1.0)
