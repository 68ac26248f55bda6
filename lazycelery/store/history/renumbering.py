"""Rows of a history file under other numbers, and the events that tell them. Within a batch of the
writer: raises `sqlite3.Error`, and nothing of it is there then."""

from __future__ import annotations

import contextlib
import sqlite3

from lazycelery.store.history import events as packing
from lazycelery.store.history.numbers import Numbers


def join(database: sqlite3.Connection, numbers: Numbers) -> None:
    """Of tasks with two rows leave the first one, with what stands in the second, and have the events since
    then tell it."""
    run = database.execute
    for number, (kept, _) in numbers.doubled.items():
        if run("SELECT 1 FROM tasks WHERE n = ?", (number,)).fetchone():
            run("DELETE FROM tasks WHERE n = ?", (kept,))
            run("UPDATE tasks SET n = ? WHERE n = ?", (kept, number))
    instead = {number: one.number for number, one in numbers.doubled.items()}
    renumber(database, instead, numbers.events_before)


def renumber(database: sqlite3.Connection, instead: dict[int, int], since: int) -> None:
    """Have the events behind a batch tell other rows than those of these numbers; a damaged one stays."""
    if not instead:
        return
    run = database.execute
    for (n,) in run("SELECT n FROM events WHERE n > ?", (since,)).fetchall():
        (body,) = run("SELECT body FROM events WHERE n = ?", (n,)).fetchone()
        changed = None
        with contextlib.suppress(ValueError, TypeError):
            changed = packing.renumbered(body, instead)
        if changed is not None:
            run("UPDATE events SET body = ? WHERE n = ?", (changed, n))
