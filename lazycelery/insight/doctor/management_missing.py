"""The management API that the profile names does not answer or does not let us in."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, fact
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding; none where nobody named it, which a note tells."""
    facts = seen.broker
    if facts is None or not facts.management or not seen.connected:
        return []
    return [
        Finding(
            code="management-missing",
            severity="warning",
            title=f"The management API is missing: {facts.management}.",
            evidence=[
                fact(facts.management, "broker"),
                fact(
                    "without it only the queues of workers, of senders' events and of the profile are known, "
                    "without type, unacknowledged messages and dead letters",
                    "monitor",
                ),
            ],
            fix=facts.management_cure or "Correct `management` in the profile.",
        )
    ]


MODE = Mode("management-missing", check)
