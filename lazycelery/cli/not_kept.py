"""How far the recorded history reaches, and what it does not have, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lazycelery.cli.words import date
from lazycelery.model.counting import count

if TYPE_CHECKING:
    from lazycelery.model.history import NotKept


def reach(since: float, until: float | None, utc: bool, of: str = "") -> str:
    """From when to when it was written; why not longer, nobody but its recorder can know. `of`: of what."""
    end = "" if until is None else f", and was last written at {date(until, utc)}"
    return f"The history{of} reaches back to {date(since, utc)}{end}."


def not_kept(gone: NotKept | None, utc: bool) -> str:
    """What its recorders let go under load or could not write; "" where they kept all."""
    if gone is None:
        return ""
    load = [
        (gone.successes, "successful task"),
        (gone.waiting, "waiting task"),
        (gone.texts, "long text"),
    ]
    refused = [(gone.dropped_tasks, "task"), (gone.dropped, "event"), (gone.dropped_notes, "note")]
    parts = [f"{count(number, what)} let go under load" for number, what in load if number]
    parts += [f"{gone.missed:.1f} s of events not heard under load"] if gone.missed else []
    parts += [f"{count(number, what)} that could not be written" for number, what in refused if number]
    if not parts:
        return ""
    return f"Not in the history, from {date(gone.since, utc)} to {date(gone.until, utc)}: {', '.join(parts)}."
