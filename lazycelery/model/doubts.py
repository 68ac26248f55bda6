"""What is doubtful about a task, in sentences: each of its marks."""

from __future__ import annotations

DOUBTS = {
    "wait-clamped": "It seems to have begun before it was sent: the clocks of sender and worker differ",
    "ended-unseen": "It ended, and nothing told how",
    "also-rejected": "Its message was rejected as well",
    "expired": "It expired before it could begin",
    "terminated": "It was terminated",
    "delivered-again": "Its message was delivered more than once",
    "cancelled": "Its worker cancelled it when it lost its connection",
    "revoke-flagged": "Workers will discard it: it was revoked",
    "received-before-sent": "It seems to have been received before it was sent: two clocks differ",
    "gap": "The link was broken for a while: what happened to it meanwhile may be missing",
    "state-inferred": "Not all of its states were told: some follow from the others",
    "history": "Known from the recorded history: nothing has spoken of it since this monitor began",
    "run-lost": "A run of it was lost with its worker",
}
RETRY_OF = "retry-of "
"""Before the id of another task."""


def doubt(mark: str) -> str:
    """A mark as a sentence."""
    if mark.startswith(RETRY_OF):
        return f"It was sent as a retry of {mark.removeprefix(RETRY_OF)}."
    return f"{DOUBTS.get(mark, mark.replace('-', ' ').capitalize())}."
