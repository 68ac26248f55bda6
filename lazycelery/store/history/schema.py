"""The tables of a history file, and how an older file becomes one of today.

Plain SQL on purpose: `sqlite3 FILE 'SELECT * FROM task WHERE state = ''failure'''` answers anybody. The
file that is being written has no index on ids, as that alone would double the cost of writing; it gets
one when the next file is begun.
"""

from __future__ import annotations

import sqlite3

from lazycelery.model.states import State

COLUMNS = (
    *("n", "id", "name", "state", "worker", "queue"),
    *("first", "since", "seen", "sent", "received", "started", "finished", "runtime", "wait"),
    *("retries", "attempt", "marks", "sources", "cut", "told", "clock"),
    *("args", "kwargs", "result", "error", "traceback", "root_id", "parent_id", "eta", "expires", "extra"),
)
"""Of the table `tasks`, in its order."""
OWN_ROOT = ""
"""A task that is the root of its own tree has this as `root_id`, and none that is unknown."""

STATES = " ".join(f"WHEN {int(state)} THEN '{state.label}'" for state in State)
BAD = " OR ".join(
    f"state = {int(state)}" for state in (State.FAILURE, State.RETRY, State.REJECTED, State.LOST)
)
"""Not `IN`: SQLite would make a list of it for every row written, and find it for no single state."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE words (code INTEGER PRIMARY KEY, word TEXT NOT NULL)",
        """CREATE TABLE tasks (
            n INTEGER PRIMARY KEY, id TEXT NOT NULL,
            name INTEGER, state INTEGER, worker INTEGER, queue INTEGER,
            first REAL, since REAL, seen REAL, sent REAL, received REAL, started REAL, finished REAL,
            runtime REAL, wait REAL,
            retries INTEGER, attempt INTEGER, marks INTEGER, sources INTEGER, cut INTEGER, told INTEGER,
            clock INTEGER,
            args TEXT, kwargs TEXT, result TEXT, error TEXT, traceback TEXT, root_id TEXT, parent_id TEXT,
            eta TEXT, expires TEXT, extra BLOB)""",
        f"CREATE INDEX bad ON tasks (state) WHERE {BAD}",
        """CREATE TABLE events (
            n INTEGER PRIMARY KEY, first REAL, last REAL, count INTEGER, body BLOB)""",
        "CREATE TABLE runs (n INTEGER PRIMARY KEY, began REAL, ended REAL, host TEXT, pid INTEGER)",
        f"""CREATE VIEW task AS SELECT
            id, (SELECT word FROM words WHERE code = name) AS name,
            CASE state {STATES} END AS state,
            (SELECT word FROM words WHERE code = worker) AS worker,
            (SELECT word FROM words WHERE code = queue) AS queue,
            datetime(since, 'unixepoch') AS since, sent, received, started, finished, runtime, wait,
            retries, ltrim(args, char(0)) AS args, ltrim(kwargs, char(0)) AS kwargs,
            ltrim(result, char(0)) AS result, error, traceback,
            CASE root_id WHEN '' THEN id ELSE root_id END AS root_id, parent_id, eta, expires
            FROM tasks""",
    ),
    (
        """CREATE TABLE findings (
            n INTEGER PRIMARY KEY, code TEXT, subject TEXT, severity TEXT, title TEXT, hint TEXT,
            began REAL, ended REAL)""",
        """CREATE TABLE samples (
            n INTEGER PRIMARY KEY, at REAL, queues TEXT, workers TEXT)""",
        """CREATE TABLE statistics (
            began INTEGER, kind TEXT, key TEXT, counts BLOB, runtime BLOB, wait BLOB,
            PRIMARY KEY (began, kind, key)) WITHOUT ROWID""",
    ),
)
"""Step by step: what makes version 1 of nothing, version 2 of version 1."""
VERSION = len(MIGRATIONS)
IDS = "CREATE INDEX IF NOT EXISTS ids ON tasks (id)"
"""For a file that nobody writes to any more."""


def version_of(database: sqlite3.Connection) -> int:
    """A file's version: 0 for a fresh one."""
    found: int = database.execute("PRAGMA user_version").fetchone()[0]
    return found


def migrate(database: sqlite3.Connection) -> None:
    """Bring a file to the version of today. Each step is whole or has not happened."""
    for step in range(version_of(database), VERSION):
        database.execute("BEGIN IMMEDIATE")
        try:
            if version_of(database) == step:  # Nobody else was faster.
                for statement in MIGRATIONS[step]:
                    database.execute(statement)
                database.execute(f"PRAGMA user_version = {step + 1}")
            database.execute("COMMIT")
        except BaseException:
            database.execute("ROLLBACK")
            raise
