"""The attempts of a task that are over: how one is put aside, and what late words still belong to it."""

from __future__ import annotations

from lazycelery.model.states import State
from lazycelery.store import marks
from lazycelery.store.columns import NAN, Columns, PastAttempt

MAX_PAST = 50
"""A poison task runs thousands of times; its last attempts tell enough."""
MOST_RETRIES = 32_767
"""More are shown as so many: a task that asks again and again for something gets there in some days."""
RACE = 1.0
"""Seconds: a retry may start elsewhere before the old worker has said that it retries, and a result
may be there before the events of its run."""

WITH_ERROR = (State.FAILURE, State.RETRY, State.REVOKED)


def open_attempt(columns: Columns, slot: int, retries: int = -1) -> None:
    """Put the present attempt aside and begin the next one."""
    extra = columns.extras(slot)
    extra.past = (*extra.past[1 - MAX_PAST :], _present(columns, slot))
    columns.attempt[slot] += columns.attempt[slot] < 65_535
    columns.retries[slot] = min(retries, MOST_RETRIES)
    columns.clock[slot] = 0
    columns.worker[slot] = 0
    columns.sent[slot] = columns.received[slot] = columns.started[slot] = columns.finished[slot] = NAN
    columns.runtime[slot] = columns.wait[slot] = NAN
    columns.marks[slot] &= ~marks.RUN_LOST
    columns.told[slot] &= ~marks.OF_RUN
    columns.eta.pop(slot)


def _present(columns: Columns, slot: int) -> PastAttempt:
    state = columns.state[slot]
    if columns.marks[slot] & marks.RUN_LOST:
        state = State.LOST
    return PastAttempt(
        number=columns.attempt[slot],
        worker=columns.worker[slot],
        retries=columns.retries[slot],
        sent=columns.sent[slot],
        received=columns.received[slot],
        started=columns.started[slot],
        finished=columns.finished[slot],
        by_result=ended_by_result(columns, slot),
        state=state,
        error=columns.sealed.text("error", slot) if state in WITH_ERROR else None,
        traceback=columns.traceback.get(slot) if state in (State.FAILURE, State.RETRY) else None,
    )


def ended_by_result(columns: Columns, slot: int) -> bool:
    """Whether the present end is the result backend's word."""
    return columns.told[slot] != 0 and columns.teller(slot, "finished") == "result"


def sent_before(columns: Columns, slot: int, at: float, retries: int) -> bool:
    """Whether a publication is that of a past attempt; if so it is written there."""
    for past in _past(columns, slot):
        if past.sent == at:
            return True
        if past.sent == past.sent or past.started < at or past.finished < at:
            continue
        if past.retries == retries or (past.retries < 0 and not retries):
            past.sent = at
            return True
    return False


def started_before(columns: Columns, slot: int, worker: int, at: float) -> bool:
    """Whether a start belongs to a past attempt; if so it is written there."""
    for past in reversed(_past(columns, slot)):
        if past.worker not in (0, worker) or past.started == at:
            if past.started == at and past.worker == worker:
                return True
            continue
        ended = past.finished + RACE if past.by_result else past.finished
        if past.started != past.started and not past.received > at and not ended < at:
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
        if past.by_result and past.state == state and not (mine and started <= at):
            if abs(past.finished - at) <= RACE:
                return past
            continue
        if past.finished == past.finished or not _open(past):
            continue
        if state != State.RETRY and columns.retries[slot] > past.retries >= 0:
            # that one must have been retried: only the present one can have ended so
            continue
        if started != started or not mine or (state == State.RETRY and at < started + RACE) or at < started:
            return past
    return None


def result_before(
    columns: Columns, slot: int, done: float, state: int, dated: bool = True
) -> PastAttempt | None:
    """The past attempt that a result speaks of, or `None` when it is the present one's. `dated`: it tells
    when that ended; Celery's documents of a retry do not, and stay until the next run begins."""
    if columns.started[slot] <= done:
        return None
    stays = state == State.RETRY and not dated and columns.started[slot] != columns.started[slot]
    for past in reversed(_past(columns, slot)):
        if past.finished == past.finished:
            if past.state == state and (stays or abs(past.finished - done) <= RACE):
                return past
        elif state == State.RETRY and _open(past) and not past.started > done + RACE:
            return past
    return None


def _open(past: PastAttempt) -> bool:
    return past.state not in (State.SUCCESS, State.FAILURE, State.REVOKED, State.REJECTED)


def _past(columns: Columns, slot: int) -> tuple[PastAttempt, ...]:
    extra = columns.extra.get(slot)
    return extra.past if extra is not None else ()
