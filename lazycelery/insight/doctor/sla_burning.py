"""A target of the profile is missed so often that its budget will not last."""

from __future__ import annotations

from lazycelery.insight.advice import usual
from lazycelery.insight.doctor.mode import Mode, fact, listed, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.faces import by_face
from lazycelery.model.finding import Finding, Severity
from lazycelery.model.sla import BURNS, Burn, Objective

PAIRS: tuple[tuple[str, str, str, Severity], ...] = (
    ("burn_fast", "1h", "5m", "critical"),
    ("burn_slow", "6h", "30m", "warning"),
)
"""The limit, the long window, the short one, and what it is then."""


def check(seen: Snapshot) -> list[Finding]:
    """One finding an aim: the faster burning is told."""
    if not seen.connected:
        return []
    return [found for one in seen.sla if (found := _judge(seen, one)) is not None]


def _judge(seen: Snapshot, one: Objective) -> Finding | None:
    for limit, long, short, severity in PAIRS:
        least: float = getattr(seen.limits, limit)
        if _spent(one.burn[long], BURNS[long]) < least or (one.burn[short].rate or 0.0) < least:
            continue
        if one.burn[long].bad >= seen.limits.burn_least:
            return _finding(one, long, short, severity)
    return None


def _spent(burn: Burn, seconds: float) -> float:
    """The burn rate as if nothing was missed in what was not watched of the window."""
    return (burn.rate or 0.0) * min(1.0, burn.seen / seconds)


def _finding(one: Objective, long: str, short: str, severity: Severity) -> Finding:
    evidence = [
        fact(_told(one, name), "event", round(one.burn[name].rate or 0.0, 2)) for name in (long, short)
    ]
    left = one.budget_left or 0.0
    told = "spent" if left <= 0 else f"{left:.0%} is left"
    evidence.append(
        fact(
            f"of the budget of {span(one.window)} {told}: {one.bad:,} of {one.events:,} missed it in "
            f"{span(one.seen)} of watching",
            "event",
            round(left, 3),
        )
    )
    if one.names:
        evidence.append(fact(f"lately missed by {listed(one.names)}", "event"))
    return Finding(
        code="sla-burning",
        severity=severity,
        title=f"{one.pattern} misses its target for {aim_of(one)}: its budget burns "
        f"{one.burn[short].rate or 0.0:,.0f} times too fast.",
        subject=f"{one.pattern} {one.aim}",
        evidence=evidence,
        fix=f"See which tasks miss it ({usual()}), and what the other findings say of them; "
        + by_face("`lazycelery stats --sla`", "`:view.metrics`")
        + " follows the budget.",
    )


def aim_of(one: Objective) -> str:
    """`wait 5s`, `success 99.9%`."""
    return (
        f"{one.aim} {f'{one.share:.4%}'.rstrip('0%').rstrip('.')}%"
        if one.target is None
        else (f"{one.aim} {one.target:g} s")
    )


def _told(one: Objective, name: str) -> str:
    burn = one.burn[name]
    return f"in {name} {burn.bad:,} of {burn.events:,} missed it: burn rate {burn.rate or 0.0:,.1f}" + (
        f" ({span(burn.seen)} of it were watched)" if burn.seen < 0.95 * BURNS[name] else ""
    )


def blind(seen: Snapshot) -> str | None:
    """Waits and runs are told by events."""
    counted = any(one.events for one in seen.sla)
    if seen.sla and not counted and seen.alive and all(one.worker.events is False for one in seen.alive):
        return "Events tell how targets are kept. Start workers with -E."
    return None


MODE = Mode("sla-burning", check, blind, lingers=4.0)
