"""A worker's clock is wrong, or ours."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, fact, listed, short
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.counting import agreed, count
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding: ours is wrong when all the others agree on another."""
    if not seen.connected:
        return []
    skews = {
        facts.name: facts.worker.clock_skew for facts in seen.alive if facts.worker.clock_skew is not None
    }
    wrong = {name: skew for name, skew in skews.items() if abs(skew) >= seen.limits.skew}
    if not wrong:
        return []
    ours = len(wrong) > 1 and len(wrong) == len(skews) and max(wrong.values()) - min(wrong.values()) < 1
    if ours:
        title = f"This machine's clock differs by {_by(next(iter(wrong.values())))} from all workers."
    else:
        worst = max(wrong, key=lambda name: abs(wrong[name]))
        title = (
            f"The clock of {short(worst)} is {_by(wrong[worst])} {'ahead' if wrong[worst] > 0 else 'behind'}."
        )
    names = sorted(wrong, key=lambda name: -abs(wrong[name]))
    return [
        Finding(
            code="clock-skew",
            severity="warning",
            title=title,
            subject="" if ours else names[0],
            kind="cluster" if ours else "worker",
            related=names if ours else names[1:],
            evidence=[
                fact(
                    f"{short(name)} is {_by(wrong[name])} {'ahead of' if wrong[name] > 0 else 'behind'} us",
                    "event",
                    round(wrong[name], 2),
                )
                for name in names[:5]
            ]
            + [
                fact(
                    f"of {count(len(skews), 'worker')} {len(wrong)} {agreed(len(wrong), 'differ')}: "
                    f"{listed([short(n) for n in names])}",
                    "event",
                )
            ],
            fix="Start NTP (`timedatectl set-ntp true`) on that machine; ETAs, expiry and "
            "revoked lists depend on "
            "the clock.",
        )
    ]


def _by(skew: float) -> str:
    return f"{abs(skew):.1f} s"


def blind(seen: Snapshot) -> str | None:
    """Clocks are told by events."""
    if seen.alive and all(facts.worker.clock_skew is None for facts in seen.alive):
        return "No event came yet: workers without heartbeats do not tell their clocks."
    return None


MODE = Mode("clock-skew", check, blind, patience=2.0, lingers=3.0)
