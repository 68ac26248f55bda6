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
from lazycelery.store.loss import Loss
from lazycelery.store.marks import SOURCES
from lazycelery.store.mending import MAX_ID
from lazycelery.store.shards import MASK
from lazycelery.store.statistics import COUNTED
from lazycelery.store.tally import Tally
from lazycelery.store.told import LATEST, NO_SPAN
from lazycelery.store.values import MAX_TRACEBACK, NUL, REPR_LIMIT, bounded
from lazycelery.store.workers import WorkerRecord, Workers

SENT, RECEIVED, STARTED, SUCCEEDED, FAILED = (
    COUNTED[f"task-{name}"] for name in ("sent", "received", "started", "succeeded", "failed")
)
KINDS = {kind: code for kind, code in COUNTED.items() if code <= FAILED}
AFTER_SENT, AFTER_RECEIVED, AFTER_BOTH, AFTER_STARTED = 1, 2, 3, 4
"""How far a life has come, `AFTER_RECEIVED` without that its sending was told; 0 for one that is not plain,
or over."""
WAITING, HERE, RUNS = int(State.WAITING), int(State.RECEIVED), int(State.STARTED)
ENDS = {SUCCEEDED: int(State.SUCCESS), FAILED: int(State.FAILURE)}
EVENT = SOURCES["event"]
WRONG = (TypeError, ValueError, OverflowError, AttributeError)
NOBODY = object()
"""No worker: the next event's is looked up."""


class Unusual(ValueError):
    """An event that is not plain."""


class PlainLives:
    """Writes plain events into the columns, and counts them."""

    def __init__(self, columns: Columns, fields: EventFields, workers: Workers, tally: Tally) -> None:
        self._columns, self._fields, self._workers, self._tally = columns, fields, workers, tally

    def take(self, events: Sequence[Event], told: list[float], carefully: Callable[[Event], None]) -> None:
        """Take in a batch, and note in `told` what is counted. What is not plain goes to `carefully`, when
        its turn comes."""
        columns, fields, tally, begin = self._columns, self._fields, self._tally, self._begin
        parts, life = columns.slots.parts, columns.life
        known, only_queue = self._workers.known, fields.only_queue
        received_at, worker_of, queue_of = columns.received, columns.worker, columns.queue
        states, since, seen, stamps = columns.state, columns.since, columns.seen, columns.stamp
        by_state = columns.by_state
        host, arrived, worker = NOBODY, 0.0, 0
        record: WorkerRecord
        loss: Loss
        for event in events:
            try:
                kind = KINDS.get(event.type)
                at, received, uuid = event.timestamp, event.received, event.uuid
                if kind is None or not 0.0 < at < LATEST:
                    raise Unusual
                if received is not arrived:
                    if not 0.0 < received < LATEST:
                        raise Unusual
                    host, arrived = NOBODY, received
                slot = parts[hash(uuid) & MASK].get(uuid)  # type: ignore[arg-type]
                span, before = NO_SPAN, 0
                if kind == SENT:
                    if slot is not None:
                        raise Unusual
                    slot, sender, after = begin(event), 0, WAITING
                    columns.sent[slot] = at
                    tally.sending(queue_of[slot])
                    life[slot] = AFTER_SENT
                else:
                    if event.hostname is not host:
                        # Events of one worker come together: it is looked up once for them.
                        found = known.get(event.hostname)
                        if found is None or not found.code:
                            raise Unusual
                        host, record, loss, worker = event.hostname, found, found.loss, found.code
                        record.last_seen = received
                        if loss.quiet or not loss.events:
                            loss.task_event()
                    sender = worker
                    if kind == RECEIVED:
                        if slot is None:
                            slot, stage = begin(event), AFTER_RECEIVED
                        elif life[slot] != AFTER_SENT or event.retries or event.eta is not None:
                            raise Unusual
                        else:
                            fields.describe(slot, event)
                            stage = AFTER_BOTH
                            before = WAITING
                        received_at[slot], worker_of[slot] = at, worker
                        if worker in only_queue and not queue_of[slot]:
                            fields.guess_queue(slot, worker)
                        life[slot], after = stage, HERE
                    elif slot is None or worker_of[slot] != worker:
                        raise Unusual
                    elif kind == STARTED:
                        stage = life[slot]
                        if stage == AFTER_BOTH:
                            span = at - columns.sent[slot]
                            if span < 0:
                                raise Unusual
                        elif stage != AFTER_RECEIVED:
                            raise Unusual
                        if received_at[slot] > at:
                            raise Unusual
                        columns.started[slot] = at
                        if stage == AFTER_BOTH:
                            columns.wait[slot] = span
                        tally.received += 1
                        loss.started += 1
                        record.last_start = at
                        if queue := queue_of[slot]:
                            tally.taking(queue)
                        life[slot], before, after = AFTER_STARTED, HERE, RUNS
                    elif life[slot] == AFTER_STARTED:
                        span = self._end(slot, event, kind, at)
                        record.last_end = at
                        if kind == FAILED:
                            tally.failed(record)
                        life[slot], before, after = 0, RUNS, ENDS[kind]
                    else:
                        raise Unusual
                by_state[before] -= 1
                by_state[after] += 1
                states[slot], since[slot], seen[slot] = after, at, received
                stamps[slot] = columns.changes = columns.changes + 1  # In this order, as `touch` does.
                told += (kind, slot, sender, span, at, received)
            except WRONG:
                host = NOBODY  # It may become another one.
                carefully(event)

    def _begin(self, event: Event) -> int:
        """The slot of a task that is new, with what the event says of it. Raises `Unusual`."""
        uuid = event.uuid
        if event.retries or event.eta is not None or type(uuid) is not str or len(uuid) > MAX_ID:
            raise Unusual
        columns, fields = self._columns, self._fields
        name = columns.names.codes.get(event.name)
        if name is None:
            name = columns.names.code(event.name)
        queue = 0 if event.queue is None else columns.queues.code(event.queue)
        slot = columns.add(uuid, event.received)
        columns.sources[slot], columns.name[slot] = EVENT, name
        if queue:
            columns.queue[slot] = queue
        if event.retries is not None:
            columns.retries[slot] = 0
        text = event.args
        if type(text) is str and 4 < len(text) < REPR_LIMIT and text[0] != NUL and "..." not in text:
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
        if type(text) is str and 4 < len(text) < REPR_LIMIT and text[0] != NUL and "..." not in text:
            columns.result[slot] = text
        elif text is not None:
            self._fields.text(slot, "result", text)
        return span
