"""The broker does not answer: nothing else is worth saying then."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, fact, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.cluster import SourceHealth
from lazycelery.model.finding import Finding

REFUSED = "auth-failed"
"""`SourceHealth.code` of a broker that is there and does not let us in."""


def down(seen: Snapshot) -> SourceHealth | None:
    """The broker's link, when it is down."""
    broker = seen.source("broker")
    return broker if broker.state in ("lost", "refused") else None


def check(seen: Snapshot) -> list[Finding]:
    """One finding for a broker that cannot be reached."""
    broker = down(seen)
    if broker is None or broker.code == REFUSED:
        return []
    evidence = [fact(broker.reason, "broker")]
    if broker.last is not None and broker.since is not None:
        before = max(0.0, broker.since - broker.last)
        evidence.append(fact(f"it answered last {span(before)} before that", "monitor", broker.last))
    if broker.next_try is not None:
        evidence.append(fact("it is tried again by itself", "monitor", broker.next_try))
    return [
        Finding(
            code="broker-unreachable",
            severity="critical",
            title=broker.reason or "The broker does not answer.",
            since=broker.since,
            evidence=evidence,
            fix=broker.hint or "Start the broker, or check address, firewall and VPN.",
        )
    ]


MODE = Mode("broker-unreachable", check)
