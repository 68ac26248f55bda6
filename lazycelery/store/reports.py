"""What workers and the broker say of tasks, into the columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from lazycelery.model.message import Message
from lazycelery.model.moments import epoch
from lazycelery.model.reports import TaskReport
from lazycelery.model.states import State
from lazycelery.store import marks
from lazycelery.store.attempts import MOST_RETRIES, open_attempt
from lazycelery.store.notes import TAG
from lazycelery.store.runs import ENDED
from lazycelery.store.told_fields import SAME_RUN, ToldFields
from lazycelery.store.values import bounded

YOUNG = 5.0
"""Seconds: a task that began shortly before a worker was asked may not be in its answer yet."""


class ReportMerge(ToldFields):
    """Writes what workers and the broker tell of tasks into the columns."""

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

    def reconcile(
        self, worker: str, listed: Sequence[TaskReport], at: float, asked: float | None = None
    ) -> list[int]:
        """Tasks that we think run on a worker and that it does not list (any more): nobody saw their end.
        It was `asked` when, and the answer was there `at`.

        `Ignore` ends so every time, a lost event now and then. Returns the slots that changed.
        """
        columns = self.columns
        code = columns.workers.codes.get(worker)
        if not code:
            return []
        running = np.flatnonzero(columns.vector("state") == State.STARTED)
        running = running[columns.vector("worker")[running] == code]
        running = running[columns.vector("seen")[running] < (at if asked is None else asked) - YOUNG]
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
        retries = min(message.retries or 0, MOST_RETRIES)
        if 0 <= columns.retries[slot] < retries:
            open_attempt(columns, slot, retries)
            columns.set_state(slot, State.RETRY, at)
        columns.retries[slot] = max(columns.retries[slot], retries)
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
