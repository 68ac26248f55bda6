"""A task fails far more often than it usually does."""

from __future__ import annotations

from typing import NamedTuple

from lazycelery.insight.advice import act_on_tasks, condition, tasks
from lazycelery.insight.anomalies import UNLIKELY, chance, highest
from lazycelery.insight.doctor.mode import Mode, fact, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import NameFacts
from lazycelery.model.finding import Finding
from lazycelery.model.text import quoted


def check(seen: Snapshot) -> list[Finding]:
    """One finding a name."""
    if not seen.connected:
        return []
    return [_finding(seen, name) for name in seen.tasks.names.values() if _spikes(seen, name)]


def _spikes(seen: Snapshot, name: NameFacts) -> bool:
    limits = seen.limits
    if name.failed < limits.failures or not name.ended:
        return False
    share = name.failed / name.ended
    if share > limits.failure_critical:
        return True  # However usual that is by now, nearly nothing of it is done.
    before = _usual(seen, name)
    if before is not None:
        # What fails often anyway cannot fail three times as often: then a third of the successes are left.
        often = min(limits.failure_times * before.share, 1 - (1 - before.share) / limits.failure_times)
        least = max(limits.failure_share, often)
        by_chance = max(before.share, before.high, 1 / before.runs)
        return share >= least and chance(name.failed, name.ended, by_chance) < UNLIKELY
    return share >= max(limits.failure_share, 0.5)


class Before(NamedTuple):
    """The usual share of failures."""

    share: float
    high: float
    """What it goes up to."""
    runs: int
    told: str


def _usual(seen: Snapshot, name: NameFacts) -> Before | None:
    """From the statistics of two days where they tell enough, else from the tasks of before."""
    known = max(1, seen.limits.failure_known)
    usual = next((one.usual for one in seen.habits if one.kind == "task" and one.name == name.name), None)
    if usual is not None and usual.runs >= known:
        high = highest(usual, seen.now, lambda step: step.failure_share)
        return Before(usual.failed / usual.runs, high, usual.runs, f"in {span(usual.seen)} of watching")
    if name.usual_ended >= known:
        return Before(name.usual_failed / name.usual_ended, 0.0, name.usual_ended, "before")
    return None


def _finding(seen: Snapshot, name: NameFacts) -> Finding:
    share = name.failed / name.ended
    evidence = [
        fact(
            f"{name.failed:,} of {name.ended:,} failed within {span(seen.tasks.window)}", "event", name.failed
        ),
        fact(f"that is {share:.0%}", "event", round(share, 3)),
    ]
    before = _usual(seen, name)
    if before is not None:
        told = f"usually {before.share:.1%}: {before.runs:,} runs {before.told}"
        evidence.append(fact(told, "event", round(before.share, 4)))
    if name.retried:
        told = f"{name.retried:,} of its tasks were tried again in that time"
        evidence.append(fact(told, "event", name.retried))
    if name.error:
        evidence.append(fact(f"the last error: {name.error[:160]}", "event"))
        evidence.append(fact(f"raised on {short(name.worker)}", "event"))
    failures = "state:failure", condition("name", name.name)
    return Finding(
        code="failure-spike",
        severity="critical" if share > seen.limits.failure_critical else "warning",
        title=f"{name.name} fails: {share:.0%} of its last runs.",
        subject=name.name,
        filter=f"state:failure {quoted('name', name.name)}",
        since=name.first_failed,
        evidence=evidence,
        fix=f"See the tracebacks ({tasks(*failures)}); once mended, run them again: "
        f"{act_on_tasks('retry', *failures)}.",
        actions=["retry"],
    )


def blind(seen: Snapshot) -> str | None:
    """How tasks end is told by events and results."""
    off = seen.source("results").state != "connected"
    if off and seen.alive and all(facts.worker.events is False for facts in seen.alive):
        return "Neither events nor results tell how tasks end. Start workers with -E, or set result_backend."
    return None


MODE = Mode("failure-spike", check, blind, lingers=4.0, habit="task")
