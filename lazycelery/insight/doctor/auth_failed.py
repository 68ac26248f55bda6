"""The broker is there and does not let us in, or not do what must be done."""

from __future__ import annotations

from lazycelery.insight.doctor.broker_unreachable import REFUSED, down
from lazycelery.insight.doctor.mode import Mode, fact
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding for wrong credentials or missing permissions."""
    broker = down(seen)
    if broker is None or broker.code != REFUSED:
        return []
    return [
        Finding(
            code="auth-failed",
            severity="critical",
            title=broker.reason,
            since=broker.since,
            evidence=[fact(broker.reason, "broker")],
            fix=broker.hint or "Check user and password in the URL, percent-encoded.",
        )
    ]


MODE = Mode("auth-failed", check)
