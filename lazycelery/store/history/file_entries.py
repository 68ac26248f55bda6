"""What a history file holds beside tasks. Events are packed: their columns are looked at first, and only
those that may be meant are made into objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

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
from lazycelery.store.history.events import Batch, Kept
from lazycelery.store.history.storage import Unreadable
from lazycelery.store.told import OTHER, TYPES

BATCHES = 4
"""Batches of events read together: a few hundred kilobytes."""
ASKED = 900
"""Numbers asked for at once: an older SQLite takes no more values."""
DAY = 86_400.0
"""By how much an event's own time may differ from that of its arrival, where a time is asked for."""
Rows = Callable[[str, Sequence[Any]], list[Any]]


class FileEntries:
    """Of one file."""

    def __init__(self, name: str, rows: Rows, words: dict[int, str], version: int) -> None:
        """`rows` answers a query, and raises `Unreadable`."""
        self._name, self._rows, self._words, self._version = name, rows, dict(words), version
        self._bad = 0

    def recorded(self, wanted: EntryFilter, go_on: Callable[[], bool]) -> Iterator[Sequence[Recorded]]:
        """What is asked for, newest first, some at a time. Raises `Unreadable`, at the end where only some
        could not be read."""
        if wanted.kind == "events":
            yield from self._events(wanted, go_on) if self._version else ()
        elif self._version > 1:
            yield from self._noted(wanted, go_on)
        if self._bad:
            what = "samples" if wanted.kind == "samples" else "batches of events"
            raise Unreadable(f"{self._bad} {what} in {self._name}, which are damaged")

    def _noted(self, wanted: EntryFilter, go_on: Callable[[], bool]) -> Iterator[Sequence[Recorded]]:
        found = wanted.kind == "findings"
        columns, least = (FINDING, FINDINGS_AT_ONCE) if found else (SAMPLE, SAMPLES_AT_ONCE)
        before: list[Any] = []
        while go_on():
            below = "WHERE n < ?" if before else ""
            query = f"SELECT n, {columns} FROM {wanted.kind} {below} ORDER BY n DESC LIMIT {least}"
            rows = self._rows(query, before)
            if found:
                yield findings(wanted, [row[1:] for row in rows])
            for row in () if found else rows:
                try:
                    yield from samples(wanted, [row[1:]])
                except (ValueError, RecursionError):
                    self._bad += 1
            if len(rows) < least:
                return
            before = [rows[-1][0]]

    # ---- events

    def _events(self, wanted: EntryFilter, go_on: Callable[[], bool]) -> Iterator[Sequence[Recorded]]:
        numbers = None
        if wanted.id is not None:
            found = self._rows("SELECT n FROM tasks WHERE id = ?", (wanted.id,))
            if not found:
                return
            numbers = np.array([n for (n,) in found], dtype=np.uint32)
        newest = self._rows("SELECT max(n) FROM events", ())
        before = (newest[0][0] or 0) + 1
        near, values = "", list[float]()
        if wanted.timed:
            near = "AND max(first, last) >= ? AND min(first, last) <= ?"
            values = [wanted.since - DAY, wanted.until + DAY]
        query = f"SELECT n, body FROM events WHERE n < ? {near} ORDER BY n DESC LIMIT {BATCHES}"
        while go_on():
            rows = self._rows(query, (before, *values))
            for _, body in rows:
                try:
                    batch = Batch(body)
                except (ValueError, TypeError):
                    self._bad += 1
                    continue
                yield self._meant(batch, wanted, numbers)
            if len(rows) < BATCHES:
                return
            before = rows[-1][0]

    def _meant(
        self, batch: Batch, wanted: EntryFilter, numbers: npt.NDArray[np.uint32] | None
    ) -> list[RecordedEvent]:
        meant = np.ones(len(batch.types), dtype=bool)
        if numbers is not None:
            meant &= np.isin(batch.tasks, numbers)
        if wanted.timed:
            meant &= (batch.at >= wanted.since) & (batch.at <= wanted.until)
        if kinds := wanted.on("type"):
            allowed = np.ones(OTHER + 1, dtype=bool)  # Those of other kinds tell their names themselves.
            allowed[: len(TYPES)] = [kinds(name) for name in TYPES]
            meant &= allowed[batch.types]
        if workers := wanted.on("worker"):
            codes, senders = np.unique(batch.workers, return_inverse=True)
            meant &= np.array([workers(self._word(code)) for code in codes.tolist()], dtype=bool)[senders]
        kept = list(batch.kept(np.flatnonzero(meant)[::-1].tolist()))
        tasks = self._tasks({one.task for one in kept if one.task})
        return [event for one in kept if event_wanted(wanted, event := self._event(one, tasks))]

    def _event(self, one: Kept, tasks: dict[int, tuple[str, str | None]]) -> RecordedEvent:
        own, name = tasks.get(one.task, (None, None))
        return RecordedEvent(
            time=moment(one.at),
            received=moment(one.received),
            type=one.type,
            id=own,
            name=name,
            worker=self._word(one.worker),
            fields=one.fields,
        )

    def _tasks(self, numbers: set[int]) -> dict[int, tuple[str, str | None]]:
        """Id and name of these rows, as far as there are any."""
        found, wanted = dict[int, tuple[str, str | None]](), sorted(numbers)
        for start in range(0, len(wanted), ASKED):
            some = wanted[start : start + ASKED]
            query = f"SELECT n, id, name FROM tasks WHERE n IN ({', '.join('?' * len(some))})"
            rows = self._rows(query, some)
            found.update({n: (own, self._word(name)) for n, own, name in rows if isinstance(own, str)})
        return found

    def _word(self, code: int | None) -> str | None:
        """A word by its number; one that was written since the file was opened, too."""
        if not code:
            return None
        if code not in self._words:
            found = self._rows("SELECT word FROM words WHERE code = ?", (code,))
            self._words[code] = found[0][0] if found and isinstance(found[0][0], str) else ""
        return self._words[code] or None
