"""Most runs of a task are second tries: it fails, and fails again."""

from __future__ import annotations

from lazycelery.insight.advice import condition, word
from lazycelery.insight.doctor.mode import Mode, fact, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.faces import by_face
from lazycelery.model.facts import NameFacts
from lazycelery.model.finding import Finding
from lazycelery.model.text import quoted


def check(seen: Snapshot) -> list[Finding]:
    """One finding a name."""
    if not seen.connected:
        return []
    return [
        _finding(seen, name)
        for name in seen.tasks.names.values()
        if name.retried >= seen.limits.retries
        and name.retried >= seen.limits.retry_share * (name.ended + name.retried)
    ]


def _finding(seen: Snapshot, name: NameFacts) -> Finding:
    within = span(seen.tasks.window)
    evidence = [
        fact(f"{name.retried:,} of its tasks were tried again within {within}", "event", name.retried)
    ]
    evidence.append(
        fact(f"{name.ended:,} ended in that time, {name.failed:,} in failure", "event", name.ended)
    )
    if name.error:
        evidence.append(fact(f"the last error: {name.error[:120]}", "event"))
    return Finding(
        code="retry-storm",
        severity="warning",
        title=f"{name.name} is tried again and again: {name.retried:,} times within {within}.",
        subject=name.name,
        filter=f"error_group:* {quoted('name', name.name)}",
        evidence=evidence,
        fix=f"Mend what it calls; meanwhile revoke them ({_revoking(name.name)}), and give it "
        "retry_backoff=True, retry_jitter=True and a max_retries.",
        actions=["revoke"],
    )


def _revoking(name: str) -> str:
    """A command of its own has not seen why a task waits: it takes all of them that wait for a time."""
    which = condition("name", name)
    return by_face(
        f"`lazycelery revoke state:retry,scheduled {word(which)} --dry-run` tells which",
        f"`:tasks error_group:* state:retry,scheduled {which}`, then `:mark.all` and `:revoke`",
    )


MODE = Mode("retry-storm", check, lingers=4.0)
