"""The workers keep no results."""

from __future__ import annotations

from lazycelery.insight.advice import more_patience
from lazycelery.insight.doctor.mode import Mode, count, fact
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.faces import by_face
from lazycelery.model.finding import Finding

NONE = (None, "", "disabled", "disabled://")


def check(seen: Snapshot) -> list[Finding]:
    """One finding when every worker that told its settings names no result backend."""
    told = [facts for facts in seen.alive if facts.conf is not None]
    if not told or any((facts.conf or {}).get("result_backend") not in NONE for facts in told):
        return []
    return [
        Finding(
            code="results-off",
            severity="info",
            title="The workers keep no results: how tasks ended is known from events alone.",
            evidence=[
                fact(f"{count(len(told), 'worker', does='name')} no result_backend", "control", len(told))
            ],
            fix='Set result_backend = "redis://…", or leave it off if nobody asks for results: '
            + by_face("`lazycelery doctor --ignore results-off`.", "`:acknowledge` says that it is known."),
        )
    ]


def blind(seen: Snapshot) -> str | None:
    """Workers tell it in their settings."""
    if seen.alive and all(facts.conf is None for facts in seen.alive):
        return "No worker told its settings (inspect conf)." + more_patience(seen.replay)
    return None


MODE = Mode("results-off", check, blind)
