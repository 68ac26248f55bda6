"""What a one-shot command could not see, in sentences for stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lazycelery.model.cluster import Overview


_LOOKED_AT = {
    "events": "task events",
    "control": "what workers hold",
    "results": "the result backend",
    "broker": "waiting and in-flight messages",
}


def sources(overview: Overview) -> list[str]:
    """Sources that are not there, each with its reason and cure."""
    told = []
    for source in overview.sources:
        if source.state not in ("connected", "connecting"):
            reason = f": {source.reason.rstrip('.')}" if source.reason else ""
            hint = f" {source.hint}" if source.hint else ""
            what = _LOOKED_AT.get(source.name, source.name)
            told.append(f"Not seen: {what}{reason or f' ({source.state})'}.{hint}")
    return told


def past(overview: Overview, observe: float) -> str:
    """Why finished tasks may be missing from a list."""
    looked = f"for {observe:g} s" if observe else "not at all"
    return (
        f"Events were watched {looked}: tasks that ended before are seen only where the result backend keeps "
        "them. --observe SECONDS watches longer."
    )


def nobody(patience: float) -> str:
    """No worker answered."""
    return (
        f"No worker answered within {patience:g} s. Is one running on this broker and database? "
        "--timeout 10 waits longer; a worker with the solo pool answers between two tasks."
    )
