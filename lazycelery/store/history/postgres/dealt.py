"""Which failed tasks somebody of the team has dealt with: one row a task, the last word of whoever wrote."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from lazycelery.model.task import Dealt
from lazycelery.store.history.postgres import schema as tables
from lazycelery.store.history.postgres.address import READS, WRITES, Address
from lazycelery.store.history.postgres.faults import said
from lazycelery.store.history.postgres.reading import Connections
from lazycelery.store.history.postgres.rows import text_in, text_out
from lazycelery.store.history.storage import Word

KEPT = 50_000
FRESH = 5.0
"""Seconds for which what was read is good enough."""
AWAY = 60.0
"""Seconds until a database that did not answer is asked again."""
LONGEST = 512
"""Characters of an id: an index holds no more than 2,700 bytes."""
MAY_NOT = ("42501", "25006")

PUT = """INSERT INTO {s}.dealt AS d (id, at, by, note, undone)
    SELECT id, %s, %s, %s, %s FROM unnest(%s::text[]) AS id ORDER BY id
    ON CONFLICT (id) DO UPDATE SET at = excluded.at, by = excluded.by, note = excluded.note,
    undone = excluded.undone, change = nextval('{s}.dealt_changes')"""
FORGET = """DELETE FROM {s}.dealt WHERE change <
    (SELECT change FROM {s}.dealt ORDER BY change DESC OFFSET %s LIMIT 1)"""


class SharedDealt:
    """The `DealtWords` of a schema."""

    def __init__(self, address: Address, connections: Connections) -> None:
        self._address, self._connections = address, connections
        self._next = 0.0
        self._change = -1
        self._known: dict[str, Word] = {}

    def read(self) -> dict[str, Word]:
        """Over a connection of its own, now and then, and in full only when somebody has written."""
        if time.monotonic() < self._next:
            return self._known
        self._next = time.monotonic() + AWAY
        with contextlib.suppress(Exception), self._connected(READS) as connection:
            if tables.version_of(connection, self._address.schema) >= tables.WITH_DEALT:
                self._read(connection)
            self._next = time.monotonic() + FRESH
        return self._known

    def _read(self, connection: Any) -> None:
        told = connection.execute(self._named("SELECT max(change) FROM {s}.dealt")).fetchone()[0] or 0
        if told == self._change:
            return
        query = self._named("SELECT id, at, by, note, undone FROM {s}.dealt ORDER BY change DESC LIMIT %s")
        rows = connection.execute(query, (KEPT,)).fetchall()
        self._known = {
            str(text_out(task)): Word(Dealt(at=at, by=by, note=note), undone)
            for task, at, by, note, undone in reversed(rows)
        }
        self._change = told

    def put(self, ids: Sequence[str], said_so: Dealt, undone: bool) -> None:
        """For all of the team."""
        if any(len(each) > LONGEST for each in ids):
            raise OSError(f"an id of more than {LONGEST} characters cannot be kept there")
        wanted = [text_in(each) for each in ids]
        values = (said_so.at, text_in(said_so.by), text_in(said_so.note), undone, wanted)
        try:
            with self._connected(WRITES) as connection:
                tables.migrate(connection, self._address.schema)
                with connection.transaction():
                    # One after the other: who reads sees by the highest change alone that there is more.
                    connection.execute(self._named("LOCK TABLE {s}.dealt IN SHARE ROW EXCLUSIVE MODE"))
                    connection.execute(self._named(PUT), values)
                    connection.execute(self._named(FORGET), (2 * KEPT,))
        except Exception as problem:
            kind = PermissionError if getattr(problem, "sqlstate", None) in MAY_NOT else OSError
            raise kind(said(problem) or f"{problem}") from None
        self._next = 0.0

    def _connected(self, options: dict[str, str]) -> AbstractContextManager[Any]:
        return self._connections.connected(self._address, options)

    def _named(self, query: str) -> str:
        return query.replace("{s}", self._address.schema)
