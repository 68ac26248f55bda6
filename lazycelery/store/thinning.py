"""What is let go while more comes in than can be taken: long texts, then successes; never a failure.

A task that is new while successes are thinned out is held back: its events wait beside the columns. If it
succeeds, it was counted and is forgotten; whatever else becomes of it, and also when it runs for long, it
enters the columns with all that was told of it.
"""

from __future__ import annotations

from itertools import islice

import msgspec

from lazycelery.model.event import Event
from lazycelery.model.relief import STAGES, Relief, Stage
from lazycelery.store.columns import NAN, Columns
from lazycelery.store.mending import checked
from lazycelery.store.statistics import COUNTED, Figures
from lazycelery.store.tally import Tally
from lazycelery.store.told import LATEST, NO_SPAN

SHORT = 48
"""Characters of a text that is kept at every stage: it costs next to nothing."""
MOST_HELD = 50_000
"""Tasks held back at the same time."""
MOST_EVENTS = 8
"""Events of one of them: more tell that it is no simple one."""
HOLD = 5.0
"""Seconds for which a task is held back."""
AT_ONCE = 64
"""Tasks looked at for their age with one batch."""
SENT, RECEIVED, STARTED, SUCCEEDED = "task-sent", "task-received", "task-started", "task-succeeded"
FIRST = frozenset((SENT, RECEIVED, STARTED))
"""Events with which a task may begin to be held back."""


class Held:
    """One task that waits to be let go, or to be shown after all."""

    __slots__ = ("due", "events", "lost", "name", "queue", "since", "started", "worker")

    def __init__(self, since: float) -> None:
        self.events: list[Event] = []
        self.since = since
        """Arrival of its first event."""
        self.name = self.queue = 0
        """Numbers of the columns' words; 0 while nobody told."""
        self.worker = False
        """A worker has it."""
        self.lost = False
        """A long text of it was let go."""
        self.due = self.started = NAN


class Thinning:
    """Holds back what a `Stage` says, and counts what was let go."""

    def __init__(self, columns: Columns, tally: Tally, figures: Figures, only_queue: dict[int, int]) -> None:
        self._columns, self._tally, self._figures, self._only_queue = columns, tally, figures, only_queue
        self.on = False
        """Something is to be done: a stage is on, or tasks are still held back."""
        self.due: list[Held] = []
        """Tasks to be shown now, in order."""
        self._stage: Stage = STAGES[0]
        self._told = Relief()
        self._held: dict[str, Held] = {}

    def begin(self, number: int, now: float) -> None:
        """Go to a stage of `STAGES`."""
        self._stage, told = STAGES[number], self._told
        told.stage, told.since = number, now
        told.texts_let_go, told.one_in = self._stage
        self.on = bool(number or self._held)

    def missed(self, seconds: float) -> None:
        """For so long nothing was heard, as more came than was read."""
        self._told.cut_off += 1
        self._told.missed += seconds

    def clock_set(self, by: float) -> None:
        """Our clock was set."""
        told = self._told
        told.since = None if told.since is None else told.since + by
        for held in self._held.values():
            held.since += by

    def relief(self) -> Relief:
        """Where it stands."""
        return msgspec.structs.replace(self._told)

    def shorten(self, event: Event) -> bool:
        """Take its long texts from an event; true when there were any. Errors and tracebacks stay."""
        if not self._stage.texts:
            return False
        taken = 0
        if event.args is not None and len(event.args) > SHORT:
            event.args, taken = None, taken + 1
        if event.kwargs is not None and len(event.kwargs) > SHORT:
            event.kwargs, taken = None, taken + 1
        if event.result is not None and len(event.result) > SHORT:
            event.result, taken = None, taken + 1
        self._told.texts += taken
        return taken > 0

    def take(self, event: Event, lost: bool) -> bool:
        """Hold an event back, or let its task go: true, and it was counted. Else it is for the columns,
        after what is `due` by then. Raises `TypeError` or `ValueError` for wrong types."""
        kind, uuid, at = event.type, event.uuid, event.timestamp
        held = self._held.get(uuid)  # type: ignore[arg-type]
        if held is None:
            if self._stage.one_in == 1 or not self._may_begin(event):
                return False
            held = self._held[checked(event).uuid or ""] = Held(event.received)
        elif kind == SUCCEEDED and 0.0 < at < LATEST and uuid not in self._columns.slots:  # type: ignore[operator]
            self._count(held, event, kind, at)
            del self._held[uuid]  # type: ignore[arg-type]
            self._told.successes += 1
            return True
        elif kind not in FIRST or event.retries or len(held.events) >= MOST_EVENTS or not 0.0 < at < LATEST:
            del self._held[uuid]  # type: ignore[arg-type]
            self.due.append(held)
            return False
        self._count(held, event, kind, at)
        held.lost = held.lost or lost
        held.events.append(event)
        return True

    def passes_over(self, id: str, status: str) -> bool:
        """Whether what a result backend says is of a task that is let go."""
        return self._stage.one_in > 1 and status == "SUCCESS" and id not in self._columns.slots

    def may_be_over(self, id: str, since: float | None, at: float) -> bool:
        """Whether a task that another source told as alive at `at` may have been let go meanwhile: nobody
        would ever tell its end. Events show it soon where it lives."""
        young = since is None or at - since < HOLD
        return self._stage.one_in > 1 and young and id not in self._columns.slots

    def look(self, now: float, most: int = AT_ONCE) -> None:
        """See to tasks that were held back long enough: those that a worker has are due; those that still
        wait for one are let go, to be shown when one has them."""
        thin = self._stage.one_in > 1
        for uuid, held in list(islice(self._held.items(), most)):
            if thin and 0 <= now - held.since < HOLD:
                break
            del self._held[uuid]
            if held.worker or not thin:
                self.due.append(held)
            else:
                self._told.waiting += 1
        self.on = bool(self._told.stage or self._held)

    def _may_begin(self, event: Event) -> bool:
        return (
            event.type in FIRST
            and event.eta is None
            and not event.retries
            and hash(event.uuid) % self._stage.one_in != 0
            and len(self._held) < MOST_HELD
            and (event.uuid or "") not in self._columns.slots
        )

    def _count(self, held: Held, event: Event, kind: str, at: float) -> None:
        """As the columns' own events are counted, from what the held ones told."""
        span = NO_SPAN
        if not held.name and event.name is not None:
            held.name = self._columns.names.code(event.name)
        if event.queue is not None:
            held.queue = self._columns.queues.code(event.queue)
        if kind == STARTED:
            held.started, held.worker = at, True
            if held.due == held.due:
                span = max(0.0, at - held.due)
        elif kind == SUCCEEDED:
            span = event.runtime if event.runtime is not None else at - held.started
            span = span if 0.0 <= span < LATEST else NO_SPAN
        elif kind == RECEIVED:
            held.worker = True
        elif held.due != held.due:
            held.due = at
        record = self._tally.known.get(event.hostname)
        if record is None or not (worker := record.code) or kind == SENT:
            worker = self._tally.count(event, held.queue)
        else:
            record.last_seen = event.received
            loss = record.loss
            if loss.quiet or not loss.events:
                loss.task_event()
            if kind == STARTED:
                self._tally.starting(record, held.queue, at)
            elif kind == SUCCEEDED:
                record.last_end = at
        if kind == RECEIVED and not held.queue:
            held.queue = self._only_queue.get(worker, 0)
        if worker >= 0:
            self._figures.named += (COUNTED[kind], held.name, worker, held.queue, span)
