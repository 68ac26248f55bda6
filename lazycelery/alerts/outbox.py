"""The outbox: what is known and what is to be told, in one private SQLite file, changed in one step.

A finding is noted as told in the same transaction that puts its alert here, so that a crash at any moment
neither loses an alert nor makes a second one. An alert leaves when its target has taken it.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lazycelery.actions.files import make_private_directory
from lazycelery.store.history.files import make_private

MOST = 1000
"""Alerts kept for one target; beyond it the oldest go, and that is said."""
SCHEMA = (
    "CREATE TABLE IF NOT EXISTS known (key TEXT PRIMARY KEY, body TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS outbox (
        n INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, at REAL NOT NULL, body TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS by_target ON outbox (target, n)",
    "CREATE TABLE IF NOT EXISTS dropped (target TEXT PRIMARY KEY, number INTEGER NOT NULL)",
)


class Waiting(NamedTuple):
    """One alert that was not delivered yet."""

    n: int
    at: float
    item: dict[str, Any]


class Outbox:
    """Open file; every method may be called from any thread. Raises `OSError`, `sqlite3.Error`."""

    def __init__(self, path: Path) -> None:
        make_private_directory(path.parent)
        make_private(path)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
        self._run("PRAGMA journal_mode = WAL")
        self._run("PRAGMA synchronous = FULL")
        for statement in SCHEMA:
            self._run(statement)

    def _run(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        return self._database.execute(statement, values).fetchall()

    def known(self, key: str) -> str | None:
        """What was written down under a key."""
        with self._lock:
            found = self._run("SELECT body FROM known WHERE key = ?", (key,))
            return found[0][0] if found else None

    def commit(self, known: Mapping[str, str], alerts: Sequence[tuple[str, float, dict[str, Any]]]) -> int:
        """Write down what is known and put alerts (target, when, item) in, in one step; returns how many
        older ones had to go."""
        gone = 0
        with self._lock:
            self._run("BEGIN IMMEDIATE")
            try:
                for key, body in known.items():
                    self._run(
                        "INSERT INTO known VALUES (?, ?) "
                        "ON CONFLICT (key) DO UPDATE SET body = excluded.body",
                        (key, body),
                    )
                for target, at, item in alerts:
                    self._run(
                        "INSERT INTO outbox (target, at, body) VALUES (?, ?, ?)",
                        (target, at, json.dumps(item)),
                    )
                for target in {target for target, _, _ in alerts}:
                    gone += self._bound(target)
                self._run("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._run("ROLLBACK")
                raise
        return gone

    def _bound(self, target: str) -> int:
        number = self._run("SELECT count(*) FROM outbox WHERE target = ?", (target,))[0][0] - MOST
        if number <= 0:
            return 0
        self._run(
            "DELETE FROM outbox WHERE n IN (SELECT n FROM outbox WHERE target = ? ORDER BY n LIMIT ?)",
            (target, number),
        )
        self._drop(target, number)
        return int(number)

    def _drop(self, target: str, number: int) -> None:
        self._run(
            "INSERT INTO dropped VALUES (?, ?) "
            "ON CONFLICT (target) DO UPDATE SET number = number + excluded.number",
            (target, number),
        )

    def waiting(self, target: str, most: int) -> tuple[list[Waiting], int]:
        """The oldest alerts of a target, and how many were dropped since it was last told."""
        with self._lock:
            rows = self._run(
                "SELECT n, at, body FROM outbox WHERE target = ? ORDER BY n LIMIT ?", (target, most)
            )
            dropped = self._run("SELECT number FROM dropped WHERE target = ?", (target,))
        return [Waiting(n, at, json.loads(body)) for n, at, body in rows], dropped[0][0] if dropped else 0

    def delivered(self, target: str, taken: Sequence[Waiting], dropped: int) -> None:
        """These were taken, and so was the number of those that were dropped."""
        self._remove(target, taken, -dropped)

    def given_up(self, target: str, hopeless: Sequence[Waiting]) -> None:
        """These will never be taken."""
        self._remove(target, hopeless, len(hopeless))

    def _remove(self, target: str, gone: Sequence[Waiting], dropped: int) -> None:
        with self._lock:
            self._run("BEGIN IMMEDIATE")
            try:
                for one in gone:
                    self._run("DELETE FROM outbox WHERE n = ?", (one.n,))
                if dropped:
                    self._drop(target, dropped)
                self._run("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._run("ROLLBACK")
                raise

    def counts(self) -> dict[str, int]:
        """Alerts that wait, by target."""
        with self._lock:
            return dict(self._run("SELECT target, count(*) FROM outbox GROUP BY target"))

    def forget(self, targets: Sequence[str]) -> None:
        """Remove what waits for targets that are in no configuration any more."""
        with self._lock:
            for target in targets:
                self._run("DELETE FROM outbox WHERE target = ?", (target,))
                self._run("DELETE FROM dropped WHERE target = ?", (target,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()
