"""The result backend does not answer."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, fact
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.faces import by_face
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding for a backend that refuses or went away."""
    results = seen.source("results")
    if results.state not in ("lost", "refused") or seen.went_with_broker("results"):
        return []
    return [
        Finding(
            code="backend-unreachable",
            severity="warning",
            title=results.reason or "The result backend does not answer.",
            subject="results",
            since=results.since,
            evidence=[fact(results.reason or results.state, "result")],
            fix=results.hint
            or by_face(
                "Start it, or name the right one with --backend URL.",
                "Start it, or name the right one: backend in the profile.",
            ),
        )
    ]


def blind(seen: Snapshot) -> str | None:
    """Without a backend there is none to reach."""
    results = seen.source("results")
    if seen.went_with_broker("results"):
        return "The broker came back just now; the result backend is yet to be tried again."
    return (results.reason or "No result backend is known.") if results.state == "off" else None


MODE = Mode("backend-unreachable", check, blind, patience=2.0)
