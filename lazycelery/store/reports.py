"""What control, broker and result backend say of tasks, into the columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from lazycelery.model.message import Message
from lazycelery.model.moments import epoch
from lazycelery.model.reports import ResultReport, TaskReport
from lazycelery.model.states import OF_RESULT, State
from lazycelery.model.task import TRUST
from lazycelery.model.text import short_value
from lazycelery.store import marks
from lazycelery.store.attempts import RACE, open_attempt, result_before
from lazycelery.store.columns import Columns, PastAttempt
from lazycelery.store.fields import EventFields
from lazycelery.store.notes import TAG
from lazycelery.store.runs import ENDED
from lazycelery.store.values import MAX_TEXT, MAX_TRACEBACK, bounded, encode, was_cut

YOUNG = 5.0
"""Seconds: a task that began shortly before a worker was asked may not be in its answer yet."""
NOT_STARTED = frozenset({State.UNKNOWN, State.WAITING, State.SCHEDULED, State.RECEIVED, State.LOST})
SAME_RUN = 2.0
"""Seconds by which event and control may differ about the start of one run."""


class ReportMerge:
    """Writes reports into the columns; a field keeps its most trusted source."""

    def __init__(self, columns: Columns, fields: EventFields, skew: Callable[[int], float]) -> None:
        self.columns = columns
        self.fields = fields
        self.skew = skew
        """Seconds by which a worker's clock is ahead of ours."""

    def task(self, report: TaskReport, at: float) -> int | None:
        """A task in a worker's list."""
        columns = self.columns
        if report.phase == "revoked":
            slot = columns.slots.get(report.id)
            if slot is not None:
                columns.marks[slot] |= marks.REVOKE_FLAGGED
            return slot
        slot = self._slot(report.id, at, "control")
        self._word(slot, "name", report.name, "control")
        self._arguments(slot, report.args, report.kwargs, "control", report.safe)
        self._delivery(slot, report)
        self._phase(slot, report, at)
        return slot

    def result(self, report: ResultReport, at: float) -> int | None:
        """A document of the result backend."""
        state = OF_RESULT.get(report.status, State.STARTED)
        if state is State.UNKNOWN:
            return None
        columns = self.columns
        slot = self._slot(report.id, at, "result")
        self._word(slot, "name", report.name, "result")
        if report.queue is not None and not columns.queue[slot]:
            self._word(slot, "queue", report.queue, "result")
        self._arguments(slot, report.args, report.kwargs, "result", safe=False)
        self._family(slot, None, report.parent_id, report.group_id, "result")
        if report.children:
            columns.extras(slot).children = tuple(bounded(child, 512) for child in report.children[:10_000])
        if report.retries is not None and report.retries > columns.retries[slot]:
            columns.retries[slot] = min(report.retries, 32_767)
        if state in ENDED or state is State.RETRY:
            self._result_end(slot, report, state, at)
        else:
            self._result_progress(slot, report, state, at)
        return slot

    def message(
        self, queue: str, message: Message, at: float, where: Literal["waiting", "in-flight"]
    ) -> int | None:
        """A message in a queue, or delivered and not acknowledged."""
        if not message.id:
            return None
        columns = self.columns
        slot = self._slot(message.id, at, "broker")
        self._word(slot, "name", message.task, "broker")
        self._word(slot, "queue", queue, "broker")
        if message.decoded:
            self._arguments(slot, message.args, message.kwargs, "broker", safe=False)
        self._family(slot, message.root_id, message.parent_id, message.group_id, "broker")
        extra = columns.extras(slot)
        extra.priority, extra.content_type = message.priority, message.content_type
        extra.message_seen = at
        if isinstance(tag := message.headers.get(TAG), str) and message.id:
            columns.notes.tag(message.id, bounded(tag, 64))
        extra.redelivered = message.redelivered if message.redelivered is not None else extra.redelivered
        if message.expires is not None:
            columns.expires[slot] = bounded(message.expires, 64)
        self._message_state(slot, message, at, where)
        return slot

    def sent(self, id: str, name: str | None, queue: str, at: float, retry_of: str) -> int:
        """A task that we published."""
        columns = self.columns
        slot = self._slot(id, at, "broker")
        self._word(slot, "name", name, "broker")
        self._word(slot, "queue", queue, "broker")
        if columns.sent[slot] != columns.sent[slot]:
            columns.sent[slot] = at
            columns.tell(slot, "sent", "broker")
        if columns.state[slot] == State.UNKNOWN:
            columns.set_state(slot, State.WAITING, at)
        columns.extras(slot).retry_of = retry_of
        return slot

    def reconcile(self, worker: str, listed: Sequence[TaskReport], at: float) -> list[int]:
        """Tasks that we think run on a worker and that it does not list (any more): nobody saw their end.

        `Ignore` ends so every time, a lost event now and then. Returns the slots that changed.
        """
        columns = self.columns
        code = columns.workers.codes.get(worker)
        if not code:
            return []
        running = np.flatnonzero(columns.vector("state") == State.STARTED)
        running = running[columns.vector("worker")[running] == code]
        running = running[columns.vector("seen")[running] < at - YOUNG]
        there = {report.id for report in listed}
        return self._unseen([slot for slot in running.tolist() if columns.id[slot] not in there], at)

    def left(self, queue: str, at: float) -> list[int]:
        """Tasks that waited in a queue that is empty now: they were taken, and nobody told by whom."""
        columns = self.columns
        code = columns.queues.codes.get(queue)
        if not code or not columns.by_state[State.WAITING]:
            return []
        waiting = np.flatnonzero(columns.vector("state") == State.WAITING)
        waiting = waiting[columns.vector("queue")[waiting] == code]
        return self._unseen(waiting[columns.vector("seen")[waiting] < at - YOUNG].tolist(), at)

    def _unseen(self, slots: list[int], at: float) -> list[int]:
        columns = self.columns
        for slot in slots:
            columns.set_state(slot, State.UNKNOWN, at)
            columns.marks[slot] |= marks.ENDED_UNSEEN
            columns.touch(slot)
        return slots

    # the parts of a report

    def _slot(self, id: str, at: float, source: str) -> int:
        columns = self.columns
        slot = columns.slots.get(id)
        if slot is None:
            slot = columns.add(bounded(id, 512), at)
        columns.sources[slot] |= marks.SOURCES[source]
        return slot

    def _may(self, slot: int, field: str, empty: bool, source: str) -> bool:
        """Whether `source` may write a field, that is empty or known from elsewhere."""
        if empty:
            return True
        return TRUST[source] >= TRUST[self.columns.teller(slot, field)]

    def _word(
        self, slot: int, field: Literal["name", "worker", "queue"], word: str | None, source: str
    ) -> None:
        columns = self.columns
        numbers: memoryview[int] = getattr(columns, field)
        if word and self._may(slot, field, not numbers[slot], source):
            table = getattr(columns, f"{field}s")
            numbers[slot] = table.code(word)
            columns.tell(slot, field, source)

    def _arguments(self, slot: int, args: Any, kwargs: Any, source: str, safe: bool) -> None:
        for field, value in (("args", args), ("kwargs", kwargs)):
            if value is None:
                continue
            texts: list[str | None] = getattr(self.columns, field)
            if safe or isinstance(value, str):
                # repr text: no better than what an event tells
                if texts[slot] is None:
                    texts[slot] = text = bounded(value)
                    self._cut(slot, field, was_cut(text))
                    self.columns.tell(slot, field, source)
            elif self._may(slot, field, texts[slot] is None, source):
                texts[slot], cut = encode(value)
                self._cut(slot, field, cut)
                self.columns.tell(slot, field, source)

    def _cut(self, slot: int, field: str, cut: bool) -> None:
        bit = marks.CUTS[field]
        self.columns.cut[slot] = self.columns.cut[slot] & ~bit | (bit if cut else 0)

    def _family(
        self, slot: int, root: str | None, parent: str | None, group: str | None, source: str
    ) -> None:
        columns = self.columns
        had = columns.root_id[slot], columns.parent_id[slot]
        self.fields.relate(slot, root, parent)
        if columns.root_id[slot] != had[0]:
            columns.tell(slot, "root_id", source)
        if columns.parent_id[slot] != had[1]:
            columns.tell(slot, "parent_id", source)
        if group is not None:
            columns.extras(slot).group_id = bounded(group, 512)
            columns.tell(slot, "group_id", source)

    def _delivery(self, slot: int, report: TaskReport) -> None:
        columns = self.columns
        extra = columns.extras(slot)
        extra.exchange = report.exchange if report.exchange is not None else extra.exchange
        extra.routing_key = report.routing_key if report.routing_key is not None else extra.routing_key
        extra.priority = report.priority if report.priority is not None else extra.priority
        extra.redelivered = report.redelivered if report.redelivered is not None else extra.redelivered
        extra.pid = report.pid if report.pid is not None else extra.pid
        key = report.routing_key
        # only the default exchange, or a queue of that very name, makes a routing key a queue
        if key and (not report.exchange or key in columns.queues.codes) and not columns.queue[slot]:
            self._word(slot, "queue", key, "control")
        if report.eta is not None:
            columns.eta[slot] = bounded(report.eta, 64)

    def _phase(self, slot: int, report: TaskReport, at: float) -> None:
        columns = self.columns
        state = columns.state[slot]
        if report.phase == "active":
            self._active(slot, report, at)
        elif state in (State.UNKNOWN, State.WAITING, State.LOST) or (
            state == State.RECEIVED and report.phase == "scheduled"
        ):
            if columns.marks[slot] & marks.RUN_LOST:
                self._delivered_again(slot)
            phase = State.SCHEDULED if report.phase == "scheduled" else State.RECEIVED
            columns.set_state(slot, phase, at)
            self._word(slot, "worker", report.worker, "control")
            columns.tell(slot, "state", "control")
            columns.marks[slot] &= ~marks.UNSEEN

    def _active(self, slot: int, report: TaskReport, at: float) -> None:
        columns = self.columns
        began = report.time_start if report.time_start is not None else at
        over = columns.state[slot] in ENDED or columns.state[slot] == State.RETRY
        if over and not columns.finished[slot] < began - SAME_RUN:
            # the answer is older than the end that we have seen
            return
        if over or columns.started[slot] < began - SAME_RUN:
            open_attempt(columns, slot, columns.retries[slot])
        if columns.state[slot] == State.STARTED and columns.started[slot] == columns.started[slot]:
            return
        if columns.started[slot] != columns.started[slot] and report.time_start is not None:
            columns.started[slot] = began
            columns.tell(slot, "started", "control")
        columns.worker[slot] = columns.workers.code(report.worker)
        columns.tell(slot, "worker", "control")
        columns.set_state(slot, State.STARTED, began)
        columns.tell(slot, "state", "control")
        columns.marks[slot] &= ~marks.UNSEEN

    def _message_state(self, slot: int, message: Message, at: float, where: str) -> None:
        columns = self.columns
        retries = message.retries or 0
        if 0 <= columns.retries[slot] < retries:
            open_attempt(columns, slot, retries)
            columns.set_state(slot, State.RETRY, at)
        columns.retries[slot] = max(columns.retries[slot], min(retries, 32_767))
        if message.eta is not None:
            columns.eta[slot] = bounded(message.eta, 64)
        state = columns.state[slot]
        run_lost = columns.marks[slot] & marks.RUN_LOST
        if state == State.UNKNOWN and columns.marks[slot] & marks.ENDED_UNSEEN:
            # a message held unacknowledged can be of a run that is over, or an older look
            back = where == "waiting" and at >= columns.since[slot]
            if back:
                if columns.started[slot] == columns.started[slot]:
                    self._delivered_again(slot)
                columns.marks[slot] &= ~marks.ENDED_UNSEEN
        else:
            back = state in (State.LOST, State.UNKNOWN)
        if back:
            columns.set_state(slot, State.WAITING, at)
            columns.tell(slot, "state", "broker")
        if where == "in-flight" and columns.state[slot] == State.WAITING and not run_lost:
            late = (epoch(message.eta) or 0.0) > at
            columns.set_state(slot, State.SCHEDULED if late else State.RECEIVED, at)
            columns.tell(slot, "state", "broker")
        if message.age is not None and columns.sent[slot] != columns.sent[slot] and where == "waiting":
            columns.sent[slot] = at - message.age
            columns.tell(slot, "sent", "broker")

    def _result_progress(self, slot: int, report: ResultReport, state: State, at: float) -> None:
        columns = self.columns
        if columns.marks[slot] & marks.RUN_LOST and not self._goes_on(slot, report):
            return
        told = report.result if isinstance(report.result, dict) else {}
        if report.status not in OF_RESULT:
            columns.extras(slot).progress = encode(report.result)[0]
        if report.status == "STARTED":
            pid, worker = told.get("pid"), told.get("hostname")
            columns.extras(slot).pid = pid if isinstance(pid, int) else columns.extras(slot).pid
            if isinstance(worker, str) and not columns.worker[slot]:
                self._word(slot, "worker", worker, "result")
        if columns.state[slot] in NOT_STARTED:
            columns.set_state(slot, state, at)
            columns.tell(slot, "state", "result")
            columns.marks[slot] &= ~marks.RUN_LOST

    def _goes_on(self, slot: int, report: ResultReport) -> bool:
        """Whether a document of a run that counts as lost is news: the old one can be read again."""
        columns = self.columns
        told = report.result if isinstance(report.result, dict) else {}
        if report.status != "STARTED":
            extra = columns.extra.get(slot)
            return extra is None or extra.progress != encode(report.result)[0]
        if told.get("hostname") in (None, columns.workers.texts[columns.worker[slot]]):
            return False
        self._delivered_again(slot)
        return True

    def _delivered_again(self, slot: int) -> None:
        open_attempt(self.columns, slot, self.columns.retries[slot])
        self.columns.marks[slot] |= marks.DELIVERED_AGAIN

    def _result_end(self, slot: int, report: ResultReport, state: State, at: float) -> None:
        columns = self.columns
        done = report.date_done
        if done is None:
            done = at + self.skew(columns.worker[slot])
        past = result_before(columns, slot, done, state, report.date_done is not None)
        if past is not None:
            _past_end(past, report, state, done)
            if state is State.RETRY and report.result is not None and self._waits_for_retry(slot):
                self.fields.text(slot, "error", error_text(report.result))
            return
        if self._stale(slot, done, state):
            return
        over = columns.state[slot] == state and columns.finished[slot] == columns.finished[slot]
        if not over:
            columns.set_state(slot, state, done)
            columns.tell(slot, "state", "result")
            columns.finished[slot] = done
            columns.tell(slot, "finished", "result")
            self.fields.runtime(slot)
        columns.marks[slot] &= ~marks.UNSEEN
        if report.worker and not columns.worker[slot]:
            self._word(slot, "worker", report.worker, "result")
        self._outcome(slot, report, state)

    def _stale(self, slot: int, done: float, state: State) -> bool:
        """Whether a result speaks of an attempt before the present one."""
        columns = self.columns
        old = columns.state[slot]
        if old in ENDED:
            return columns.finished[slot] > done + SAME_RUN or (
                old != state and not columns.finished[slot] < done
            )
        if state is State.RETRY:
            return self._stale_retry(slot, done)
        return columns.started[slot] > done + SAME_RUN or columns.received[slot] > done + SAME_RUN

    def _stale_retry(self, slot: int, done: float) -> bool:
        columns = self.columns
        began = [columns.sent[slot], columns.received[slot], columns.started[slot]]
        known = [at for at in began if at == at]
        if not known:
            return columns.state[slot] != State.UNKNOWN
        # More retries than attempts that we saw: it may be one of those that we did not see.
        unseen = columns.retries[slot] > columns.attempt[slot]
        return max(known) > done + (-RACE if unseen else RACE)

    def _waits_for_retry(self, slot: int) -> bool:
        columns = self.columns
        return columns.started[slot] != columns.started[slot] and columns.state[slot] not in ENDED

    def _outcome(self, slot: int, report: ResultReport, state: State) -> None:
        columns = self.columns
        if state is State.SUCCESS:
            text, cut = encode(report.result)
            if report.status != "IGNORED":
                columns.result[slot] = text
                self._cut(slot, "result", cut or report.cut)
                columns.tell(slot, "result", "result")
            return
        if report.result is not None:
            columns.error[slot] = error_text(report.result)
            self._cut(slot, "error", report.cut)
            columns.tell(slot, "error", "result")
        if report.traceback is not None:
            columns.traceback[slot] = bounded(report.traceback, MAX_TRACEBACK)
            columns.tell(slot, "traceback", "result")


def _past_end(past: PastAttempt, report: ResultReport, state: State, done: float) -> None:
    if past.finished != past.finished:
        past.finished, past.state, past.by_result = done, state, True
    if state is not State.SUCCESS:
        if past.error is None and report.result is not None:
            past.error = error_text(report.result)
        if past.traceback is None and report.traceback is not None:
            past.traceback = bounded(report.traceback, MAX_TRACEBACK)


def error_text(result: Any) -> str:
    """An exception as a result document tells it, the way an event would: `ValueError('boom')`."""
    if not isinstance(result, dict) or not isinstance(result.get("exc_type"), str):
        return bounded(result)
    message = result.get("exc_message")
    parts = message if isinstance(message, (list, tuple)) else [message]
    said = ", ".join(short_value(part, MAX_TEXT) for part in parts if part is not None)
    return bounded(f"{result['exc_type']}({said})")
