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
RUN_LOST = 512
PAST = 1024
"""Known from the recorded history alone: no source has spoken of it since."""
NOT_KEPT = 2048
"""A long text of it was let go under load."""
UNSEEN = ENDED_UNSEEN | RUN_LOST
"""Taken back by whatever tells how it really went."""

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
    "run-lost": RUN_LOST,
    "history": PAST,
}

SOURCES: dict[str, int] = {"event": 1, "control": 2, "broker": 4, "result": 8, "inferred": 16, "agent": 32}

CUTS: dict[str, int] = {"args": 1, "kwargs": 2, "result": 4, "error": 8, "traceback": 16}

TOLD: dict[str, int] = {
    field: 3 * place
    for place, field in enumerate(
        (
            *("state", "worker", "sent", "received", "started", "finished", "runtime", "eta"),
            *("result", "error", "traceback"),
            *("name", "queue", "expires", "retries", "args", "kwargs", "root_id", "parent_id", "group_id"),
        )
    )
}
"""Where a field's source stands in a slot's `told`: three bits each, 0 for the event stream."""
OF_RUN = (1 << TOLD["name"]) - 1
"""The bits of fields that every run has anew."""
TELLERS = ("event", "control", "broker", "result", "inferred", "agent")


def names_in(bits: int, table: dict[str, int]) -> list[str]:
    """The words whose bit is set."""
    return [word for word, bit in table.items() if bits & bit] if bits else []
