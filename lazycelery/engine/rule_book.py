"""What rules have done and will do, in one private SQLite file: a crash forgets nothing, doubles no retry."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from lazycelery.actions.files import make_private_directory
from lazycelery.model.rule import RuleStatus, Run
from lazycelery.store.history.files import make_private

KEPT = 7 * 86_400.0
"""Seconds for which runs are remembered of which nothing is due."""
MOST = 20_000
OPEN = ("due", "trying")
SCHEMA = (
    """CREATE TABLE IF NOT EXISTS runs (
        root TEXT PRIMARY KEY, last TEXT NOT NULL, rule TEXT, name TEXT, error TEXT,
        tries INTEGER, state TEXT, due REAL, at REAL)""",
    "CREATE INDEX IF NOT EXISTS by_last ON runs (last)",
    "CREATE INDEX IF NOT EXISTS by_state ON runs (state, due)",
    "CREATE TABLE IF NOT EXISTS stopped (rule TEXT PRIMARY KEY, at REAL, why TEXT)",
)
_COLUMNS = Run.__struct_fields__


class RuleBook:
    """Open file; its methods may be called from any thread. Raises `OSError`, `sqlite3.Error`."""

    def __init__(self, path: Path) -> None:
        make_private_directory(path.parent)
        make_private(path)
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
        self._ask("PRAGMA journal_mode = WAL")
        self._ask("PRAGMA synchronous = FULL")
        for statement in SCHEMA:
            self._ask(statement)

    def _ask(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock:
            return self._database.execute(statement, values).fetchall()

    def put(self, run: Run) -> None:
        """Write a run down, and wait for the disk."""
        marks = ", ".join("?" * len(_COLUMNS))
        self._ask(f"REPLACE INTO runs ({', '.join(_COLUMNS)}) VALUES ({marks})", msgspec.structs.astuple(run))

    def of(self, id: str) -> Run | None:
        """The run whose newest task this is, or that began with it."""
        found = self._runs("WHERE last = ? OR root = ? LIMIT 1", (id, id))
        return found[0] if found else None

    def waiting(self, rule: str, name: str, since: float) -> list[Run]:
        """Runs of a task that wait for more failures."""
        return self._runs(
            "WHERE state = 'waiting' AND rule = ? AND name = ? AND at >= ?", (rule, name, since)
        )

    def due(self, now: float, most: int) -> list[Run]:
        """Runs to be decided on, longest due first; none of a rule that is stopped."""
        where = (
            "WHERE state = 'due' AND due <= ? AND rule NOT IN (SELECT rule FROM stopped) ORDER BY due LIMIT ?"
        )
        return self._runs(where, (now, most))

    def clock_set(self, by: float) -> None:
        """Our clock was set ahead by so many seconds, or back: each waits for as long as it would have."""
        self._ask("UPDATE runs SET due = due + ?, at = at + ?", (by, by))

    def interrupted(self) -> list[Run]:
        """Runs that were being retried when the process ended: nobody knows whether they were."""
        return self._runs("WHERE state = 'trying'", ())

    def _runs(self, where: str, values: Sequence[Any]) -> list[Run]:
        rows = self._ask(f"SELECT {', '.join(_COLUMNS)} FROM runs {where}", values)
        return [Run(**dict(zip(_COLUMNS, row, strict=True))) for row in rows]

    def stop(self, rule: str, at: float, why: str) -> None:
        """Stop a rule until somebody resets it."""
        self._ask("REPLACE INTO stopped VALUES (?, ?, ?)", (rule, at, why))

    def stopped(self) -> dict[str, tuple[float, str]]:
        """Rules that are stopped: since when, and why."""
        return {rule: (at, why) for rule, at, why in self._ask("SELECT rule, at, why FROM stopped")}

    def reset(self, rule: str) -> bool:
        """Let a rule go on; whether it was stopped."""
        return bool(self._ask("DELETE FROM stopped WHERE rule = ? RETURNING rule", (rule,)))

    def status(self, names: Sequence[str]) -> list[RuleStatus]:
        """How rules do."""
        stopped = self.stopped()
        counts: dict[str, dict[str, int]] = {}
        for rule, state, number in self._ask("SELECT rule, state, count(*) FROM runs GROUP BY rule, state"):
            counts.setdefault(rule, {})[state] = number
        return [
            RuleStatus(
                name=name,
                stopped=stopped[name][0] if name in stopped else None,
                why=stopped[name][1] if name in stopped else "",
                runs=counts.get(name, {}),
            )
            for name in names
        ]

    def forget(self, now: float) -> int:
        """Forget what was heard of last long ago, and of too many the oldest. What is due stays, the newest
        `MOST` of it (a rule that is stopped does nothing about it); returns how many had to go."""
        marks = ", ".join("?" * len(OPEN))
        self._ask(f"DELETE FROM runs WHERE at < ? AND state NOT IN ({marks})", (now - KEPT, *OPEN))
        self._ask(
            f"DELETE FROM runs WHERE root IN (SELECT root FROM runs WHERE state NOT IN ({marks}) "
            "ORDER BY at DESC LIMIT -1 OFFSET ?)",
            (*OPEN, MOST),
        )
        gone = self._ask(
            "DELETE FROM runs WHERE root IN (SELECT root FROM runs WHERE state = 'due' "
            "ORDER BY at DESC LIMIT -1 OFFSET ?) RETURNING 1",
            (MOST,),
        )
        return len(gone)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()
