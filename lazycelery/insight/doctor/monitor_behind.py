"""We see late, or not all: what is shown may be old."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, fact
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Evidence, Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding for lag, loss, or a stream that is down."""
    if not seen.connected:
        return []
    evidence: list[Evidence] = []
    events, control = seen.source("events"), seen.source("control")
    if events.state in ("lost", "refused"):
        evidence.append(fact(f"the event stream is down: {events.reason}", "monitor"))
    if control.state in ("lost", "refused"):
        evidence.append(fact(f"control is down: {control.reason}", "monitor"))
    if seen.lag is not None and seen.lag > seen.limits.lag:
        evidence.append(fact(f"events arrive {seen.lag:.1f} s late", "monitor", round(seen.lag, 1)))
    if seen.loss is not None and seen.loss > seen.limits.loss:
        share = f"{seen.loss:.0%} of started tasks sent no event that came here"
        evidence.append(fact(share, "monitor", round(seen.loss, 3)))
    if not evidence:
        return []
    down = events.state in ("lost", "refused") or control.state in ("lost", "refused")
    hint = events.hint or control.hint
    return [
        Finding(
            code="monitor-behind",
            severity="warning",
            title=f"We do not see all: {evidence[0].text}.",
            since=events.since if events.state in ("lost", "refused") else None,
            evidence=evidence,
            fix=hint
            if down and hint
            else "Run this monitor nearer to the broker, or set a larger refresh in the profile.",
        )
    ]


def blind(seen: Snapshot) -> str | None:
    """Without events there is nothing to be late."""
    return "No event came yet." if seen.lag is None and seen.source("events").state == "connected" else None


MODE = Mode("monitor-behind", check, blind, patience=5.0, lingers=15.0)
