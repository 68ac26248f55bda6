"""The states of a task, and which may follow which."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """Where a task is. The number fits a byte column; `label` is the word in JSON and filters."""

    UNKNOWN = 0
    WAITING = 1
    """In a queue, or sent and not yet seen by a worker."""
    SCHEDULED = 2
    """Held by a worker until its ETA."""
    RECEIVED = 3
    """Reserved (prefetched) by a worker."""
    STARTED = 4
    RETRY = 5
    """Failed, and will run again."""
    SUCCESS = 6
    FAILURE = 7
    REVOKED = 8
    REJECTED = 9
    LOST = 10
    """Its worker is gone and its message is nowhere."""

    @property
    def label(self) -> str:
        """Lower-case name, as in JSON and filters."""
        return self.name.lower()

    @property
    def finished(self) -> bool:
        """A terminal state: no late event may take the task out of it (a new attempt may)."""
        return self in FINISHED


FINISHED = frozenset({State.SUCCESS, State.FAILURE, State.REVOKED, State.REJECTED})
FAULTY = frozenset({State.FAILURE, State.RETRY, State.REJECTED, State.LOST})
"""What `f` (faults only) shows."""
LABELS: dict[str, State] = {state.label: state for state in State}

OF_EVENT: dict[str, State] = {
    "task-sent": State.WAITING,
    "task-received": State.RECEIVED,
    "task-started": State.STARTED,
    "task-succeeded": State.SUCCESS,
    "task-failed": State.FAILURE,
    "task-retried": State.RETRY,
    "task-revoked": State.REVOKED,
    "task-rejected": State.REJECTED,
}
"""The state an event announces. `task-rejected` with `requeue` true means waiting again."""

OF_RESULT: dict[str, State] = {
    "PENDING": State.UNKNOWN,
    "RECEIVED": State.RECEIVED,
    "STARTED": State.STARTED,
    "SUCCESS": State.SUCCESS,
    "FAILURE": State.FAILURE,
    "RETRY": State.RETRY,
    "REVOKED": State.REVOKED,
    "REJECTED": State.REJECTED,
    "IGNORED": State.SUCCESS,
}
"""The state a result backend's `status` means; custom ones (PROGRESS) mean started."""
