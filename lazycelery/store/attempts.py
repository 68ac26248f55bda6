"""Which attempt of a task an event belongs to, when there is more than one, or it comes late."""

from __future__ import annotations

from lazycelery.model.states import State
from lazycelery.store.columns import NAN, Columns, PastAttempt

MAX_PAST = 50
"""A poison task runs thousands of times; its last attempts tell enough."""
RACE = 1.0
"""Seconds: a retry may start elsewhere before the old worker has said that it retries."""


def open_attempt(columns: Columns, slot: int, retries: int = -1) -> None:
    """Put the present attempt aside and begin the next one."""
    past = columns.extras(slot).past
    past.append(_present(columns, slot))
    del past[:-MAX_PAST]
    columns.attempt[slot] += columns.attempt[slot] < 65_535
    columns.retries[slot] = retries
    columns.clock[slot] = 0
    columns.worker[slot] = 0
    columns.sent[slot] = columns.received[slot] = columns.started[slot] = columns.finished[slot] = NAN
    columns.runtime[slot] = columns.wait[slot] = NAN
    columns.eta.pop(slot, None)
    for field in ("result", "error", "traceback"):
        columns.extra[slot].told.pop(field, None)


def _present(columns: Columns, slot: int) -> PastAttempt:
    state = columns.state[slot]
    return PastAttempt(
        number=columns.attempt[slot],
        worker=columns.worker[slot],
        retries=columns.retries[slot],
        received=columns.received[slot],
        started=columns.started[slot],
        finished=columns.finished[slot],
        state=state,
        error=columns.error[slot] if state in (State.FAILURE, State.RETRY, State.REVOKED) else None,
        traceback=columns.traceback.get(slot) if state in (State.FAILURE, State.RETRY) else None,
    )


def started_before(columns: Columns, slot: int, worker: int, at: float) -> bool:
    """Whether a start belongs to a past attempt; if so it is written there."""
    for past in reversed(_past(columns, slot)):
        if past.worker not in (0, worker) or past.started == at:
            if past.started == at and past.worker == worker:
                return True
            continue
        if past.started != past.started and not past.received > at and not past.finished < at:
            past.started, past.worker = at, worker
            return True
    return False


def received_before(columns: Columns, slot: int, worker: int, at: float, retries: int) -> bool:
    """Whether a reception belongs to a past attempt; if so it is written there."""
    for past in reversed(_past(columns, slot)):
        if past.received == at and past.worker == worker:
            return True
        if past.received == past.received or past.worker not in (0, worker):
            continue
        if past.retries in (-1, retries) and not past.started < at and not past.finished < at:
            past.received, past.worker, past.retries = at, worker, retries
            return True
    return False


def ended_before(columns: Columns, slot: int, worker: int, at: float, state: int) -> PastAttempt | None:
    """The past attempt that an end belongs to, or `None` when it is the present one's."""
    started, mine = columns.started[slot], columns.worker[slot] == worker
    for past in _past(columns, slot):
        if past.worker not in (0, worker):
            continue
        if past.finished == at:
            return past
        if past.finished == past.finished or not _open(past):
            continue
        if state != State.RETRY and columns.retries[slot] > past.retries >= 0:
            # that one must have been retried: only the present one can have ended so
            continue
        if started != started or not mine or (state == State.RETRY and at < started + RACE) or at < started:
            return past
    return None


def _open(past: PastAttempt) -> bool:
    return past.state not in (State.SUCCESS, State.FAILURE, State.REVOKED, State.REJECTED)


def _past(columns: Columns, slot: int) -> list[PastAttempt]:
    extra = columns.extra.get(slot)
    return extra.past if extra is not None else []
