"""Events in batches: put in order, mended where they are wrong, handed to tasks, workers and queues."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import isfinite

import numpy as np
import numpy.typing as npt

from lazycelery.model.event import Event
from lazycelery.store.columns import Columns
from lazycelery.store.loss import Lag, Rate
from lazycelery.store.marks import NOT_KEPT, PAST, SOURCES
from lazycelery.store.mending import checked, mend
from lazycelery.store.merge import EventMerge
from lazycelery.store.plain import WRONG, PlainLives
from lazycelery.store.queues import Queues
from lazycelery.store.statistics import Figures
from lazycelery.store.tally import Tally
from lazycelery.store.thinning import Held, Thinning
from lazycelery.store.told import CODES, COUNTED_BEFORE, NO_SPAN, OTHER, WIDTH, Matrix, Told, matrix
from lazycelery.store.workers import Workers

EVENT = SOURCES["event"]
A_SECOND = 1_000
"""Tasks that were held back and are shown at the end of a second, at most."""


class Intake:
    """Takes events in, whatever they hold."""

    def __init__(self, columns: Columns, merge: EventMerge, workers: Workers, queues: Queues) -> None:
        self.columns = columns
        self.merge = merge
        self.workers = workers
        self.figures = Figures(columns)
        self.tally = Tally(columns, workers, queues)
        self.plain = PlainLives(columns, merge.fields, workers, self.tally)
        self.thinning = Thinning(columns, self.tally, self.figures, merge.fields.only_queue)
        self._numbers: list[float] = []
        """Of the batch that is being taken in, as `Told` has them."""
        self._counted = 0
        """So many of them are counted."""
        self._rows: list[npt.NDArray[np.int64]] = []
        """The identities of these events' tasks."""
        self._others: dict[int, Event] = {}
        self._signs: list[Event] = []
        self._refused: list[Event] = []
        self.told = self._told([])
        """The last batch."""
        self.seen = 0
        self.malformed = 0
        self.rate = Rate()
        self.lag = Lag()
        self.latest = 0.0
        """Arrival of the newest batch, our clock."""

    def apply(self, events: Sequence[Event], waiting: bool = False) -> Sequence[Event]:
        """Take in a batch; returns the events that are kept, which are all of them but under load. `waiting`:
        others waited behind it to be read."""
        self.workers.waiting = waiting
        if not events:
            self.told = self._told([])
            return events
        kept = ordered = in_order(events)
        if self.thinning.on:
            kept = self._thinned(ordered)
        else:
            self.plain.take(ordered, self._numbers, self._carefully)
        self.told = self._told(kept)
        self.seen += len(events)
        self._measure(events[-1], len(events))
        return kept

    def clock_set(self, by: float) -> None:
        """Our clock was set."""
        self.latest += by if self.latest else 0.0
        self.rate.set(by)
        self.figures.rings.set(by)
        self.thinning.clock_set(by)

    def second(self, now: float, seeing: bool, held: float) -> bool:
        """A second is over: what was held back for long is shown, also where no more events come. Returns
        whether anything was; `told` has it then. `held` as for `Rings.tick`."""
        shown: list[Event] = []
        if self.thinning.on:
            self.thinning.look(now, A_SECOND)
            self._show(self.thinning.due, shown)
            if shown:
                self.told = self._told(shown)
        self.figures.tick(now, seeing, held)
        self.rate.look(now)
        return bool(shown)

    def _thinned(self, events: Sequence[Event]) -> list[Event]:
        """The same while something is let go."""
        thinning, plain = self.thinning, self.plain
        kept: list[Event] = []
        shortened: list[Event] = []
        taken = 0
        for event in events:
            lost = False
            try:
                lost = thinning.shorten(event)
                if thinning.take(event, lost):
                    continue
            except WRONG:
                pass  # It is mended, or counted as malformed, when its turn comes.
            if thinning.due:
                plain.take(kept[taken:], self._numbers, self._carefully)
                self._show(thinning.due, kept)
                taken = len(kept)
            kept.append(event)
            if lost:
                shortened.append(event)
        plain.take(kept[taken:], self._numbers, self._carefully)
        for event in shortened:
            self._mark(event)
        thinning.look(events[-1].received)
        self._show(thinning.due, kept)
        return kept

    def _show(self, due: list[Held], kept: list[Event]) -> None:
        """Into the columns with tasks that were held back; their events were counted as they came."""
        while due:
            held = due.pop(0)
            for event in held.events:
                kept.append(event)
                try:
                    slot = self.merge.handlers[event.type](event)
                    self._stamp(slot, event)
                    self._tell(CODES[event.type] + COUNTED_BEFORE, slot, event)
                except WRONG:
                    self._refuse(event)
            if held.lost:
                self._mark(held.events[0])

    def _mark(self, event: Event) -> None:
        slot = self.columns.slots.get(event.uuid or "")
        if slot is not None:
            self.columns.marks[slot] |= NOT_KEPT

    def _carefully(self, event: Event) -> None:
        try:
            self._one(event)
        except WRONG:
            self._mended(event)

    def _mended(self, event: Event) -> None:
        try:
            better = mend(event)
            if better is not None:
                self._one(better)
                return
        except WRONG:
            pass
        self._refuse(event)

    def _refuse(self, event: Event) -> None:
        self.malformed += 1
        self._refused.append(event)

    def _measure(self, event: Event, count: int) -> None:
        at = event.received
        if not isinstance(at, float) or not isfinite(at) or not isinstance(event.timestamp, (float, int)):
            return
        self.latest = at
        self.rate.add(at, count)
        record = self.workers.known.get(event.hostname) if isinstance(event.hostname, str) else None
        if record is not None:
            self.lag.add(record.time(event.timestamp, at, self.workers.waiting), at)

    def _one(self, event: Event) -> None:
        kind = event.type
        handler = self.merge.handlers.get(kind)
        if handler is not None:
            slot = handler(checked(event))
            self._stamp(slot, event)
            worker = self.tally.count(event, self.columns.queue[slot])
            code = CODES[kind]
            if worker < 0:
                self._tell(code + COUNTED_BEFORE, slot, event)
            else:
                self._tell(code, slot, event, worker, self.figures.measured(code, slot, event.timestamp))
            return
        slot = -1
        if kind.startswith("worker-"):
            self.workers.event(event)
            self._signs.append(event)
            if kind not in CODES:
                return  # A heartbeat is a sample, and no event of its own.
        elif event.uuid is not None and (kind.startswith("task-") or event.uuid in self.columns.slots):
            slot = self.merge.custom(checked(event))
            self.columns.seen[slot] = event.received or event.timestamp
            self.columns.touch(slot)
        code = CODES.get(kind, OTHER)
        if code == OTHER:
            self._others[len(self._numbers) // WIDTH] = event
        self._tell(code, slot, event, self.columns.workers.codes.get(event.hostname, 0))

    def settle(self) -> None:
        """Count what was told so far: tasks are about to leave their slots."""
        self._count()
        self.figures.settle()

    def _count(self) -> Matrix:
        """What came since it was last counted. Whose it is must be read while its task has its slot."""
        fresh = matrix(self._numbers[self._counted :] if self._counted else self._numbers)
        self.figures.count(fresh)
        self._rows.append(self.columns.rows_of(fresh[:, 1].astype(np.intp)))
        self._counted = len(self._numbers)
        return fresh

    def _told(self, kept: Sequence[Event]) -> Told:
        """The batch is complete."""
        whole = not self._rows  # It may have been counted while nothing of it was told yet.
        numbers = self._count()
        if not whole:
            numbers = matrix(self._numbers)
        rows = self._rows[0] if whole else np.concatenate(self._rows)
        told = Told(numbers, rows, self._others, self._signs, kept, self._refused)
        self._numbers, self._counted, self._rows, self._others = [], 0, [], {}
        self._signs, self._refused = [], []
        return told

    def _tell(self, code: int, slot: int, event: Event, worker: int = 0, span: float = NO_SPAN) -> None:
        at, received = float(event.timestamp), float(event.received or event.timestamp)
        self._numbers += (code, slot, worker, span, at, received)

    def _stamp(self, slot: int, event: Event) -> None:
        columns = self.columns
        columns.seen[slot] = event.received or event.timestamp
        columns.sources[slot] |= EVENT
        if columns.marks[slot] & PAST:
            columns.marks[slot] &= ~PAST
        columns.touch(slot)


def in_order(events: Sequence[Event]) -> Sequence[Event]:
    """The batch with the events of each sender in the order of its clock, each sender in its old places."""
    last: dict[str, int] = {}
    try:
        for event in events:
            clock = event.clock
            if clock is not None:
                if last.get(event.hostname, clock) > clock:
                    return _sorted(events)
                last[event.hostname] = clock
    except (TypeError, AttributeError):
        pass
    return events


def _sorted(events: Sequence[Event]) -> list[Event]:
    places: dict[str, list[int]] = defaultdict(list)
    for place, event in enumerate(events):
        # custom events come from child processes with clocks of their own
        if event.clock is not None and event.type.startswith(("task-", "worker-")) and event.extra is None:
            places[event.hostname].append(place)
    ordered = list(events)
    for own in places.values():
        for place, source in zip(own, sorted(own, key=lambda place: events[place].clock or 0), strict=True):
            ordered[place] = events[source]
    return ordered
