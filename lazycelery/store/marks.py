"""Small sets in one number: doubts about a task, its sources, its cut fields."""

from __future__ import annotations

WAIT_CLAMPED = 1
ENDED_UNSEEN = 2
ALSO_REJECTED = 4
EXPIRED = 8
TERMINATED = 16
DELIVERED_AGAIN = 32
CANCELLED = 64
REVOKE_FLAGGED = 128
STATE_INFERRED = 256

MARKS: dict[str, int] = {
    "wait-clamped": WAIT_CLAMPED,
    "ended-unseen": ENDED_UNSEEN,
    "also-rejected": ALSO_REJECTED,
    "expired": EXPIRED,
    "terminated": TERMINATED,
    "delivered-again": DELIVERED_AGAIN,
    "cancelled": CANCELLED,
    "revoke-flagged": REVOKE_FLAGGED,
    "state-inferred": STATE_INFERRED,
}

SOURCES: dict[str, int] = {"event": 1, "control": 2, "broker": 4, "result": 8, "inferred": 16, "agent": 32}

CUTS: dict[str, int] = {"args": 1, "kwargs": 2, "result": 4, "error": 8, "traceback": 16}


def names_in(bits: int, table: dict[str, int]) -> list[str]:
    """The words whose bit is set."""
    return [word for word, bit in table.items() if bits & bit]
