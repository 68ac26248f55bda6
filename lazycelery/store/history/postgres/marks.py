"""Deploy marks in the database: a script that deploys sets one, every monitor of the team sees it."""

from __future__ import annotations

import contextlib
import time
from contextlib import AbstractContextManager
from typing import Any

from lazycelery.store.history.postgres import schema as tables
from lazycelery.store.history.postgres.address import READS, WRITES, Address
from lazycelery.store.history.postgres.faults import said
from lazycelery.store.history.postgres.reading import Connections
from lazycelery.store.history.postgres.rows import text_in

KEPT = 200
FRESH = 5.0
"""Seconds for which what was read is good enough."""
AWAY = 60.0
"""Seconds until a database that did not answer is asked again."""
TOGETHER = 120.0
"""Seconds within which what two recorders tell of workers is one mark."""


class SharedMarks:
    """The `MarkLines` of a schema."""

    def __init__(self, address: Address, connections: Connections) -> None:
        self._address, self._connections = address, connections
        self._next = 0.0
        self._lines: list[bytes] = []

    def lines(self) -> list[bytes]:
        """Over a connection of its own, now and then."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + AWAY
            with contextlib.suppress(Exception), self._connected(READS) as connection:
                query = f"SELECT line FROM {self._address.schema}.marks ORDER BY n DESC LIMIT {KEPT}"
                rows = connection.execute(query).fetchall()
                self._lines = [line.encode() for (line,) in reversed(rows)]
                self._next = time.monotonic() + FRESH
        return self._lines

    def append(self, at: float, by: str, line: str) -> None:
        """Also where nothing was ever recorded."""
        query = f"""INSERT INTO {self._address.schema}.marks (at, by, line) SELECT %(at)s, %(by)s, %(line)s
            WHERE %(by)s <> 'workers' OR NOT EXISTS (SELECT FROM {self._address.schema}.marks
            WHERE by = 'workers' AND abs(at - %(at)s) < {TOGETHER}) ON CONFLICT DO NOTHING"""
        try:
            with self._connected(WRITES) as connection:
                tables.migrate(connection, self._address.schema)
                with connection.transaction():
                    connection.execute(f"LOCK TABLE {self._address.schema}.marks IN SHARE ROW EXCLUSIVE MODE")
                    connection.execute(query, {"at": at, "by": by, "line": text_in(line)})
        except Exception as problem:
            raise OSError(said(problem) or f"{problem}") from None
        self._next = 0.0

    def _connected(self, options: dict[str, str]) -> AbstractContextManager[Any]:
        return self._connections.connected(self._address, options)
