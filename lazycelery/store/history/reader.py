"""Reads history files, also while another process writes them. What cannot be read is said, not raised."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lazycelery.store.history.files import size_of
from lazycelery.store.history.schema import COLUMNS, VERSION, version_of

COLUMN_LIST = ", ".join(COLUMNS)


class Unreadable(Exception):
    """A file that cannot be read, and why."""


class File:
    """One open history file, read only. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Raises `Unreadable`."""
        self.path = path
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

    def count(self) -> int:
        """Tasks in it, by their numbers: to count the rows would read all of the file."""
        first = self._one("SELECT min(n) FROM tasks") if self.version else None
        return 0 if first is None else self.last - int(first) + 1

    def since(self) -> float | None:
        """First sight of its oldest task, epoch seconds."""
        found = self._one("SELECT first FROM tasks ORDER BY n LIMIT 1") if self.version else None
        return float(found) if found is not None else None

    def last_seen(self) -> float | None:
        """When something was last written down, epoch seconds."""
        if not self.version:
            return None
        found = [
            self._one("SELECT last FROM events ORDER BY n DESC LIMIT 1"),
            self._one("SELECT max(seen) FROM (SELECT seen FROM tasks ORDER BY n DESC LIMIT 1000)"),
        ]
        return max((float(moment) for moment in found if moment is not None), default=None)

    def interrupted(self) -> bool:
        """Whether the run that wrote last did not end in good order."""
        if not self.version:
            return False
        last = self.rows("SELECT ended FROM runs ORDER BY n DESC LIMIT 1")
        return bool(last) and last[0][0] is None

    def newest(self, before: int, limit: int, where: str = "", values: Sequence[Any] = ()) -> list[Any]:
        """Rows of `tasks` below a number, highest first. Raises `Unreadable`."""
        if not self.version:
            return []
        condition = f"AND ({where})" if where else ""
        query = f"SELECT {COLUMN_LIST} FROM tasks WHERE n < ? {condition} ORDER BY n DESC LIMIT ?"
        return self.rows(query, (before, *values, limit))

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Any]:
        """What a query gives. Raises `Unreadable`."""
        try:
            return self._database.execute(query, values).fetchall()
        except sqlite3.Error as problem:
            raise Unreadable(f"{self.path.name}: {problem}") from None

    def _one(self, query: str) -> Any:
        found = self.rows(query)
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


def opened(paths: Sequence[Path], unread: list[str]) -> Iterator[File]:
    """The files, one after the other, newest first; those that cannot be read are told in `unread`."""
    for path in reversed(paths):
        if not size_of(path):
            continue
        try:
            file = File(path)
        except Unreadable as problem:
            unread.append(str(problem))
            continue
        with contextlib.closing(file):
            yield file
