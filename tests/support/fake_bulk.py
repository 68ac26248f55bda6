"""A plan file that stopped, for engines without a cluster."""

from __future__ import annotations

from typing import Any

from lazycelery.model.bulk import Bulk


def stopped(**own: Any) -> Bulk:
    """A retry that was stopped in the middle."""
    base = {
        "id": "7f3a1c20",
        "action": "retry",
        "title": "Retry 300 tasks exactly, to default",
        "created": 1_763_690_000.0,
        "user": "ada",
        "host": "db1",
        "profile": "default",
        "broker": "redis://db1/0",
        "state": "stopped",
        "total": 300,
        "done": 120,
        "doubtful": 16,
        "waiting": 164,
    }
    return Bulk(**{**base, **own})
