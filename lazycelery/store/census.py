"""The tasks counted by columns, for the doctor: a million of them in a few milliseconds, in slices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from lazycelery.model.facts import NameFacts, TaskFacts, TaskSeen
from lazycelery.model.moments import epoch
from lazycelery.model.relief import Relief
from lazycelery.model.states import State
from lazycelery.store.columns import Columns
from lazycelery.store.statistics import Figures

RUNNING = 200
"""Running, and received, tasks that are looked at, the oldest of each."""
LONG = 4.0
"""Seconds a task must run before its usual time is looked up."""
FEW = 100
"""Lost, or repeated, tasks that are told."""
NAMES = 50
SCHEDULED = 1000
SAMPLED = 2000
"""Ended runs from which the usual time of a name is taken, the last slots."""
WAITING = 20_000
AGAIN = 3
"""Deliveries beyond the first, and beyond retries, that make a message suspect."""
SETTLED = 5.0
"""Seconds after its end from which on a message is not delivered any more."""
LOST_FOR = 3600.0
USUAL_FOR = 30.0
"""Seconds for which a name's usual time is good enough."""
UNREGISTERED = "NotRegistered"
SLICE = 131_072

Slots = npt.NDArray[np.intp]
Steps = Generator[None, None, Any]


class Census:
    """Counts; remembers the usual run times for a while."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self._usual: dict[int, tuple[float, float | None, int]] = {}

    def take(
        self, now: float, window: float, retried: set[str], ill: Mapping[str, float]
    ) -> Generator[None, None, TaskFacts]:
        """Count all. `retried`: ids of tasks that were sent again since. `ill`: names of which something is
        found, and since when: what is usual for them was before that."""
        facts = TaskFacts(window=window)
        columns, by_state = self.columns, self.columns.by_state
        if by_state[State.STARTED]:
            yield from self._running(facts, now)
        if by_state[State.RECEIVED]:
            slots = yield from self._in_state(State.RECEIVED)
            oldest = slots[np.argsort(columns.vector("since")[slots])[:RUNNING]]
            facts.held = [self._seen(slot) for slot in oldest.tolist()]
        if by_state[State.SCHEDULED]:
            slots = yield from self._in_state(State.SCHEDULED)
            held = [self._seen(slot) for slot in slots[:SCHEDULED].tolist()]
            facts.scheduled = sorted(held, key=lambda one: -(one.eta or 0.0))[:FEW]
        if by_state[State.LOST]:
            yield from self._lost(facts, now, retried)
        yield from self._names(facts, now, window, ill)
        yield from self._again(facts, now, window)
        yield
        yield from self._waiting(facts)
        return facts

    def queue_of(self, name: str) -> str | None:
        """The queue of the newest task of a name of which it is known."""
        columns = self.columns
        code = columns.names.codes.get(name)
        if not code:
            return None
        slots = np.flatnonzero(columns.vector("name") == code)
        slots = slots[columns.vector("queue")[slots] != 0]
        if not len(slots):
            return None
        newest = int(slots[columns.vector("row")[slots].argmax()])
        return columns.queues.texts[columns.queue[newest]]

    def _in_state(self, state: State) -> Generator[None, None, Slots]:
        states = self.columns.vector("state")
        slots = yield from _where(states, lambda part: part == state)
        still: Slots = slots[states[slots] == state]  # Others may have taken a place between two slices.
        return still

    def _running(self, facts: TaskFacts, now: float) -> Steps:
        columns = self.columns
        slots = yield from self._in_state(State.STARTED)
        starts = columns.vector("since")[slots]
        for slot in slots[np.argsort(starts)[:RUNNING]].tolist():
            if columns.state[slot] != State.STARTED:
                continue
            one = self._seen(slot)
            one.said = columns.teller(slot, "state") == "result"
            if one.since is not None and now - one.since >= LONG and columns.name[slot]:
                one.usual, one.runs = yield from self._usual_time(columns.name[slot], now)
            facts.running.append(one)

    def _lost(self, facts: TaskFacts, now: float, retried: set[str]) -> Steps:
        """Some of each worker, of a hundred workers at most, and how many more."""
        columns = self.columns
        again = [slot for slot in columns.slots.many(list(retried)) if slot is not None]
        yield
        slots = yield from self._in_state(State.LOST)
        recent = slots[columns.vector("since")[slots] > now - LOST_FOR]
        recent = recent[~np.isin(recent, again)]
        workers = columns.vector("worker")[recent]
        # Not `np.unique`: it loads masked arrays.
        counts = np.bincount(workers)
        places = np.arange(len(recent))
        first = np.zeros(len(counts), dtype=np.intp)
        first[workers[::-1]] = places[::-1]
        told = places < FEW
        told[first[np.flatnonzero(counts)[:FEW]]] = True
        facts.lost = [self._seen(slot) for slot in recent[told].tolist()]
        more = counts - np.bincount(workers[told], minlength=len(counts))
        facts.lost_beyond = {
            columns.workers.texts[code]: int(more[code]) for code in np.flatnonzero(more).tolist()
        }

    def _usual_time(self, name: int, now: float) -> Generator[None, None, tuple[float | None, int]]:
        known = self._usual.get(name)
        if known is None or not 0 <= now - known[0] < USUAL_FOR:
            columns = self.columns
            slots = yield from _where(columns.vector("name"), lambda part: part == name)
            times = columns.vector("runtime")[slots[-SAMPLED:]]
            times = times[np.isfinite(times)]
            place = round(0.95 * (len(times) - 1))
            # Not `np.percentile`: it loads masked arrays, ten megabytes for a process to keep.
            usual = float(np.partition(times, place)[place]) if len(times) else None
            if len(self._usual) > 1000:
                self._usual.clear()
            known = self._usual[name] = (now, usual, len(times))
        return known[1], known[2]

    def _names(self, facts: TaskFacts, now: float, window: float, ill: Mapping[str, float]) -> Steps:
        """Names that failed or were retried lately; their usual is counted only when they did."""
        columns = self.columns
        start = now - window
        lately = yield from _where(columns.vector("since"), lambda part: part > start)
        states, names = columns.vector("state")[lately], columns.vector("name")[lately]
        retries = columns.vector("retries")[lately]
        failed = states == State.FAILURE
        again = (states == State.RETRY) | ((retries > 0) & (states != State.WAITING))
        bad = Counter(names[failed | again].tolist())
        ended = np.isin(states, (State.SUCCESS, State.FAILURE))
        yield
        for code, _ in bad.most_common(NAMES):
            name = columns.names.texts[code] if code else None
            if name is None:
                continue
            mine = names == code
            fact = NameFacts(name=name, ended=int((mine & ended).sum()), retried=int((mine & again).sum()))
            failures = lately[mine & failed]
            fact.failed = len(failures)
            fact.error = self._error_of(lately[mine & (states == State.RETRY)])
            if len(failures):
                since = columns.vector("since")[failures]
                fact.first_failed = float(since.min())
                newest = int(failures[since.argmax()])
                fact.error = columns.sealed.text("error", newest)
                fact.worker = columns.workers.texts[columns.worker[newest]]
                self._not_registered(facts, failures)
                yield
                yield from self._before(fact, code, min(start, ill.get(name, now) - window))
            facts.names[name] = fact
            yield

    def _error_of(self, retried: Slots) -> str | None:
        errors = self.columns.sealed.texts("error", retried[-FEW:].tolist())
        return next(filter(None, errors), None)

    def _before(self, fact: NameFacts, code: int, start: float) -> Steps:
        columns = self.columns
        slots = yield from _where(columns.vector("name"), lambda part: part == code)
        slots = slots[columns.vector("since")[slots] <= start]
        states = columns.vector("state")[slots]
        fact.usual_failed = int((states == State.FAILURE).sum())
        fact.usual_ended = int((states == State.SUCCESS).sum()) + fact.usual_failed

    def _not_registered(self, facts: TaskFacts, failures: Slots) -> None:
        for slot in failures[-FEW:].tolist():
            error = self.columns.sealed.text("error", slot)
            if error is not None and error.startswith(UNREGISTERED):
                facts.unknown.append(self._seen(slot))

    def _again(self, facts: TaskFacts, now: float, window: float) -> Steps:
        columns = self.columns
        often = yield from _where(columns.vector("attempt"), lambda part: part >= AGAIN)
        if not len(often):
            return
        beyond = columns.vector("attempt")[often].astype(np.int64) - np.maximum(
            columns.vector("retries")[often], 0
        )
        fits = (beyond >= AGAIN) & (columns.vector("seen")[often] > now - window)
        states = columns.vector("state")[often]
        over = np.isin(states, (State.SUCCESS, State.FAILURE))
        fits &= ~(over & (columns.vector("since")[often] < now - SETTLED)) & (states != State.REVOKED)
        facts.again = [self._seen(slot) for slot in often[fits][:FEW].tolist()]

    def _waiting(self, facts: TaskFacts) -> Steps:
        columns = self.columns
        if columns.by_state[State.WAITING]:
            slots = (yield from self._in_state(State.WAITING))[:WAITING]
            pairs = columns.vector("name")[slots].astype(np.int64) << 32 | columns.vector("queue")[slots]
            found, counts = np.unique(pairs, return_counts=True)
            for pair, count in zip(found.tolist()[:1000], counts.tolist()[:1000], strict=True):
                name, queue = columns.names.texts[pair >> 32], columns.queues.texts[pair & 0xFFFFFFFF]
                if name and queue:
                    facts.waiting[(name, queue)] = count

    def _seen(self, slot: int) -> TaskSeen:
        columns = self.columns
        return TaskSeen(
            id=columns.id[slot],
            name=columns.names.texts[columns.name[slot]],
            worker=columns.workers.texts[columns.worker[slot]],
            queue=columns.queues.texts[columns.queue[slot]],
            since=columns.since[slot],
            attempts=columns.attempt[slot] + 1,
            retries=max(0, columns.retries[slot]),
            error=columns.sealed.text("error", slot),
            eta=epoch(columns.eta.get(slot)),
        )


def completed(facts: TaskFacts, figures: Figures, relief: Relief, now: float) -> Generator[None, None, None]:
    """Ended tasks that were let go lately count too: the statistics have all of them."""
    since = relief.since if relief.since is not None else now
    if not relief.successes or not (relief.active or now - since < facts.window):
        return
    for name, fact in facts.names.items():
        row = figures.one("task", name, facts.window, now)
        if row is not None:
            fact.ended = max(fact.ended, row.succeeded + row.failed)
        yield


def _where(numbers: npt.NDArray[Any], wanted: Any) -> Generator[None, None, Slots]:
    """Slots where a condition on one column holds, in slices."""
    found: list[Slots] = []
    for start in range(0, len(numbers), SLICE):
        found.append(start + np.flatnonzero(wanted(numbers[start : start + SLICE])))
        yield
    return np.concatenate(found) if found else np.empty(0, dtype=np.intp)
