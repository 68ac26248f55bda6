"""Workers run different versions of Celery."""

from __future__ import annotations

from collections import defaultdict

from lazycelery.insight.doctor.mode import Mode, count, fact, listed, short
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding for all of them."""
    if not seen.connected:
        return []
    versions: dict[str, list[str]] = defaultdict(list)
    for facts in seen.alive:
        if facts.worker.software:
            versions[facts.worker.software].append(facts.name)
    if len(versions) < 2:
        return []
    fewest = min(versions, key=lambda version: len(versions[version]))
    return [
        Finding(
            code="version-mixed",
            severity="info",
            title=f"Workers run {count(len(versions), 'version')} of Celery: {listed(sorted(versions))}.",
            subject=versions[fewest][0],
            kind="worker",
            evidence=[
                fact(f"{version}: {listed([short(name) for name in names])}", "event", len(names))
                for version, names in sorted(versions.items())
            ],
            fix="Finish the roll-out, or pin one version: new messages may hold what old workers "
            "do not know.",
        )
    ]


def blind(seen: Snapshot) -> str | None:
    """Heartbeats tell it."""
    if seen.alive and all(facts.worker.software is None for facts in seen.alive):
        return "No heartbeat came: workers run with --without-heartbeat."
    return None


MODE = Mode("version-mixed", check, blind, patience=2.0)
