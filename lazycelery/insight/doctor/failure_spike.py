"""A task fails far more often than it usually does."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, fact, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import NameFacts
from lazycelery.model.finding import Finding

KNOWN = 20
"""Ended runs of before, from which on a share of failures is usual."""


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
    if name.usual_ended >= KNOWN:
        usual = name.usual_failed / name.usual_ended
        return share >= limits.failure_share and share >= limits.failure_times * usual
    return share >= max(limits.failure_share, 0.5)


def _finding(seen: Snapshot, name: NameFacts) -> Finding:
    share = name.failed / name.ended
    evidence = [
        fact(
            f"{name.failed:,} of {name.ended:,} failed within {span(seen.tasks.window)}", "event", name.failed
        ),
        fact(f"that is {share:.0%}", "event", round(share, 3)),
    ]
    if name.usual_ended >= KNOWN:
        usual = name.usual_failed / name.usual_ended
        told = f"before, it was {usual:.1%} of {name.usual_ended:,}"
        evidence.append(fact(told, "event", round(usual, 4)))
    if name.error:
        evidence.append(fact(f"the last error: {name.error[:160]}", "event"))
        evidence.append(fact(f"raised on {short(name.worker)}", "event"))
    return Finding(
        code="failure-spike",
        severity="critical" if share > 0.9 else "warning",
        title=f"{name.name} fails: {share:.0%} of its last runs.",
        subject=name.name,
        since=name.first_failed,
        evidence=evidence,
        fix=f"See the tracebacks (`lazycelery tasks state:failure name:{name.name}`); once mended, "
        f"`lazycelery retry state:failure name:{name.name}` runs them again.",
        actions=["retry"],
    )


def blind(seen: Snapshot) -> str | None:
    """How tasks end is told by events and results."""
    off = seen.source("results").state != "connected"
    if off and seen.alive and all(facts.worker.events is False for facts in seen.alive):
        return "Neither events nor results tell how tasks end. Start workers with -E, or set result_backend."
    return None


MODE = Mode("failure-spike", check, blind, lingers=10.0)
