"""Writes one history file. Used by one thread; whatever the disk refuses is raised as `OSError` or
`sqlite3.Error`, and nothing of that batch is in the file then."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lazycelery.model.event import Event
from lazycelery.model.redaction import Redactor
from lazycelery.store.columns import Columns
from lazycelery.store.history import events as packing
from lazycelery.store.history.files import make_private, more_rows
from lazycelery.store.history.numbers import Numbers, learnt
from lazycelery.store.history.overlap import Overlap
from lazycelery.store.history.renumbering import join, renumber
from lazycelery.store.history.schema import COLUMNS, IDS, VERSION, migrate, version_of
from lazycelery.store.history.storage import FindingBegan, Newer
from lazycelery.store.history.taking import (
    AT_ONCE,
    ENDED,
    NEWEST,
    TOLD_A_RUN,
    Copied,
    Row,
    Slots,
    Taken,
    made,
    take,
)
from lazycelery.store.history.veiling import Veiling
from lazycelery.store.marks import CUTS
from lazycelery.store.told import COUNTED_BEFORE, Matrix, Told
from lazycelery.store.values import NUL

PAGE_BYTES = 8192
CACHE_KIB = 8192
UNKNOWN = float("nan")
"""NULL, as SQLite takes it from Python in a tenth of the time of `None`."""
REPLACED = "\ufffd"
READ = 10_000
"""Rows whose ids are looked up together."""
LAST_EVENTS = 256
"""Batches of events that may tell numbers of tasks without a row: about as many events as may wait."""
TOGETHER = 31
"""Rows that one statement writes: no more values than an older SQLite takes. The interpreter is let go and
taken back once a statement, and each time that a busy loop waits for it this costs both threads a switch."""


def _put(rows: int) -> str:
    row = f"({', '.join('?' * len(COLUMNS))})"
    newer = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in ("n", "id"))
    return f"INSERT INTO tasks VALUES {', '.join([row] * rows)} ON CONFLICT (n) DO UPDATE SET {newer}"


BEGAN = "INSERT INTO findings (code, subject, severity, title, hint, began) VALUES (?, ?, ?, ?, ?, ?)"
ALL_ENDED = "UPDATE findings SET ended = max(began, ?) WHERE ended IS NULL"
SIGHTS = (
    "SELECT began FROM runs WHERE began <= ? ORDER BY n DESC LIMIT 1",
    "SELECT at FROM samples WHERE at <= ? ORDER BY n DESC LIMIT 1",
    "SELECT last FROM events WHERE last <= ? ORDER BY n DESC LIMIT 1",
    "SELECT max(seen) FROM (SELECT seen FROM tasks ORDER BY n DESC LIMIT 1000) WHERE seen <= ?",
)
"""What tells when a file was last written, but for clocks that were ahead."""


class Run(NamedTuple):
    """A monitor's time in a file."""

    n: int
    began: float


_PUT, _PUT_TOGETHER = _put(1), _put(TOGETHER)


def _put_again() -> str:
    """What was told once stays where it is not told again, with whether it is whole."""
    once = ("args", "kwargs", "root_id", "parent_id", "eta", "expires", "retries")
    merged = {name: f"coalesce(excluded.{name}, {name})" for name in once}
    merged |= {name: f"coalesce(nullif(excluded.{name}, 0), {name})" for name in ("name", "worker", "queue")}
    same = "excluded.attempt <= attempt AND coalesce(excluded.retries, retries) IS retries"
    for name in TOLD_A_RUN:
        merged[name] = f"CASE WHEN {same} THEN coalesce(excluded.{name}, {name}) ELSE excluded.{name} END"
    merged["first"] = "min(excluded.first, first)"
    kept = [
        f"CASE WHEN excluded.{name} IS NULL THEN cut & {int(CUTS[name])} ELSE 0 END"
        for name in ("args", "kwargs")
    ]
    merged["cut"] = " | ".join(["excluded.cut", *kept])
    newer = ", ".join(
        f"{name} = {merged.get(name, f'excluded.{name}')}" for name in COLUMNS if name not in ("n", "id")
    )
    row = f"({', '.join('?' * len(COLUMNS))})"
    return f"INSERT INTO tasks VALUES {row} ON CONFLICT (n) DO UPDATE SET {newer}"


_PUT_AGAIN = _put_again()
"""Of a task that had left the full store and came back."""


class Codes(dict[tuple[str, int], int]):
    """The file's number of a word, by the columns' number; a new word is written, without its secrets."""

    def __init__(self, columns: Columns, code: Callable[[str], int], redactor: Redactor) -> None:
        self._redactor = redactor
        self._tables = {"name": columns.names, "worker": columns.workers, "queue": columns.queues}
        self._code = code

    def __missing__(self, key: tuple[str, int]) -> int:
        kind, number = key
        word = self._tables[kind].texts[number]
        if word is not None and kind != "worker":  # That tells what belongs together, as ids do.
            word = self._redactor.name(word)
        code = self[key] = 0 if word is None else self._code(word)
        return code


class Writer:
    """An open file."""

    def __init__(self, path: Path, columns: Columns, numbers: Numbers, redactor: Redactor) -> None:
        """Raises `Newer`, `OSError`, `sqlite3.Error`."""
        self.path, self._columns, self._numbers = path, columns, numbers
        self._veiling = Veiling(redactor)
        make_private(path)
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2.0)
        try:
            self._prepare()
        except BaseException:
            self._database.close()
            raise
        self.run: Run | None = None
        self.sight = 0.0
        """When it was last written before our run, epoch seconds."""
        self._overlap: Overlap | None = None

    def _prepare(self) -> None:
        run = self._database.execute
        if version_of(self._database) > VERSION:
            raise Newer(self.path.name)
        run(f"PRAGMA page_size = {PAGE_BYTES}")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        run(f"PRAGMA cache_size = -{CACHE_KIB}")
        migrate(self._database)
        events: int = run("SELECT max(n) FROM events").fetchone()[0] or 0
        self._numbers.begin(self.path.name, self._told(events, self._last()), events)
        self._load()

    def _told(self, events: int, last: int) -> int:
        """The highest number of a task in the last events, or that of the last row: a monitor that was killed
        may have written them before the task's row, and whoever got that number would be told of in them."""
        query = "SELECT body FROM events WHERE n > ?"
        told = [np.zeros(0, dtype=np.uint32)]
        for (body,) in self._database.execute(query, (events - LAST_EVENTS,)):
            with contextlib.suppress(ValueError, TypeError):
                told.append(packing.Batch(body).tasks)
        numbers = np.concatenate(told)
        # No more tasks came than events: a higher number is a damaged one.
        return int(numbers[numbers <= last + len(numbers)].max(initial=last))

    def _last(self) -> int:
        last: int = self._database.execute("SELECT max(n) FROM tasks").fetchone()[0] or 0
        if not 0 <= last <= more_rows(self.path):
            raise sqlite3.DatabaseError(f"malformed: row {last}")
        return last

    def _load(self) -> None:
        """What the file holds already, as far as writing needs it; again after a batch was refused."""
        run = self._database.execute
        self._next = self._numbers.free_after(self._last())
        self._codes: dict[str, int] = {word: code for code, word in run("SELECT code, word FROM words")}
        self._taken = set(self._codes.values())
        self._words = Codes(self._columns, self._code, self._veiling.redactor)

    def _code(self, word: str) -> int:
        code = self._codes.get(word)
        if code is None:
            code = len(self._codes) + 1
            while code in self._taken:  # By a damaged one.
                code += 1
            self._codes[word] = code
            self._taken.add(code)
            self._database.execute("INSERT INTO words VALUES (?, ?)", (code, word))
        return code

    def begin_run(self, now: float, before: Run | None = None, standing: Iterable[FindingBegan] = ()) -> None:
        """Note that an engine began to write; `before`: its run when the disk refused, with which it goes
        on. What a killed one left open ends at its last sight, what stands is begun."""
        run = self._database.execute
        again = "UPDATE runs SET ended = NULL WHERE n = ? AND began = ? AND pid = ?"
        if before is not None and run(again, (*before, os.getpid())).rowcount:
            self.run = before
            return
        told = (now, socket.gethostname(), os.getpid())
        run("BEGIN IMMEDIATE")
        try:
            self.sight = last_sight(self._database, now)
            run(ALL_ENDED, (self.sight,))
            number = run("INSERT INTO runs (began, host, pid) VALUES (?, ?, ?)", told).lastrowid
            for finding in standing:
                run(BEGAN, finding)
            run("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                run("ROLLBACK")
            raise
        self.run = Run(number or 0, now)

    @property
    def overlaps(self) -> bool:
        """Whether events may still come that another writer has written."""
        return self._overlap is not None

    def skip_written(self, now: float) -> None:
        """Events that another writer has written last are not written again."""
        self._overlap = Overlap(self._database, now)

    def adopt(self) -> None:
        """Go on in the rows that another writer has begun, as far as the store knows their tasks, also those
        that ended: of each something may still be told. Reads all of the file, the newest last."""
        rows = self._database.execute("SELECT n, id FROM tasks WHERE typeof(id) = 'text' ORDER BY n")
        while some := rows.fetchmany(READ):
            numbers, ids = ([*each] for each in zip(*some, strict=True))
            self._numbers.learn(self.path.name, *learnt(self._columns, ids, numbers))

    def write(
        self,
        slots: Slots,
        told: Sequence[Told],
        rest: Iterable[tuple[str, Any]] = (),
        left: Sequence[Copied] = (),
        newest: int = NEWEST,
    ) -> None:
        """Write tasks as they are now (to the `newest` identity), those that have `left` the store, events,
        and other statements, all or nothing."""
        run, first = self._database.execute, self._next
        self._numbers.settle()
        if doubled := self._numbers.doubled:
            # Their first row gets what is known by now, in the same batch.
            slots = np.union1d(slots, [one.slot for one in doubled.values()]).astype(np.intp)
        run("BEGIN IMMEDIATE")
        try:
            if doubled:
                join(self._database, self._numbers)
            for each in left:
                numbers = self._write(made(each, self._veiling, self._words, UNKNOWN), self._numbers.of_gone)
                unended = np.flatnonzero(~ENDED[each.states])
                self._numbers.away.left([each.ids[at] for at in unended.tolist()], numbers[unended])
            for start in range(0, len(slots), AT_ONCE):
                some = slots[start : start + AT_ONCE]
                tasks = take(self._columns, some, self._veiling, self._words, UNKNOWN, newest=newest)
                self._write(tasks, self._numbers.of)
            if told:
                self._events(told)
            for statement, values in rest:
                run(statement, values)
            run("COMMIT")
            self._numbers.written(self._next)
        except BaseException:
            if self._database.in_transaction:
                run("ROLLBACK")
            self._numbers.forget(first)
            self._load()
            raise

    def _write(
        self, taken: Taken, numbers_of: Callable[..., tuple[npt.NDArray[np.int64], int]]
    ) -> npt.NDArray[np.int64]:
        ids = taken.columns[0]
        numbers, self._next = numbers_of(taken.slots, taken.identities, self._next, ids)
        if NUL in "".join(ids):
            ids = [_edged(own) for own in ids]
        self._tasks(list(zip(numbers.tolist(), ids, *taken.columns[1:], strict=True)))
        return numbers

    def _tasks(self, rows: list[Row]) -> None:
        away = self._numbers.away
        if away.any_again:
            self._database.executemany(_PUT_AGAIN, [row for row in rows if away.again(row[0])])
            rows = [row for row in rows if not away.again(row[0])]
        whole = len(rows) - len(rows) % TOGETHER
        for start in range(0, whole, TOGETHER):
            self._database.execute(_PUT_TOGETHER, [*chain.from_iterable(rows[start : start + TOGETHER])])
        self._database.executemany(_PUT, rows[whole:])

    def _events(self, batches: Sequence[Told]) -> None:
        """What they told, a row for some thousand events."""
        told = np.concatenate([batch.numbers for batch in batches])
        rows = np.concatenate([batch.rows for batch in batches])
        others, first = {}, 0
        for batch in batches:
            others.update({first + place: event for place, event in batch.others.items()})
            first += len(batch.rows)
        for start in range(0, len(told), AT_ONCE):
            end = start + AT_ONCE
            within = {place - start: one for place, one in others.items() if start <= place < end}
            self._pack(told[start:end], rows[start:end], within)

    def _pack(self, told: Matrix, rows: npt.NDArray[np.int64], others: dict[int, Event]) -> None:
        slots = told[:, 1].astype(np.intp)
        tasks = np.zeros(len(told), dtype=np.int64)
        here = (rows != 0) & (self._columns.rows_of(slots) == rows)
        known = np.flatnonzero(here)
        if len(known):
            tasks[known], self._next = self._numbers.of(slots[known], rows[known], self._next)
        # Of a task that has left its slot there is a row mostly. The row of one that left since this batch's
        # tasks were taken comes with the next batch: its events of this one tell no task.
        gone = np.flatnonzero((rows != 0) & ~here)
        if len(gone):
            tasks[gone] = self._numbers.known(slots[gone], rows[gone])
        codes, senders = np.unique(told[:, 2].astype(np.int64), return_inverse=True)
        workers = np.array([self._words["worker", code] for code in codes.tolist()])[senders]
        kinds = told[:, 0].astype(np.int64) % COUNTED_BEFORE
        own = {
            place: (self._veiling.one(event.type)[:200], self._veiling.redactor.value(event.extra or {}))
            for place, event in others.items()
        }
        if self._overlap is not None and self._overlap.over(float(told[0, 5])):
            self._overlap = None
        if self._overlap is not None:
            named = [own[at][0] if at in own else kind for at, kind in enumerate(kinds.tolist())]
            fresh = self._overlap.fresh(named, told[:, 4].tolist(), workers.tolist(), tasks.tolist())
            renumber(self._database, self._overlap.settled(), self._overlap.since)
            if not len(fresh):
                return
            told, kinds, workers, tasks = told[fresh], kinds[fresh], workers[fresh], tasks[fresh]
            own = {now: own[before] for now, before in enumerate(fresh.tolist()) if before in own}
        body = packing.pack(kinds, told[:, 4], told[:, 5], workers, tasks, own)
        self._database.execute(
            "INSERT INTO events (first, last, count, body) VALUES (?, ?, ?, ?)",
            (float(told[0, 5]), float(told[-1, 5]), len(told), body),
        )

    def close(self, now: float | None = None) -> None:
        """Close the file; `now` says that it is left in good order, and what stands ends here. What the
        disk refuses now is not written."""
        try:
            if now is not None and self.run is not None:
                self._database.execute("UPDATE runs SET ended = ? WHERE n = ?", (now, self.run.n))
                self._database.execute(ALL_ENDED, (now,))
        finally:
            self._database.close()


def _edged(id: str) -> str:
    """An id without a NUL at either end, which tells a reader that its page is damaged: a client may send
    any."""
    inner = id.strip(NUL)
    before, _, after = id.partition(inner) if inner else (id, "", "")
    return REPLACED * len(before) + inner + REPLACED * len(after)


def last_sight(database: sqlite3.Connection, now: float) -> float:
    """When the file was last written, epoch seconds; 0 for never."""
    found = [database.execute(query, (now,)).fetchone() for query in SIGHTS]
    return max([float(row[0]) for row in found if row and row[0] is not None], default=0.0)


def seal(path: Path, now: float = float("inf")) -> None:
    """Give a file that is not written any more its index on ids, and what a killed monitor left open in it
    an end. Raises `OSError`, `sqlite3.Error`."""
    place = f"{path.absolute().as_uri()}?mode=rw"  # One that has gone is not made again.
    database = sqlite3.connect(place, uri=True, isolation_level=None, timeout=2.0)
    try:
        if 0 < version_of(database) <= VERSION:
            migrate(database)
            database.execute(IDS)
            database.execute(ALL_ENDED, (last_sight(database, now),))
    finally:
        database.close()
