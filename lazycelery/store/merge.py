"""Task events into columns.

The order of arrival proves little: batches are unordered, workers are many, `received` of the next run
may come before `retried` of the last. So each event writes its own fields, and a state only gives way
to a later one of the same attempt.
"""

from __future__ import annotations

from collections.abc import Callable

from lazycelery.model.event import Event
from lazycelery.model.states import State
from lazycelery.model.task import TRUST
from lazycelery.store import marks
from lazycelery.store.attempts import ended_before, open_attempt, received_before, started_before
from lazycelery.store.columns import Columns, PastAttempt
from lazycelery.store.values import MAX_TRACEBACK, REPR_LIMIT, bounded, encode, moment, was_cut

WAITING, SCHEDULED, RECEIVED = int(State.WAITING), int(State.SCHEDULED), int(State.RECEIVED)
STARTED, RETRY, SUCCESS = int(State.STARTED), int(State.RETRY), int(State.SUCCESS)
FAILURE, REVOKED, REJECTED = int(State.FAILURE), int(State.REVOKED), int(State.REJECTED)
UNKNOWN, LOST = int(State.UNKNOWN), int(State.LOST)
ENDED = frozenset({SUCCESS, FAILURE, REVOKED, REJECTED})
COMMON = {text: text for text in ("{}", "()", "[]", "None", "True", "0", "1")}
"""Texts that a million tasks share."""
EVENT = marks.SOURCES["event"]


class EventMerge:
    """Writes task events into the columns. Handlers raise `TypeError` or `ValueError` for wrong types."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.only_queue: dict[int, int] = {}
        """Queue by worker, for workers that consume one only: what they receive was in it."""
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
        """An event of the user's own: it tells progress, and never a state."""
        columns = self.columns
        known = columns.slots.get(event.uuid or "")
        slot = known if known is not None else self._new(event)
        columns.extras(slot).progress = encode(event.extra or {"type": event.type})[0]
        return slot

    # one handler a type; each returns the slot it changed

    def _sent(self, event: Event) -> int:
        columns, at = self.columns, event.timestamp
        slot = columns.slots.get(event.uuid)  # type: ignore[arg-type]
        if slot is None:
            slot = self._new(event)
            self._describe(slot, event)
            columns.sent[slot] = at
            columns.set_state(slot, WAITING, at)
            return slot
        retries = event.retries or 0
        if self._sent_again(slot, at, retries):
            ran = columns.state[slot] != UNKNOWN
            open_attempt(columns, slot, retries)
            columns.set_state(slot, RETRY if ran and retries else WAITING, at)
        if columns.sent[slot] != columns.sent[slot] and retries >= columns.retries[slot]:
            columns.sent[slot] = at
            if columns.state[slot] == UNKNOWN and columns.started[slot] != columns.started[slot]:
                columns.set_state(slot, WAITING, at)
            self._wait(slot)
        self._describe(slot, event)
        return slot

    def _sent_again(self, slot: int, at: float, retries: int) -> bool:
        columns = self.columns
        known = columns.retries[slot]
        if self._before_end(slot, at):
            return False
        if retries > known >= 0:
            return True
        if known < 0 and retries > 0:
            # how often it ran before was not seen: later than the known start means one run more
            return columns.started[slot] < at
        # the same count sent twice: `replace`, or somebody's own publish under the old id
        return retries == known and columns.sent[slot] < at and columns.started[slot] < at

    def _received(self, event: Event) -> int:
        columns, at = self.columns, event.timestamp
        worker = columns.workers.code(event.hostname)
        slot = columns.slots.get(event.uuid)  # type: ignore[arg-type]
        retries = event.retries or 0
        if slot is None:
            slot = self._new(event)
        else:
            known = columns.retries[slot]
            plain = columns.received[slot] != columns.received[slot] and columns.state[slot] <= RECEIVED
            if (retries > known >= 0 or not plain) and not self._received_again(slot, worker, at, retries):
                self._describe(slot, event, late=True)
                return slot
        columns.received[slot] = at
        if columns.state[slot] == STARTED or self._over(slot):
            # late: the start or the end has overtaken it
            self._describe(slot, event)
            self._wait(slot)
            return slot
        columns.worker[slot] = worker
        self._describe(slot, event)
        waits = event.eta is not None and (moment(event.eta) or 0.0) > at
        columns.set_state(slot, SCHEDULED if waits else RECEIVED, at)
        if not columns.queue[slot] and worker in self.only_queue:
            columns.queue[slot] = self.only_queue[worker]
            columns.tell(slot, "queue", "inferred")
        return slot

    def _received_again(self, slot: int, worker: int, at: float, retries: int) -> bool:
        """Whether a reception of a task that is already under way is to be written to (the then)
        present attempt; opens another one when it begins one."""
        columns = self.columns
        received, known = columns.received[slot], columns.retries[slot]
        if (received == at and columns.worker[slot] == worker) or received_before(
            columns, slot, worker, at, retries
        ):
            return False
        if self._before_end(slot, at):
            return not received > at
        if retries > known >= 0:
            open_attempt(columns, slot, retries)
            columns.set_state(slot, RETRY, at)
            return True
        if 0 <= retries < known:
            return False
        if received != received and self._late_reception(slot, worker, at):
            return True
        if received > at:
            return False
        again = retries == known or (known < 0 and not retries)
        open_attempt(columns, slot, retries)
        columns.set_state(slot, UNKNOWN, at)
        if again:
            columns.marks[slot] |= marks.DELIVERED_AGAIN
        return True

    def _late_reception(self, slot: int, worker: int, at: float) -> bool:
        columns = self.columns
        if columns.worker[slot] not in (0, worker):
            return False
        return not columns.started[slot] < at and not columns.finished[slot] < at

    def _started(self, event: Event) -> int:
        columns, at = self.columns, event.timestamp
        worker = columns.workers.code(event.hostname)
        slot = columns.slots.get(event.uuid)  # type: ignore[arg-type]
        if slot is None:
            slot = self._new(event)
        elif self._is_old_start(slot, worker, at):
            return slot
        columns.started[slot] = at
        if self._over(slot):
            self._ran(slot)
        else:
            columns.worker[slot] = worker
            columns.set_state(slot, STARTED, at)
            columns.marks[slot] &= ~marks.ENDED_UNSEEN
        self._wait(slot)
        return slot

    def _is_old_start(self, slot: int, worker: int, at: float) -> bool:
        """Whether a start tells nothing new of the present attempt; opens another one when it begins one."""
        columns = self.columns
        started = columns.started[slot]
        if columns.attempt[slot] and started_before(columns, slot, worker, at):
            return True
        mine = columns.worker[slot] in (0, worker)
        if (
            started != started
            and mine
            and not columns.finished[slot] < at
            and not columns.received[slot] > at
        ):
            return False
        if started == at and mine:
            return True
        if self._before_end(slot, at):
            return started > at
        if started > at or (started != started and not mine and columns.received[slot] > at):
            return True
        if started != started and mine and columns.received[slot] > at and columns.state[slot] not in ENDED:
            # its worker's clock went back between the two
            return False
        retried = columns.state[slot] == RETRY
        known = columns.retries[slot]
        if retried and started != started and columns.finished[slot] != columns.finished[slot]:
            # the retry was sent, its reception was not seen
            return False
        open_attempt(columns, slot, known + 1 if retried and known >= 0 else known)
        if not retried:
            columns.marks[slot] |= marks.DELIVERED_AGAIN
        columns.set_state(slot, UNKNOWN, at)
        return False

    def _succeeded(self, event: Event) -> int:
        slot, past = self._ended(event, SUCCESS)
        if past is not None:
            return slot
        columns = self.columns
        if columns.state[slot] == SUCCESS:
            if event.runtime is not None:
                columns.runtime[slot] = event.runtime
            if event.result is not None:
                self._text(slot, "result", event.result)
            columns.error[slot] = None
            columns.traceback.pop(slot, None)
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
            self._text(slot, "error", error)
        if traceback is not None and self._may(slot, "traceback"):
            columns.traceback[slot] = traceback
            if len(traceback) >= MAX_TRACEBACK:
                columns.cut[slot] |= marks.CUTS["traceback"]
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
                past.finished, past.state = at, state
                return slot, past
        if not self._ends(slot, at, state):
            return slot, None
        columns.worker[slot] = worker
        columns.finished[slot] = at
        columns.marks[slot] &= ~(marks.ENDED_UNSEEN | marks.STATE_INFERRED)
        columns.set_state(slot, state, at)
        self._ran(slot)
        return slot, None

    def _ends(self, slot: int, at: float, state: int) -> bool:
        """Whether an end may replace what is known of the present attempt."""
        columns = self.columns
        old = columns.state[slot]
        if old == state:
            return not columns.finished[slot] >= at
        if old == REJECTED and state == FAILURE:
            # celery says both for one Reject
            columns.marks[slot] |= marks.ALSO_REJECTED
            return True
        if old in ENDED or old == RETRY:
            return not columns.finished[slot] > at
        return True

    def _before_end(self, slot: int, at: float) -> bool:
        """Whether a moment lies before an end that is known: nothing that was then begins another run."""
        return self.columns.state[slot] in ENDED and at <= self.columns.finished[slot]

    def _over(self, slot: int) -> bool:
        """Whether the present attempt has ended."""
        columns = self.columns
        state = columns.state[slot]
        return state in ENDED or (state == RETRY and columns.finished[slot] == columns.finished[slot])

    def _ran(self, slot: int) -> None:
        columns = self.columns
        if columns.runtime[slot] != columns.runtime[slot]:
            ran = columns.finished[slot] - columns.started[slot]
            if ran >= 0:
                columns.runtime[slot] = ran

    def _new(self, event: Event) -> int:
        slot = self.columns.add(event.uuid, event.received or event.timestamp)  # type: ignore[arg-type]
        self.columns.sources[slot] = EVENT
        return slot

    def _describe(self, slot: int, event: Event, late: bool = False) -> None:
        """What sent and received tell besides the state."""
        columns = self.columns
        if slot in columns.extra and columns.extra[slot].told:
            columns.sources[slot] |= EVENT
        if not columns.name[slot] and event.name is not None:
            columns.name[slot] = columns.names.code(event.name)
        if event.queue is not None and (not columns.queue[slot] or self._beats_guess(slot)):
            columns.queue[slot] = columns.queues.code(event.queue)
        if columns.args[slot] is None and event.args is not None:
            self._text(slot, "args", event.args)
        if columns.kwargs[slot] is None and event.kwargs is not None:
            self._text(slot, "kwargs", event.kwargs)
        if not late and event.retries is not None and columns.retries[slot] < event.retries:
            columns.retries[slot] = min(event.retries, 32_767)
        if event.eta is not None and not late:
            columns.eta[slot] = bounded(event.eta, 64)
        if event.expires is not None:
            columns.expires[slot] = bounded(event.expires, 64)
        if columns.root_id[slot] is None:
            self.relate(slot, event.root_id, event.parent_id)

    def relate(self, slot: int, root: str | None, parent: str | None) -> None:
        """Note root and parent. A retry names itself as its parent: no parent at all."""
        columns = self.columns
        own = columns.id[slot]
        if root is not None and columns.root_id[slot] is None:
            columns.root_id[slot] = own if root == own else self._shared(root)
        if parent is not None and parent != own and columns.parent_id[slot] is None:
            columns.parent_id[slot] = self._shared(parent)
            columns.parent[slot] = hash(parent)

    def _shared(self, id: str) -> str:
        """The same text object as the task's own id has, where we know that task: half the memory."""
        slot = self.columns.slots.get(id)
        return bounded(id, 512) if slot is None else self.columns.id[slot]

    def _beats_guess(self, slot: int) -> bool:
        extra = self.columns.extra.get(slot)
        if extra is None or extra.told.get("queue") != "inferred":
            return False
        del extra.told["queue"]
        return True

    def _text(self, slot: int, field: str, text: str) -> None:
        columns = self.columns
        if not self._may(slot, field):
            return
        if columns.cut[slot]:
            columns.cut[slot] &= ~marks.CUTS[field]
        if type(text) is not str or len(text) >= REPR_LIMIT or "..." in text:
            text = bounded(text)
            if was_cut(text):
                columns.cut[slot] |= marks.CUTS[field]
        elif len(text) <= 4:
            text = COMMON.get(text, text)
        getattr(columns, field)[slot] = text

    def _may(self, slot: int, field: str) -> bool:
        """Whether an event may write a field: not over a source that is trusted more."""
        extra = self.columns.extra.get(slot)
        if extra is None or field not in extra.told:
            return True
        if TRUST[extra.told[field]] > TRUST["event"]:
            return False
        del extra.told[field]
        return True

    def _wait(self, slot: int) -> None:
        """From when it was due (sent, else received, or its ETA) to its start; negative ones are clamped."""
        columns = self.columns
        due = columns.sent[slot]
        if due != due:
            due = columns.received[slot]
        eta = columns.eta.get(slot)
        if eta is not None:
            due = max(due, moment(eta) or due)
        wait = columns.started[slot] - due
        if wait < 0:
            columns.marks[slot] |= marks.WAIT_CLAMPED
            wait = 0.0
        elif columns.marks[slot] & marks.WAIT_CLAMPED:
            columns.marks[slot] &= ~marks.WAIT_CLAMPED
        columns.wait[slot] = wait
