"""Results are kept for ever: the backend grows until it is full."""

from __future__ import annotations

from typing import Any

from lazycelery.insight.doctor.mode import Mode, count, fact, listed, short
from lazycelery.insight.doctor.results_off import NONE, blind
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding for all workers that do."""
    keeping = [facts for facts in seen.alive if _for_ever(facts.conf or {})]
    if not keeping:
        return []
    names = listed([short(facts.name) for facts in keeping])
    value = (keeping[0].conf or {}).get("result_expires")
    return [
        Finding(
            code="results-without-expiry",
            severity="warning",
            title=f"{count(len(keeping), 'worker')} keep results for ever.",
            subject=keeping[0].name,
            kind="worker",
            related=[facts.name for facts in keeping[1:]],
            evidence=[fact(f"result_expires = {value!r} on {names}", "control", len(keeping))],
            fix="Set result_expires = 86400 (seconds), or ignore_result=True where nobody asks "
            "for the result.",
        )
    ]


def _for_ever(conf: dict[str, Any]) -> bool:
    if conf.get("result_backend") in NONE or "result_expires" not in conf:
        return False
    expires = conf["result_expires"]
    return expires is None or (isinstance(expires, (int, float)) and expires <= 0)


MODE = Mode("results-without-expiry", check, blind)
