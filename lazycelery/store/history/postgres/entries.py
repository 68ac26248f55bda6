"""What a team's history holds beside tasks. Findings and samples are tables of all days; a day here is what
began on it, and the first and the last one hold what no day has."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lazycelery.model.recorded import Recorded, RecordedEvent
from lazycelery.store.filter.entries import EntryFilter
from lazycelery.store.history.entries import (
    FINDING,
    FINDINGS_AT_ONCE,
    SAMPLE,
    SAMPLES_AT_ONCE,
    event_wanted,
    findings,
    moment,
    samples,
)
from lazycelery.store.history.postgres import schema as tables
from lazycelery.store.history.postgres.rows import NO_TASK, OWN_KIND, keys_of, text_out
from lazycelery.store.history.storage import Unreadable
from lazycelery.store.told import TYPES

FIRST, MOST = 1_000, 10_000
"""Events read together, at first and then."""
SPAN = 900.0
"""Seconds looked through at first; twice as many each time that few events are in them. Without an index on
times each look reads all of a day."""
SAMPLED = 10
EVENT = "task, at, received, clock, type, worker"
BEHIND = "(at, task, clock, type, worker)"
"""One event as no other one is: what follows in the order of reading is behind it."""
Rows = Callable[[str, Sequence[Any]], list[Any]]
Task = tuple[str, str | None]


class DayEntries:
    """Of one day."""

    def __init__(
        self,
        place: str,
        rows: Rows,
        words: dict[int, str],
        day: datetime.date,
        days: Sequence[datetime.date],
    ) -> None:
        """`rows` answers a query, with `{s}` for the schema, and raises `Unreadable`. `days` are all there
        are, oldest first."""
        self._place, self._rows, self._words = place, rows, dict(words)
        self._begin = tables.begin_of(day)
        later = [each for each in days if each > day]
        self._low = self._begin if any(each < day for each in days) else float("-inf")
        self._high = tables.begin_of(later[0]) if later else float("inf")
        self._many = 0
        """Events found in a span so far."""
        self._odd: dict[tuple[datetime.date, datetime.date], bool] = {}
        """Whether tasks of these days have ids that are no UUIDs."""
        self._bad = 0

    def recorded(self, wanted: EntryFilter, go_on: Callable[[], bool]) -> Iterator[Sequence[Recorded]]:
        """What is asked for, newest first, some at a time. Raises `Unreadable`, at the end where only some
        could not be read."""
        if wanted.kind == "events":
            yield from self._events(wanted, go_on)
        elif wanted.kind == "findings":
            yield from self._findings(wanted, go_on)
        else:
            yield from self._samples(wanted, go_on)
        if self._bad:
            raise Unreadable(f"{self._bad} {wanted.kind} in {self._place}, which are damaged")

    def _findings(self, wanted: EntryFilter, go_on: Callable[[], bool]) -> Iterator[Sequence[Recorded]]:
        behind: tuple[Any, ...] = (float("inf"), 0)
        query = f"""SELECT began, n, {FINDING} FROM {{s}}.findings WHERE began >= %s AND began < %s
            AND (began, n) < (%s, %s) ORDER BY began DESC, n DESC LIMIT {FINDINGS_AT_ONCE}"""
        while go_on():
            rows = self._rows(query, (self._low, self._high, *behind))
            yield findings(wanted, [[_out(each) for each in row[2:]] for row in rows])
            if len(rows) < FINDINGS_AT_ONCE:
                return
            behind = tuple(rows[-1][:2])

    def _samples(self, wanted: EntryFilter, go_on: Callable[[], bool]) -> Iterator[Sequence[Recorded]]:
        low = max(self._low, wanted.since - SAMPLED)
        high = min(self._high, wanted.until + SAMPLED)
        query = f"""SELECT slot, {SAMPLE} FROM {{s}}.samples WHERE at >= %s AND at < %s AND slot >= %s
            AND slot < %s ORDER BY slot DESC LIMIT {SAMPLES_AT_ONCE}"""
        slots = [_slot(low), _slot(high) + 1]
        while go_on():
            rows = self._rows(query, (low, high, *slots))
            for row in rows:
                try:
                    yield from samples(wanted, [[_out(each) for each in row[1:]]])
                except (ValueError, RecursionError):
                    self._bad += 1
            if len(rows) < SAMPLES_AT_ONCE:
                return
            slots[1] = rows[-1][0]

    # ---- events

    def _events(self, wanted: EntryFilter, go_on: Callable[[], bool]) -> Iterator[Sequence[Recorded]]:
        where, values = self._condition(wanted)
        most = FIRST
        for begin, until, last in self._spans(wanted):
            behind: Sequence[Any] = ()
            while go_on():
                after = f"AND {BEHIND} < (%s, %s, %s, %s, %s)" if behind else ""
                query = f"""SELECT {EVENT}, fields FROM {{s}}.events WHERE at >= %s AND at {last} %s {after}
                    {where} ORDER BY at DESC, task DESC, clock DESC, type DESC, worker DESC LIMIT {most}"""
                rows = self._rows(query, (begin, until, *behind, *values))
                self._many += len(rows)
                yield self._made(rows, wanted)
                if len(rows) < most:
                    break
                key, at, _, clock, kind, worker, _ = rows[-1]
                behind, most = (at, key, clock, kind, worker), MOST
            if not go_on():
                return

    def _spans(self, wanted: EntryFilter) -> Iterator[tuple[float, float, str]]:
        """Spans of time to look through, the newest first: begin, end, and whether that belongs to it."""
        low, high = max(self._low, wanted.since), min(self._high, wanted.until)
        until, last = high, "<" if high == self._high else "<="
        if low > high:
            return
        span, top = SPAN, min(high, max(time.time(), self._begin))
        while True:
            begin = top - span
            if wanted.id is not None or begin <= max(low, self._begin):
                begin = low
            self._many = 0
            yield begin, until, last
            if begin <= low:
                return
            span = span * 2 if self._many < MOST else span
            until, last, top = begin, "<", begin

    def _condition(self, wanted: EntryFilter) -> tuple[str, list[Any]]:
        """What numbers can tell of it."""
        terms, values = list[str](), list[Any]()
        if wanted.id is not None:
            terms.append("AND task = %s::uuid")
            values.append(keys_of([wanted.id]).hex())
        if kinds := wanted.on("type"):
            codes = [code for code, name in enumerate(TYPES) if kinds(name)]
            # Those of other kinds tell their names themselves.
            terms.append(f"AND (type = ANY(%s) OR type >= {len(TYPES)})")
            values.append(codes)
        if workers := wanted.on("worker"):
            named = [code for code, word in self._words.items() if workers(word)]
            terms.append("AND worker = ANY(%s)")
            values.append([*named, *([0] if workers(None) else [])])
        return " ".join(terms), values

    def _made(self, rows: Sequence[Any], wanted: EntryFilter) -> list[RecordedEvent]:
        keys = {row[0] for row in rows if row[0].bytes != NO_TASK}
        tasks = self._tasks(keys, [row[2] for row in rows]) if keys else {}
        self._learn({code for row in rows for code in (row[5], row[4] - OWN_KIND) if code > 0})
        events = (self._event(row, tasks) for row in rows)
        return [event for event in events if event_wanted(wanted, event)]

    def _event(self, row: Sequence[Any], tasks: dict[Any, Task]) -> RecordedEvent:
        key, at, received, _, code, worker, told = row
        own, name = tasks.get(key, (None, None))
        fields: Any = {}
        try:
            fields = json.loads(told) if told else {}
        except (ValueError, RecursionError):
            self._bad += 1
        kind = TYPES[code] if code < len(TYPES) else self._words.get(code - OWN_KIND) or "unknown"
        return RecordedEvent(
            time=moment(at),
            received=moment(received),
            type=kind,
            id=own,
            name=name,
            worker=self._words.get(worker) or None,
            fields=fields if isinstance(fields, dict) else {"value": fields},
        )

    def _tasks(self, keys: set[Any], received: Sequence[float | None]) -> dict[Any, Task]:
        """Id and name of tasks by their keys. Their rows were written when their events came."""
        moments = [at for at in received if at is not None] or [0.0]
        day = datetime.timedelta(1)
        days = tables.day_of(min(moments)) - day, tables.day_of(max(moments)) + day
        by_id = {str(key): key for key in keys}
        query = """SELECT id, name FROM {s}.tasks WHERE day >= %s AND day <= %s AND id = ANY(%s)
            ORDER BY day"""
        rows = self._rows(query, (*days, list(by_id)))
        found = [(by_id[own], own, name) for own, name in rows]
        left = keys - {key for key, _, _ in found}
        if left and self._has_odd(days):
            query = """SELECT {s}.task_key(id), id, name FROM {s}.tasks
                WHERE day >= %s AND day <= %s AND {s}.task_key(id) = ANY(%s) ORDER BY day"""
            found += self._rows(query, (*days, list(left)))
        self._learn({name for _, _, name in found if name})
        return {key: (own, self._words.get(name) or None) for key, own, name in found}

    def _has_odd(self, days: tuple[datetime.date, datetime.date]) -> bool:
        """Looked for once: only for ids that are no UUIDs must all of a day be read."""
        if days not in self._odd:
            query = """SELECT EXISTS (SELECT 1 FROM {s}.tasks WHERE day >= %s AND day <= %s
                AND (length(id) <> 36 OR id !~ '^[0-9a-f-]+$'))"""
            self._odd[days] = bool(self._rows(query, days)[0][0])
        return self._odd[days]

    def _learn(self, codes: set[int]) -> None:
        """Words that were written since the question began."""
        new = codes - self._words.keys()
        if new:
            rows = self._rows("SELECT code, word FROM {s}.words WHERE code = ANY(%s)", (list(new),))
            self._words.update({**dict.fromkeys(new, ""), **dict(rows)})


def _slot(moment: float) -> int:
    """The number of a sample's ten seconds; a bigint for what has no end."""
    return int(min(max(moment, 0.0), 1e15) // SAMPLED)


def _out(value: Any) -> Any:
    return text_out(value) if isinstance(value, str) else value
