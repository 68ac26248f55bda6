"""Workers accept pickle: whoever may write to the broker may run code in them."""

from __future__ import annotations

from typing import Any

from lazycelery.insight.doctor.mode import Mode, count, fact, listed, short
from lazycelery.insight.doctor.results_off import blind
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Finding

PICKLE = ("pickle", "application/x-python-serialize")


def check(seen: Snapshot) -> list[Finding]:
    """One finding for all workers that do."""
    open_ones = [facts for facts in seen.alive if _accepted(facts.conf or {})]
    if not open_ones:
        return []
    names = listed([short(facts.name) for facts in open_ones])
    return [
        Finding(
            code="pickle-accepted",
            severity="warning",
            title=f"{count(len(open_ones), 'worker')} accept pickle: who reaches the broker can run code.",
            subject=open_ones[0].name,
            kind="worker",
            related=[facts.name for facts in open_ones[1:]],
            evidence=[
                fact(f"accept_content has pickle: {names}", "control", len(open_ones)),
                fact(f"accept_content = {(open_ones[0].conf or {}).get('accept_content')}", "control"),
            ],
            fix='Set task_serializer = result_serializer = "json" and accept_content = ["json"], '
            "senders first.",
        )
    ]


def _accepted(conf: dict[str, Any]) -> bool:
    accepted = conf.get("accept_content")
    return isinstance(accepted, (list, tuple)) and any(name in PICKLE for name in accepted)


MODE = Mode("pickle-accepted", check, blind)
