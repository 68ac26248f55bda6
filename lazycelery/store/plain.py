"""The everyday events, which are nearly all: sent, received, started and ended as it should be, in order.

They are written in one pass, without a call an event. `Columns.life` says of each slot how far such a life
has come; whoever else changes a slot (`Columns.touch`) ends that, and from then on the task goes the
careful way, as does every event that is the least unusual.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lazycelery.model.event import Event
from lazycelery.model.states import State
from lazycelery.store.columns import Columns
from lazycelery.store.fields import EventFields
from lazycelery.store.marks import SOURCES
from lazycelery.store.mending import MAX_ID
from lazycelery.store.shards import MASK
from lazycelery.store.statistics import COUNTED
from lazycelery.store.tally import Tally
from lazycelery.store.told import LATEST, NO_SPAN
from lazycelery.store.values import MAX_TRACEBACK, REPR_LIMIT, bounded
from lazycelery.store.workers import Workers

SENT, RECEIVED, STARTED, SUCCEEDED, FAILED = (
    COUNTED[f"task-{name}"] for name in ("sent", "received", "started", "succeeded", "failed")
)
KINDS = {kind: code for kind, code in COUNTED.items() if code <= FAILED}
AFTER_SENT, AFTER_RECEIVED, AFTER_STARTED = 1, 2, 3
"""How far a life has come; 0 for one that is not plain, or over."""
WAITING, HERE, RUNS = int(State.WAITING), int(State.RECEIVED), int(State.STARTED)
ENDS = {SUCCEEDED: int(State.SUCCESS), FAILED: int(State.FAILURE)}
EVENT = SOURCES["event"]
WRONG = (TypeError, ValueError, OverflowError, AttributeError)


class PlainLives:
    """Writes plain events into the columns, and counts them."""

    def __init__(self, columns: Columns, fields: EventFields, workers: Workers, tally: Tally) -> None:
        self._columns, self._fields, self._workers, self._tally = columns, fields, workers, tally

    def take(self, events: Sequence[Event], told: list[float], carefully: Callable[[Event], None]) -> None:
        """Take in a batch, and note in `told` what is counted. What is not plain goes to `carefully`, when
        its turn comes."""
        columns, tally = self._columns, self._tally
        parts, life, known = columns.slots.parts, columns.life, self._workers.known
        states, since, seen, stamps = columns.state, columns.since, columns.seen, columns.stamp
        received_at, worker_of, by_state = columns.received, columns.worker, columns.by_state
        for event in events:
            try:
                kind = KINDS.get(event.type)
                at, received, uuid = event.timestamp, event.received, event.uuid
                if kind is None or not 0.0 < at < LATEST or not 0.0 < received < LATEST:
                    carefully(event)
                    continue
                slot = parts[hash(uuid) & MASK].get(uuid)  # type: ignore[arg-type]
                worker, span, before = 0, NO_SPAN, 0
                if kind == SENT:
                    if slot is not None or (slot := self._begin(event)) is None:
                        carefully(event)
                        continue
                    columns.sent[slot] = at
                    tally.sending(columns.queue[slot])
                    life[slot], after = AFTER_SENT, WAITING
                else:
                    record = known.get(event.hostname)
                    if record is None or not (worker := record.code):
                        carefully(event)
                        continue
                    if kind == RECEIVED:
                        if slot is None:
                            slot = self._begin(event)
                        elif life[slot] != AFTER_SENT or event.retries or event.eta is not None:
                            slot = None
                        else:
                            self._fields.describe(slot, event)
                            before = WAITING
                        if slot is None:
                            carefully(event)
                            continue
                        received_at[slot], worker_of[slot] = at, worker
                        if not columns.queue[slot]:
                            self._fields.guess_queue(slot, worker)
                        life[slot], after = AFTER_RECEIVED, HERE
                    elif slot is None or worker_of[slot] != worker:
                        carefully(event)
                        continue
                    elif kind == STARTED:
                        sent = columns.sent[slot]
                        if life[slot] != AFTER_RECEIVED or received_at[slot] > at or sent > at:
                            carefully(event)
                            continue
                        columns.started[slot] = at
                        if sent == sent:
                            columns.wait[slot] = span = at - sent
                        tally.starting(record, columns.queue[slot], at)
                        life[slot], before, after = AFTER_STARTED, HERE, RUNS
                    else:
                        if life[slot] != AFTER_STARTED:
                            carefully(event)
                            continue
                        span = self._end(slot, event, kind, at)
                        record.last_end = at
                        if kind == FAILED:
                            tally.failed(record)
                        life[slot], before, after = 0, RUNS, ENDS[kind]
                    record.last_seen = received
                    loss = record.loss
                    if loss.quiet or not loss.events:
                        loss.task_event()
                by_state[before] -= 1
                by_state[after] += 1
                states[slot], since[slot], seen[slot] = after, at, received
                stamps[slot] = columns.changes = columns.changes + 1  # In this order, as `touch` does.
                told += (kind, slot, worker, span, at, received)
            except WRONG:
                carefully(event)

    def _begin(self, event: Event) -> int | None:
        """The slot of a task that is new, with what the event says of it; `None` where it is not plain."""
        uuid = event.uuid
        if event.retries or event.eta is not None or type(uuid) is not str or len(uuid) > MAX_ID:
            return None
        columns, fields = self._columns, self._fields
        name, queue = columns.names.code(event.name), columns.queues.code(event.queue)
        slot = columns.add(uuid, event.received)
        columns.sources[slot], columns.name[slot], columns.queue[slot] = EVENT, name, queue
        if event.retries is not None:
            columns.retries[slot] = 0
        text = event.args
        if type(text) is str and 4 < len(text) < REPR_LIMIT and "..." not in text:
            columns.args[slot] = text
        elif text is not None:
            fields.text(slot, "args", text)
        text = event.kwargs
        if text is not None:
            pooled = fields.pool.get(text)
            if pooled is not None:
                columns.kwargs[slot] = pooled
            else:
                fields.text(slot, "kwargs", text)
        if event.expires is not None:
            columns.expires[slot] = bounded(event.expires, 64)
        if event.root_id == uuid and event.parent_id is None:
            columns.root_id[slot] = uuid
        else:
            fields.relate(slot, event.root_id, event.parent_id)
        return slot

    def _end(self, slot: int, event: Event, kind: int, at: float) -> float:
        """What a success or a failure says; returns the run time, `NO_SPAN` where there is none."""
        columns, span = self._columns, event.runtime if kind == SUCCEEDED else None
        if span is None:
            span = at - columns.started[slot]
        if 0.0 <= span < LATEST:
            columns.runtime[slot] = span
        else:
            span = NO_SPAN
        columns.finished[slot] = at
        if kind == FAILED:
            if event.exception is not None:
                self._fields.text(slot, "error", event.exception)
            if event.traceback is not None:
                self._fields.traceback(slot, bounded(event.traceback, MAX_TRACEBACK))
            return span
        text = event.result
        if type(text) is str and 4 < len(text) < REPR_LIMIT and "..." not in text:
            columns.result[slot] = text
        elif text is not None:
            self._fields.text(slot, "result", text)
        return span
