"""Writes one history file. Used by one thread; whatever the disk refuses is raised as `OSError` or
`sqlite3.Error`, and nothing of that batch is in the file then."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lazycelery.model.event import Event
from lazycelery.model.redaction import Redactor
from lazycelery.store.columns import Columns
from lazycelery.store.history import events as packing
from lazycelery.store.history.files import make_private
from lazycelery.store.history.schema import COLUMNS, IDS, VERSION, migrate, version_of
from lazycelery.store.history.storage import Newer
from lazycelery.store.history.taking import AT_ONCE, ENDED, Row, Slots, take
from lazycelery.store.history.veiling import Veiling
from lazycelery.store.told import COUNTED_BEFORE, Matrix, Told

PAGE_BYTES = 8192
CACHE_KIB = 8192
NOTHING = float("nan")
"""NULL, as SQLite takes it from Python in a tenth of the time of `None`."""
TOGETHER = 31
"""Rows that one statement writes: no more values than an older SQLite takes. The interpreter is let go and
taken back once a statement, and each time that a busy loop waits for it this costs both threads a switch."""


def _put(rows: int) -> str:
    row = f"({', '.join('?' * len(COLUMNS))})"
    newer = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS if name not in ("n", "id"))
    return f"INSERT INTO tasks VALUES {', '.join([row] * rows)} ON CONFLICT (n) DO UPDATE SET {newer}"


_PUT, _PUT_TOGETHER = _put(1), _put(TOGETHER)


class Numbers:
    """The number of the row that each slot's task has in a file; a slot's next task has another one."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.file = ""
        """The name of the file that the numbers are of."""
        self._numbers: npt.NDArray[np.int64] = np.zeros(columns.capacity, dtype=np.int64)
        self._owners: npt.NDArray[np.int64] = np.zeros(columns.capacity, dtype=np.int64)

    def begin(self, file: str) -> None:
        """Numbers are those of this file from now on."""
        if file != self.file:
            self.file = file
            self._owners[:] = 0

    def begin_with(self, file: str, slots: Any, numbers: Any, rows: Any) -> None:
        """Rows that are in the file already, unless another file is being written by now."""
        if self.file not in ("", file):
            return
        self.file = file
        self._numbers[slots] = numbers
        self._owners[slots] = rows

    def forget(self, first: int) -> None:
        """What was numbered from `first` on is in no file after all."""
        self._owners[self._numbers >= first] = 0

    def of(self, slots: Slots, rows: npt.NDArray[np.int64], free: int) -> tuple[npt.NDArray[np.int64], int]:
        """The number of each task (`rows` are their identities), and the next one that is free."""
        fresh = slots[self._owners[slots] != rows]
        if len(fresh):
            fresh, places = np.unique(slots, return_index=True)
            new = self._owners[fresh] != rows[places]
            fresh, owners = fresh[new], rows[places][new]
            # In the order of first sight, so that the newest are last.
            order = np.argsort(owners)
            self._numbers[fresh[order]] = np.arange(free, free + len(fresh))
            self._owners[fresh] = owners
            free += len(fresh)
        return self._numbers[slots], free


class Codes(dict[tuple[str, int], int]):
    """The file's number of a word, by the columns' number; a new word is written."""

    def __init__(self, columns: Columns, code: Callable[[str], int]) -> None:
        self._tables = {"name": columns.names, "worker": columns.workers, "queue": columns.queues}
        self._code = code

    def __missing__(self, key: tuple[str, int]) -> int:
        word = self._tables[key[0]].texts[key[1]]
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
        numbers.begin(path.name)
        self._run: int | None = None

    def _prepare(self) -> None:
        run = self._database.execute
        if version_of(self._database) > VERSION:
            raise Newer(self.path.name)
        run(f"PRAGMA page_size = {PAGE_BYTES}")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = NORMAL")
        run(f"PRAGMA cache_size = -{CACHE_KIB}")
        migrate(self._database)
        self._load()

    def _load(self) -> None:
        """What the file holds already, as far as writing needs it; again after a batch was refused."""
        run = self._database.execute
        self._next: int = (run("SELECT max(n) FROM tasks").fetchone()[0] or 0) + 1
        self._codes: dict[str, int] = {word: code for code, word in run("SELECT code, word FROM words")}
        self._words = Codes(self._columns, self._code)

    def _code(self, word: str) -> int:
        code = self._codes.get(word)
        if code is None:
            code = self._codes[word] = len(self._codes) + 1
            self._database.execute("INSERT INTO words VALUES (?, ?)", (code, word))
        return code

    def begin_run(self, now: float) -> None:
        """Note that an engine began to write."""
        cursor = self._database.execute(
            "INSERT INTO runs (began, host, pid) VALUES (?, ?, ?)", (now, socket.gethostname(), os.getpid())
        )
        self._run = cursor.lastrowid

    def adopt(self) -> None:
        """Go on in the rows that another writer has begun: of tasks that have not ended, as far as the
        store knows them. Reads all of the file."""
        ended = ", ".join(str(state) for state in np.flatnonzero(ENDED).tolist())
        rows = self._database.execute(f"SELECT n, id FROM tasks WHERE state NOT IN ({ended})").fetchall()
        slots = self._columns.slots.many([own for _, own in rows])
        known = [(slot, n) for slot, (n, _) in zip(slots, rows, strict=True) if slot is not None]
        if known:
            places, numbers = (np.array(each) for each in zip(*known, strict=True))
            self._numbers.begin_with(self.path.name, places, numbers, self._columns.vector("row")[places])

    def write(self, slots: Slots, told: Sequence[Told], rest: Iterable[tuple[str, Any]] = ()) -> None:
        """Write tasks as they are now, events, and other statements, all or nothing."""
        run, first = self._database.execute, self._next
        run("BEGIN IMMEDIATE")
        try:
            for start in range(0, len(slots), AT_ONCE):
                some = slots[start : start + AT_ONCE]
                taken = take(self._columns, some, self._veiling, self._words, NOTHING)
                numbers, self._next = self._numbers.of(taken.slots, taken.identities, self._next)
                self._tasks(list(zip(numbers.tolist(), *taken.columns, strict=True)))
            if told:
                self._events(told)
            for statement, values in rest:
                run(statement, values)
            run("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                run("ROLLBACK")
            self._numbers.forget(first)
            self._load()
            raise

    def _tasks(self, rows: list[Row]) -> None:
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
        # Of a task that has left its slot meanwhile no row will ever tell.
        known = np.flatnonzero((rows != 0) & (self._columns.rows_of(slots) == rows))
        if len(known):
            tasks[known], self._next = self._numbers.of(slots[known], rows[known], self._next)
        codes, senders = np.unique(told[:, 2].astype(np.int64), return_inverse=True)
        words = np.array([self._words["worker", code] for code in codes.tolist()])
        body = packing.pack(
            told[:, 0].astype(np.int64) % COUNTED_BEFORE,
            told[:, 4],
            told[:, 5],
            words[senders],
            tasks,
            {
                place: (event.type[:200], self._veiling.redactor.value(event.extra or {}))
                for place, event in others.items()
            },
        )
        self._database.execute(
            "INSERT INTO events (first, last, count, body) VALUES (?, ?, ?, ?)",
            (float(told[0, 5]), float(told[-1, 5]), len(told), body),
        )

    def close(self, now: float | None = None) -> None:
        """Close the file; `now` says that the engine ends in good order. What the disk refuses now is
        not written."""
        try:
            if now is not None and self._run is not None:
                self._database.execute("UPDATE runs SET ended = ? WHERE n = ?", (now, self._run))
        finally:
            self._database.close()


def seal(path: Path) -> None:
    """Give a file that is not written any more its index on ids. Raises `OSError`, `sqlite3.Error`."""
    place = f"{path.absolute().as_uri()}?mode=rw"  # One that has gone is not made again.
    database = sqlite3.connect(place, uri=True, isolation_level=None, timeout=2.0)
    try:
        if 0 < version_of(database) <= VERSION:
            migrate(database)
            database.execute(IDS)
    finally:
        database.close()
