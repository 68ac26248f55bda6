"""Reads history files, also while another process writes them. What cannot be read is said, not raised."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lazycelery.model.recorded import Recorded
from lazycelery.store.filter.entries import EntryFilter
from lazycelery.store.history.file_entries import FileEntries
from lazycelery.store.history.files import order, size_of
from lazycelery.store.history.later import Later
from lazycelery.store.history.lock import is_written
from lazycelery.store.history.schema import COLUMNS, VERSION, version_of
from lazycelery.store.history.storage import Condition, Hour, Unreadable
from lazycelery.store.values import NUL

COLUMN_LIST = ", ".join(COLUMNS)
STEPS = 20_000
"""Of SQLite's machine, between two looks whether an answer is still wanted: a millisecond or two."""
LOOK = 0.05
"""Seconds between two such looks where SQLite calls us: thousands of our calls are few of its steps."""
TOGETHER = 20_000
"""Ids read in one go."""


class File:
    """The `Part` that is an open file, read only."""

    def __init__(self, path: Path, newer: Sequence[Path] = ()) -> None:
        """`newer` are the files after it. Raises `Unreadable`."""
        self.path, self._newer, self.name = path, newer, path.name
        self._functions = 0
        self._go_on: Callable[[], bool] = lambda: True
        try:
            self._database = _open(path)
            self.version = version_of(self._database)
            if self.version > VERSION:
                raise Unreadable(f"{path.name} was written by a later version of lazycelery")
            self.words: dict[int, str] = (
                dict(self._database.execute("SELECT code, word FROM words")) if self.version else {}
            )
            self.last: int = self._one("SELECT max(n) FROM tasks") or 0 if self.version else 0
        except sqlite3.Error as problem:
            raise Unreadable(f"{path.name}: {problem}") from None

    def while_wanted(self, go_on: Callable[[], bool]) -> None:
        """Break off a question that takes long, with `Unreadable`, once `go_on` says no."""
        self._go_on = go_on
        self._database.set_progress_handler(lambda: not go_on(), STEPS)

    def count(self) -> int:
        """Tasks in it, by their numbers: to count the rows would read all of the file."""
        first = self._one("SELECT min(n) FROM tasks") if self.version else None
        return 0 if first is None else self.last - int(first) + 1

    def since(self) -> float | None:
        """First sight of its oldest task, epoch seconds."""
        found = self._one("SELECT first FROM tasks ORDER BY n LIMIT 1") if self.version else None
        return float(found) if found is not None else None

    def last_seen(self, until: float) -> float | None:
        """When something was last written down, as far as a clock that was ahead did not tell that."""
        if not self.version:
            return None
        tasks = "SELECT seen FROM tasks ORDER BY n DESC LIMIT 1000"
        found = [
            self._one("SELECT last FROM events WHERE last <= ? ORDER BY n DESC LIMIT 1", until),
            self._one(f"SELECT max(seen) FROM ({tasks}) WHERE seen <= ?", until),
        ]
        return max((float(moment) for moment in found if moment is not None), default=None)

    def interrupted(self) -> bool:
        """Whether the run that wrote last did not end in good order; one that writes still is none."""
        if not self.version:
            return False
        last = self.rows("SELECT ended FROM runs ORDER BY n DESC LIMIT 1")
        return bool(last) and last[0][0] is None and not is_written(self.path.parent)

    def newest(self, before: int, limit: int, where: str = "", values: Sequence[Any] = ()) -> list[Any]:
        """Rows of `tasks` below a number, highest first. Raises `Unreadable`."""
        if not self.version:
            return []
        condition = f"AND ({where})" if where else ""
        query = f"SELECT {COLUMN_LIST} FROM tasks WHERE n < ? {condition} ORDER BY n DESC LIMIT ?"
        return self.rows(query, (before, *values, limit))

    def texts(self, fields: Sequence[str], like: str | None, found: Callable[..., bool]) -> Condition | None:
        """SQLite calls `found` itself, where a text may be it: a row that is not read costs little. What it
        raises ends the question."""
        self._functions += 1
        name = f"found{self._functions}"
        clock, due = time.monotonic, 0.0

        def while_wanted(*texts: str | None) -> bool:
            nonlocal due
            if clock() > due:
                if not self._go_on():
                    raise InterruptedError
                due = clock() + LOOK
            return found(*texts)

        self._database.create_function(name, len(fields), while_wanted, deterministic=True)
        call = f"{name}({', '.join(fields)})"
        if like is None:
            return call, []
        # LIKE sees nothing behind a NUL, with which real values begin.
        maybe = " OR ".join(f"{field} LIKE ? ESCAPE '\\' OR instr({field}, ?)" for field in fields)
        return f"CASE WHEN {maybe} THEN {call} END", [like, NUL] * len(fields)

    def number_of(self, id: str) -> int | None:
        """The newest row of a task; without an index on ids all of the file is read."""
        found = self.rows("SELECT max(n) FROM tasks WHERE id = ?", (id,)) if self.version else []
        return found[0][0] if found else None

    def went_on(self, ids: Sequence[str], later: Later, go_on: Callable[[], bool]) -> set[str]:
        """Those of these tasks of which a newer file has a row."""
        over: set[str] = set()
        for other in opened(self._newer, []) if ids else ():
            if not go_on():
                break
            if other.version:
                over |= later.of(other, ids, go_on)
        return over

    @property
    def indexed(self) -> bool:
        """Whether it has its index on ids: no other one begins with a name of its own."""
        return bool(self._one("SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name = 'ids'"))

    def among(self, ids: Sequence[str], until: int) -> list[str]:
        """Those of these tasks that have a row up to this number; without the index all of it is read."""
        query = f"SELECT id FROM tasks WHERE id IN ({', '.join('?' * len(ids))}) AND +n <= ?"
        return [row[0] for row in self.rows(query, (*ids, until))]

    def all_ids(self, until: int) -> Iterator[list[str]]:
        """Of all rows up to this number."""
        after = 0
        while rows := self.rows(
            "SELECT n, id FROM tasks WHERE n > ? AND n <= ? ORDER BY n LIMIT ?", (after, until, TOGETHER)
        ):
            after = rows[-1][0]
            yield [own for _, own in rows]

    def children(self, parents: Sequence[str], after: int, limit: int) -> list[tuple[int, str, str]]:
        """All of the file is read for it: nothing is kept in the order of parents."""
        if not self.version:
            return []
        whose = f"parent_id IN ({', '.join('?' * len(parents))})" if parents else "parent_id IS NOT NULL"
        query = f"SELECT n, parent_id, id FROM tasks WHERE n > ? AND {whose} ORDER BY n LIMIT ?"
        return self.rows(query, (after, *parents, limit))

    def hours(self, since: float, until: float) -> list[Hour]:
        """Statistics of the hours that began between."""
        if self.version < 2:
            return []
        query = "SELECT * FROM statistics WHERE began > ? AND began <= ?"
        return [Hour(*row) for row in self.rows(query, (since, until))]

    def recorded(self, wanted: EntryFilter, go_on: Callable[[], bool]) -> Iterator[Sequence[Recorded]]:
        """Events, findings or samples."""
        return FileEntries(self.name, self.rows, self.words, self.version).recorded(wanted, go_on)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """What a query gives. Raises `Unreadable`."""
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as problem:
            raise Unreadable(f"{self.path.name}: {problem}") from None

    def _one(self, query: str, *values: Any) -> Any:
        found = self.rows(query, values)
        return found[0][0] if found else None

    def close(self) -> None:
        """Close it."""
        self._database.close()


def _open(path: Path) -> sqlite3.Connection:
    if not os.access(path.parent, os.W_OK) and not os.path.exists(f"{path}-wal"):
        # Nobody can be writing, and SQLite could make no companion files here.
        return _connect(path, "mode=ro&immutable=1")
    return _connect(path, "mode=ro")


def _connect(path: Path, how: str) -> sqlite3.Connection:
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?{how}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        timeout=2.0,
    )
    database.execute("PRAGMA query_only = 1")
    return database


def opened(paths: Sequence[Path], unread: list[str], until: str = "") -> Iterator[File]:
    """The files, one after the other, newest first, from the one named `until` on; those that cannot
    be read are told in `unread`."""
    for place, path in reversed(list(enumerate(paths))):
        if (until and order(path.name) > order(until)) or not size_of(path):
            if not path.exists():
                unread.append(f"{path.name}, which was removed meanwhile")
            continue
        try:
            file = File(path, paths[place + 1 :])
        except Unreadable as problem:
            unread.append(str(problem))
            continue
        with contextlib.closing(file):
            yield file
