"""Reads history files, also while another process writes them. What cannot be read is said, not raised."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from lazycelery.model.recorded import Recorded
from lazycelery.store.filter.entries import EntryFilter
from lazycelery.store.history.damage import Damaged, highest, is_damage, stepped
from lazycelery.store.history.file_entries import FileEntries
from lazycelery.store.history.files import more_rows, order, size_of, was_put_aside
from lazycelery.store.history.later import Later
from lazycelery.store.history.lock import is_written
from lazycelery.store.history.schema import COLUMNS, VERSION, version_of
from lazycelery.store.history.soundness import are_tasks, are_texts
from lazycelery.store.history.storage import Condition, Hour, Unreadable
from lazycelery.store.values import NUL

WHOLE = f"SELECT {', '.join(COLUMNS)}"
STEPS = 20_000
"""Of SQLite's machine, between two looks whether an answer is still wanted: a millisecond or two."""
RANGE = "n >= ? AND n < ?"
BETWEEN = f"tasks NOT INDEXED WHERE {RANGE}"
LOOK = 0.05
"""Seconds between two such looks where SQLite calls us: thousands of our calls are few of its steps."""
TOGETHER = 20_000
"""Ids read in one go."""
BEHIND = 1000
"""Tasks of which one was seen last."""


class File:
    """The `Part` that is an open file, read only."""

    def __init__(
        self,
        path: Path,
        newer: Sequence[Path] = (),
        noticed: Callable[[Path], object] = lambda path: None,
    ) -> None:
        """`newer` are the files after it; `noticed` is told of damage. Raises `Unreadable`."""
        self.path, self._newer, self.name = path, newer, path.name
        self._noticed, self._skipped = noticed, set[int]()
        self.aside, self.damage = was_put_aside(path), ""
        self._functions = 0
        self._go_on: Callable[[], bool] = lambda: True
        try:
            self._database = _open(path)
            self.version = version_of(self._database)
            if self.version > VERSION:
                raise Unreadable(f"{path.name} was written by a later version of lazycelery")
        except sqlite3.Error as problem:
            raise self._unreadable(problem) from None
        self._most = more_rows(path)
        self.words: dict[int, str] = self._words() if self.version else {}
        self.last: int = self._last("tasks", "n") if self.version else 0

    def _words(self) -> dict[int, str]:
        query = "SELECT code, word FROM words"
        try:
            return dict(self._texts(query))
        except Damaged:
            below = self._last("words", "code") + 1
            some = f"{query} WHERE code >= ? AND code < ?"
            return dict(stepped(lambda *between: self._texts(some, between), 0, below, below, set()))

    def _last(self, table: str, number: str) -> int:
        def told(query: str, *values: int) -> int:
            last = int(self._one(query, *values) or 0)
            if not 0 <= last <= self._most:
                raise self._unreadable(sqlite3.DatabaseError(f"malformed: row {last}"))
            return last

        try:
            return told(f"SELECT max({number}) FROM {table}")
        except Damaged:
            query = f"SELECT {number} FROM {table} WHERE {number} <= ? ORDER BY {number} DESC LIMIT 1"
            with contextlib.suppress(Damaged):
                return told(query, self._most)  # It was written just then.
            return highest(lambda until: told(query, until), self._most)

    def skipped(self, above: int = 0) -> int:
        """Row numbers, from this one on, that stand on bad pages."""
        return sum(number >= above for number in self._skipped)

    def while_wanted(self, go_on: Callable[[], bool]) -> None:
        """Break off a question that takes long, with `Unreadable`, once `go_on` says no."""
        self._go_on = go_on
        self._database.set_progress_handler(lambda: not go_on(), STEPS)

    def count(self, most: int) -> tuple[int, bool]:
        """Tasks in it, by their numbers: to count the rows would read all of the file."""
        if not self.last:
            return 0, True
        try:
            first = self._one("SELECT min(n) FROM tasks")
        except Damaged:
            first = 1
        return 0 if first is None else self.last - max(int(first), 1) + 1, True

    def since(self) -> float | None:
        """First sight of its oldest task, epoch seconds, or when it was begun, where that was later."""
        behind = 0
        while self.version and behind <= self.last:
            with contextlib.suppress(Damaged):
                query = "SELECT first FROM tasks WHERE n > ? ORDER BY n LIMIT 1"
                found = self._one(query, behind)
                if found is None:
                    return None
                if isinstance(found, float):
                    return max(found, self.begin())
            behind = 2 * behind + 1
        return None

    def begin(self) -> float:
        """When the first run began to write to it."""
        found: Any = None
        if self.version:
            with contextlib.suppress(Unreadable):
                found = self._one("SELECT min(began) FROM runs")
        return found if isinstance(found, float) else 0.0

    def last_seen(self, until: float) -> float | None:
        """When something was last written down, as far as a clock that was ahead did not tell that."""
        if not self.version:
            return None
        found: list[Any] = []
        with contextlib.suppress(Damaged):
            event = "SELECT last FROM events WHERE last <= ? ORDER BY n DESC LIMIT 1"
            found.append(self._one(event, until))
        tasks = f"SELECT seen FROM tasks ORDER BY n DESC LIMIT {BEHIND}"
        try:
            found.append(self._one(f"SELECT max(seen) FROM ({tasks}) WHERE seen <= ?", until))
        except Damaged:
            place = COLUMNS.index("seen")
            seen = [row[place] for row in self.newest(self.last + 1, BEHIND)]
            found += [moment for moment in seen if moment is not None and moment <= until]
        return max((float(moment) for moment in found if moment is not None), default=None)

    def began(self) -> float | None:
        """When the run that wrote to it last began to; `None` where that is not known."""
        found: Any = None
        if self.version:
            with contextlib.suppress(Damaged):
                found = self._one("SELECT began FROM runs ORDER BY n DESC LIMIT 1")
        return found if isinstance(found, float) else None

    def interrupted(self) -> bool:
        """Whether the run that wrote last did not end in good order; one that writes still is none, and of
        one that stands on a bad page nobody knows."""
        if not self.version:
            return False
        last: list[Any] = []
        with contextlib.suppress(Damaged):
            last = self.rows("SELECT ended FROM runs ORDER BY n DESC LIMIT 1")
        return bool(last) and last[0][0] is None and not is_written(self.path.parent)

    def newest(self, before: int, limit: int, where: str = "", values: Sequence[Any] = ()) -> list[Any]:
        """Rows of `tasks` below a number, highest first; bad pages are stepped over. Raises `Unreadable`."""
        if not self.version:
            return []
        condition = f"AND ({where})" if where else ""
        query = f"{WHOLE} FROM tasks WHERE n < ? {condition} ORDER BY n DESC LIMIT ?"
        if not self.aside and not self.damage:
            with contextlib.suppress(Damaged):
                return self._sound(query, (before, *values, limit), 1, before)
        # Who looks for each range from the root on finds more than who goes on from a bad page.
        some = f"{WHOLE} FROM {BETWEEN} {condition} ORDER BY n DESC"
        return self._stepped(some, values, 1, before, limit, self._skipped)

    def _sound(self, query: str, values: Sequence[Any], low: int, below: int) -> list[Any]:
        """Whole rows of tasks in a range, highest first."""
        rows = self.rows(query, values)
        if not are_tasks(rows, low, below):
            raise self._unreadable(sqlite3.DatabaseError(f"malformed row before {below}"))
        return rows

    def _texts(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """Numbers, each with texts or none."""
        rows = self.rows(query, values)
        if not are_texts(rows):
            raise self._unreadable(sqlite3.DatabaseError("malformed text"))
        return rows

    def _stepped(
        self, query: str, values: Sequence[Any], low: int, high: int, limit: int, skipped: set[int]
    ) -> list[Any]:
        """A query that goes through `BETWEEN`, in its order, as far as it can be answered."""

        def ask(first: int, below: int) -> list[Any]:
            if not self._go_on():
                raise Unreadable(f"{self.name}: broken off")
            asked, between = query, [first, below]
            if below == first + 1:  # Who looks whether there are more meets the page beside it.
                asked, between = query.replace(RANGE, "n = ?"), [first]
            if query.startswith(WHOLE):
                return self._sound(asked, (*between, *values), first, below)
            return self._texts(asked, (*between, *values))

        return stepped(ask, low, high, limit, skipped, downwards=query.endswith("DESC"))

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
        if not self.version:
            return None
        try:
            number: int | None = self._one("SELECT max(n) FROM tasks WHERE id = ?", id)
        except Damaged:
            query = f"SELECT n FROM {BETWEEN} AND id = ? ORDER BY n DESC"
            found = self._stepped(query, (id,), 1, self.last + 1, 1, set())
            number = found[0][0] if found else None
        return number

    def went_on(self, rows: Mapping[str, int], later: Later, go_on: Callable[[], bool]) -> set[str]:
        """Those of these tasks that have a newer row here, as who came back after he had ended and left the
        full store, or a row in a newer file."""
        over = later.of(self, rows, go_on)
        anywhere = dict.fromkeys(rows, 0)
        for other in opened(self._newer, []) if rows else ():
            if not go_on():
                break
            if other.version:
                over |= later.of(other, anywhere, go_on)
        return over

    @cached_property
    def indexed(self) -> bool:
        """Whether it has its index on ids: no other one begins with a name of its own."""
        with contextlib.suppress(Damaged):
            query = "SELECT count(*) FROM sqlite_master WHERE type = 'index' AND name = 'ids'"
            return bool(self._one(query))
        return False

    def among(self, ids: Sequence[str], until: int, above: int = 0) -> list[tuple[int, str]]:
        """The rows of these tasks behind a number and up to another; without the index all that is read."""
        wanted = f"id IN ({', '.join('?' * len(ids))})"
        own = "+n" if self.indexed else "n"
        try:
            query = f"SELECT n, id FROM tasks WHERE {wanted} AND {own} > ? AND {own} <= ?"
            return self._texts(query, (*ids, above, until))
        except Damaged:
            query = f"SELECT n, id FROM {BETWEEN} AND {wanted} ORDER BY n"
            return self._stepped(query, ids, above + 1, until + 1, until, set())

    def all_ids(self, until: int) -> Iterator[list[tuple[int, str]]]:
        """The same of all rows up to this number."""
        after = 0
        while rows := self._numbered("SELECT n, id", "id IS NOT NULL", (), after, until, TOGETHER):
            after = rows[-1][0]
            yield rows

    def _numbered(
        self, fields: str, where: str, values: Sequence[Any], after: int, until: int, limit: int
    ) -> list[Any]:
        """Rows behind a number, in their order."""
        try:
            query = f"{fields} FROM tasks WHERE n > ? AND n <= ? AND {where} ORDER BY n LIMIT ?"
            return self._texts(query, (after, until, *values, limit))
        except Damaged:
            some = f"{fields} FROM {BETWEEN} AND {where} ORDER BY n"
            return self._stepped(some, values, after + 1, min(until, self.last) + 1, limit, set())

    def children(self, parents: Sequence[str], after: int, limit: int) -> list[tuple[int, str, str]]:
        """All of the file is read for it: nothing is kept in the order of parents."""
        if not self.version:
            return []
        whose = f"parent_id IN ({', '.join('?' * len(parents))})" if parents else "parent_id IS NOT NULL"
        return self._numbered("SELECT n, parent_id, id", whose, parents, after, self._most, limit)

    def hours(self, since: float, until: float, kind: str = "") -> list[Hour]:
        """Statistics of the hours that began between; of one kind, or of all."""
        if self.version < 2:
            return []
        query = "SELECT * FROM statistics WHERE began > ? AND began <= ? AND (? = '' OR kind = ?)"
        found = [Hour(*row) for row in self.rows(query, (since, until, kind, kind))]
        return [
            hour for hour in found if (type(hour.began), type(hour.kind), type(hour.key)) == (int, str, str)
        ]

    def recorded(self, wanted: EntryFilter, go_on: Callable[[], bool]) -> Iterator[Sequence[Recorded]]:
        """Events, findings or samples."""
        return FileEntries(self.name, self.rows, self.words, self.version).recorded(wanted, go_on)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """What a query gives. Raises `Unreadable`."""
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as problem:
            raise self._unreadable(problem) from None

    def _unreadable(self, problem: sqlite3.Error) -> Unreadable:
        # No value that is too large was ever written; a question may be.
        large = isinstance(problem, sqlite3.DataError) and "query" not in str(problem)
        if not is_damage(problem) and not large:
            return Unreadable(f"{self.name}: {problem}")
        self._noticed(self.path)
        self.damage = f"what is on the bad pages of {self.name}, which is damaged"
        return Damaged(f"{self.name} is damaged ({problem})")

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
    database.execute("PRAGMA cell_size_check = 1")
    return database


def opened(
    paths: Sequence[Path],
    unread: list[str],
    until: str = "",
    noticed: Callable[[Path], object] = lambda path: None,
) -> Generator[File, None, None]:
    """The files, one after the other, newest first, from the one named `until` on; those that cannot
    be read are told in `unread`, and those that are damaged to `noticed`."""
    for place, path in reversed(list(enumerate(paths))):
        if until and order(path.name) > order(until):
            continue
        if not size_of(path):
            if not path.exists():
                unread.append(f"{path.name}, which was removed meanwhile")
            continue
        try:
            file = File(path, paths[place + 1 :], noticed)
        except Unreadable as problem:
            unread.append(str(problem))
            continue
        with contextlib.closing(file):
            yield file
