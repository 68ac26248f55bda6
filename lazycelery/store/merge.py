"""Task events into columns: each writes its own fields, and a state only gives way to a later one
of the same attempt."""

from __future__ import annotations

from collections.abc import Callable

from lazycelery.model.event import Event
from lazycelery.model.moments import epoch
from lazycelery.model.states import State
from lazycelery.store import marks
from lazycelery.store.attempts import (
    MOST_RETRIES,
    ended_before,
    ended_by_result,
    open_attempt,
    sent_before,
)
from lazycelery.store.columns import NAN, Columns, PastAttempt
from lazycelery.store.fields import EventFields
from lazycelery.store.lost import run_again_alive
from lazycelery.store.runs import ENDED, Runs
from lazycelery.store.told import LATEST
from lazycelery.store.values import MAX_TRACEBACK, bounded, encode

WAITING, SCHEDULED, RECEIVED = int(State.WAITING), int(State.SCHEDULED), int(State.RECEIVED)
STARTED, RETRY, SUCCESS = int(State.STARTED), int(State.RETRY), int(State.SUCCESS)
FAILURE, REVOKED, REJECTED = int(State.FAILURE), int(State.REVOKED), int(State.REJECTED)
UNKNOWN = int(State.UNKNOWN)
EVENT = marks.SOURCES["event"]


class EventMerge:
    """Writes task events into the columns. Handlers raise `TypeError` or `ValueError` for wrong types."""

    def __init__(self, columns: Columns, skew: Callable[[int], float]) -> None:
        self.columns = columns
        self.fields = EventFields(columns)
        self.runs = Runs(columns, skew)
        self.handlers: dict[str, Callable[[Event], int]] = {
            "task-sent": self._sent,
            "task-received": self._received,
            "task-started": self._started,
            "task-succeeded": self._succeeded,
            "task-failed": self._failed,
            "task-retried": self._retried,
            "task-revoked": self._revoked,
            "task-rejected": self._rejected,
            "task-cancelled": self._cancelled,
        }

    def custom(self, event: Event) -> int:
        """An event of the user's own: it tells progress, and no state but that it is alive."""
        columns = self.columns
        known = columns.slots.get(event.uuid or "")
        slot = known if known is not None else self._new(event)
        columns.extras(slot).progress = encode(event.extra or {"type": event.type})[0]
        if columns.marks[slot] & marks.RUN_LOST:
            run_again_alive(columns, slot)
        return slot

    # one handler a type; each returns the slot it changed

    def _sent(self, event: Event) -> int:
        columns, at = self.columns, event.timestamp
        slot = columns.slots.get(event.uuid)  # type: ignore[arg-type]
        if slot is None:
            slot = self._new(event)
            self.fields.describe(slot, event)
            columns.sent[slot] = at
            columns.set_state(slot, WAITING, at)
            return slot
        retries = min(event.retries or 0, MOST_RETRIES)
        if columns.attempt[slot] and sent_before(columns, slot, at, retries):
            self.fields.describe(slot, event, late=True)
            return slot
        if self.runs.sent_again(slot, at, retries):
            ran = columns.state[slot] != UNKNOWN
            open_attempt(columns, slot, retries)
            columns.set_state(slot, RETRY if ran and retries else WAITING, at)
        if columns.sent[slot] != columns.sent[slot] and retries >= columns.retries[slot]:
            columns.sent[slot] = at
            if columns.state[slot] == UNKNOWN and columns.started[slot] != columns.started[slot]:
                columns.set_state(slot, WAITING, at)
            self.fields.wait(slot)
        self.fields.describe(slot, event)
        return slot

    def _received(self, event: Event) -> int:
        columns, at = self.columns, event.timestamp
        worker = columns.workers.code(event.hostname)
        slot = columns.slots.get(event.uuid)  # type: ignore[arg-type]
        retries = min(event.retries or 0, MOST_RETRIES)
        if slot is None:
            slot = self._new(event)
        else:
            plain = columns.received[slot] != columns.received[slot] and columns.state[slot] <= RECEIVED
            plain = plain and not columns.marks[slot] & marks.RUN_LOST
            plain = plain and not retries > columns.retries[slot] >= 0
            if not plain and not self.runs.received_again(slot, worker, at, retries):
                self.fields.describe(slot, event, late=True)
                return slot
        columns.received[slot] = at
        run_lost = columns.marks[slot] & marks.RUN_LOST
        if columns.state[slot] == STARTED or run_lost or self.runs.over(slot):
            # late: the start or the end has overtaken it
            columns.worker[slot] = columns.worker[slot] or worker
            self.fields.describe(slot, event)
            self.fields.wait(slot)
            return slot
        columns.worker[slot] = worker
        self.fields.describe(slot, event)
        waits = event.eta is not None and (epoch(event.eta) or 0.0) > at
        columns.set_state(slot, SCHEDULED if waits else RECEIVED, at)
        self.fields.guess_queue(slot, worker)
        return slot

    def _started(self, event: Event) -> int:
        columns, at = self.columns, event.timestamp
        worker = columns.workers.code(event.hostname)
        slot = columns.slots.get(event.uuid)  # type: ignore[arg-type]
        if slot is None:
            slot = self._new(event)
        elif self.runs.is_old_start(slot, worker, at):
            return slot
        columns.started[slot] = at
        if self.runs.over(slot):
            columns.worker[slot] = columns.worker[slot] or worker
            self.fields.runtime(slot)
        else:
            columns.worker[slot] = worker
            columns.set_state(slot, STARTED, at)
            columns.marks[slot] &= ~marks.UNSEEN
        self.fields.wait(slot)
        return slot

    def _succeeded(self, event: Event) -> int:
        slot, past = self._ended(event, SUCCESS)
        if past is not None:
            return slot
        columns = self.columns
        if columns.state[slot] == SUCCESS:
            if event.runtime is not None and 0.0 <= event.runtime < LATEST:
                columns.runtime[slot] = event.runtime
            if event.result is not None:
                self.fields.text(slot, "result", event.result)
            columns.error[slot] = None
            columns.traceback.pop(slot)
            columns.cut[slot] &= ~(marks.CUTS["error"] | marks.CUTS["traceback"])
        return slot

    def _failed(self, event: Event) -> int:
        return self._fault(event, FAILURE)

    def _retried(self, event: Event) -> int:
        return self._fault(event, RETRY)

    def _fault(self, event: Event, state: int) -> int:
        slot, past = self._ended(event, state)
        columns = self.columns
        error = bounded(event.exception) if event.exception is not None else None
        traceback = bounded(event.traceback, MAX_TRACEBACK) if event.traceback is not None else None
        if past is not None:
            past.error, past.traceback = error, traceback
            if columns.started[slot] == columns.started[slot] or columns.state[slot] in ENDED:
                return slot
        elif columns.state[slot] != state:
            return slot
        if error is not None:
            self.fields.text(slot, "error", error)
        if traceback is not None:
            self.fields.traceback(slot, traceback)
        return slot

    def _revoked(self, event: Event) -> int:
        slot, past = self._ended(event, REVOKED)
        if past is None:
            if event.expired:
                self.columns.marks[slot] |= marks.EXPIRED
            if event.terminated:
                self.columns.marks[slot] |= marks.TERMINATED
        return slot

    def _rejected(self, event: Event) -> int:
        columns = self.columns
        known = columns.slots.get(event.uuid)  # type: ignore[arg-type]
        if known is not None and columns.state[known] == FAILURE and not event.requeue:
            columns.marks[known] |= marks.ALSO_REJECTED
            return known
        slot, past = self._ended(event, REJECTED)
        if past is None and event.requeue and columns.state[slot] == REJECTED:
            retries = columns.retries[slot]
            open_attempt(columns, slot, retries)
            columns.set_state(slot, WAITING, event.timestamp)
        return slot

    def _cancelled(self, event: Event) -> int:
        """Its worker lost the broker and let it go; the broker delivers it again."""
        known = self.columns.slots.get(event.uuid)  # type: ignore[arg-type]
        slot = self._rejected(event) if known is None else known
        self.columns.marks[slot] |= marks.CANCELLED
        if self.columns.state[slot] in (STARTED, RECEIVED):
            open_attempt(self.columns, slot, self.columns.retries[slot])
            self.columns.set_state(slot, WAITING, event.timestamp)
        return slot

    def _ended(self, event: Event, state: int) -> tuple[int, PastAttempt | None]:
        """Write an end to the attempt it belongs to: the past one that is returned, or the present."""
        columns, at = self.columns, event.timestamp
        worker = columns.workers.code(event.hostname)
        slot = columns.slots.get(event.uuid)  # type: ignore[arg-type]
        if slot is None:
            slot = self._new(event)
        elif columns.attempt[slot]:
            past = ended_before(columns, slot, worker, at, state)
            if past is not None:
                past.finished, past.state, past.by_result = at, state, False
                return slot, past
        if not self.runs.ends(slot, at, state):
            return slot, None
        if ended_by_result(columns, slot):
            # an event's times are all of one clock
            columns.runtime[slot] = NAN
            columns.tell(slot, "finished", "event")
        columns.worker[slot] = worker
        columns.finished[slot] = at
        columns.marks[slot] &= ~(marks.UNSEEN | marks.STATE_INFERRED)
        columns.set_state(slot, state, at)
        self.fields.runtime(slot)
        return slot, None

    def _new(self, event: Event) -> int:
        slot = self.columns.add(event.uuid, event.received or event.timestamp)  # type: ignore[arg-type]
        self.columns.sources[slot] = EVENT
        return slot
