"""The broker runs out of memory, or throws messages away when it does."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, fact
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.counting import count
from lazycelery.model.facts import BrokerFacts
from lazycelery.model.finding import Evidence, Finding, Severity

DROPS = "allkeys-"
"""Policies of Redis that throw away any key, queues too."""
FULL = 0.95


def check(seen: Snapshot) -> list[Finding]:
    """One finding for memory, policy and alarms together."""
    facts = seen.broker
    if facts is None or not seen.connected:
        return []
    if facts.blocked:
        return [_blocked(facts.blocked)]
    share, of_what = _share(facts)
    drops = bool(facts.memory_limit) and (facts.policy or "").startswith(DROPS)
    if not drops and (share is None or share < seen.limits.memory):
        return []
    evidence: list[Evidence] = []
    if share is not None:
        used = f"{_size(facts.memory)} of {of_what} are in use ({share:.0%})"
        evidence.append(fact(used, "broker", round(share, 3)))
    if facts.policy:
        evidence.append(fact(f"maxmemory-policy is {facts.policy}", "broker", facts.policy))
    if facts.evicted:
        told = f"{count(facts.evicted, 'key', does='were')} thrown away since its start"
        evidence.append(fact(told, "broker", facts.evicted))
    near = share is not None and share >= seen.limits.memory
    worst = (share or 0) >= FULL or (drops and (near or facts.evicted))
    severity: Severity = "critical" if worst else "warning"
    if drops:
        title = f"The broker throws queues away when its memory is full ({facts.policy})."
        fix = "`redis-cli config set maxmemory-policy noeviction`, and the same in redis.conf."
    else:
        title = f"The broker's memory is {'full' if (share or 0) >= 1 else 'nearly full'}: {share:.0%}."
        fix = "Raise maxmemory, drain the deepest queues, and let results expire sooner (result_expires)."
    return [Finding(code="broker-memory", severity=severity, title=title, evidence=evidence, fix=fix)]


def _blocked(why: str) -> Finding:
    return Finding(
        code="broker-memory",
        severity="critical",
        title=f"The broker takes no messages now: {why}.",
        evidence=[
            fact(f"it says: {why}", "broker"),
            fact("whoever publishes waits: senders, and workers with their events and results", "broker"),
        ],
        fix="Free memory or disk on its nodes (`rabbitmqctl status` shows the alarms and limits).",
    )


def _share(facts: BrokerFacts) -> tuple[float | None, str]:
    if facts.memory is None:
        return None, ""
    if facts.memory_limit:
        return facts.memory / facts.memory_limit, f"{_size(facts.memory_limit)} (maxmemory)"
    if facts.machine:
        return facts.memory / facts.machine, f"{_size(facts.machine)} of its machine"
    return None, ""


def _size(number: int | None) -> str:
    value = float(number or 0)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def blind(seen: Snapshot) -> str | None:
    """The broker tells it, where we may ask."""
    facts = seen.broker
    if facts is None:
        return "This broker does not tell of its memory."
    if facts.refused:
        return f"{facts.refused} Grant this user INFO."
    if facts.memory is None and facts.policy is None and not facts.tells_alarms:
        return "This broker does not tell of its memory."
    return None


MODE = Mode("broker-memory", check, blind)
