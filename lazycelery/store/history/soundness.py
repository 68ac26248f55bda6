"""Whether rows are such as were written. A bit that another one took the place of makes a text bytes, or a
number a text, of a row that SQLite reads as any other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from lazycelery.store.history.schema import COLUMNS

NONE = type(None)
_TEXTS = ("args", "kwargs", "result", "error", "traceback", "root_id", "parent_id", "eta", "expires")
_REALS = ("first", "since", "seen", "sent", "received", "started", "finished", "runtime", "wait")
_KINDS: dict[str, frozenset[type]] = {
    **dict.fromkeys(_TEXTS, frozenset((str, NONE))),
    **dict.fromkeys(_REALS, frozenset((float, NONE))),
    **{"n": frozenset((int,)), "id": frozenset((str,)), "extra": frozenset((bytes, NONE))},
}
_WHOLE = frozenset((int, NONE))
KINDS = [_KINDS.get(name, _WHOLE) for name in COLUMNS]
"""What the columns of `tasks` hold."""


def are_tasks(rows: Sequence[Sequence[Any]], low: int, below: int) -> bool:
    """Whether these are whole rows of `tasks` in a range of numbers, highest first. Of a page that was
    written over, SQLite gives rows whose number or id tells, which zeros begin or end: a client may have put
    one within."""
    for row in rows:
        if not (low <= row[0] < below and isinstance(row[1], str) and row[1].strip("\0") == row[1]):
            return False
        below = row[0]
    columns = zip(*rows, strict=True)
    return all(
        kinds.issuperset(map(type, column)) for kinds, column in zip(KINDS, columns, strict=bool(rows))
    )


def are_texts(rows: Sequence[Sequence[Any]]) -> bool:
    """Whether only texts follow each row's number."""
    return {str}.issuperset(map(type, chain.from_iterable(row[1:] for row in rows)))
