"""Whether rows are such as were written. A bit that another one took the place of makes a text bytes, or a
number a text, of a row that SQLite reads as any other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from types import GenericAlias
from typing import Any

import msgspec

from lazycelery.store.history.schema import COLUMNS

_TEXTS = ("args", "kwargs", "result", "error", "traceback", "root_id", "parent_id", "eta", "expires")
_REALS = ("first", "since", "seen", "sent", "received", "started", "finished", "runtime", "wait")
_KINDS: dict[str, Any] = {
    **dict.fromkeys(_TEXTS, str | None),
    **dict.fromkeys(_REALS, float | None),
    **{"n": int, "id": str, "extra": bytes | None},
}
_ROWS = GenericAlias(list, GenericAlias(tuple, tuple(_KINDS.get(name, int | None) for name in COLUMNS)))
"""What the columns of `tasks` hold."""
FAULTS = (TypeError, ValueError, OverflowError, LookupError)
"""What is raised where a row that nobody wrote is made a task, an event, a finding or a sample."""


def are_tasks(rows: Sequence[Sequence[Any]], low: int, below: int) -> bool:
    """Whether these are whole rows of `tasks` in a range of numbers, highest first. Of a page that was
    written over, SQLite gives rows whose number or id tells, which zeros begin or end: a client may have put
    one within."""
    try:
        msgspec.convert(rows, _ROWS, builtin_types=(bytes,))  # In half the time of a look at each value here.
    except msgspec.ValidationError:
        return False
    for row in rows:
        if not low <= row[0] < below or row[1].strip("\0") != row[1]:
            return False
        below = row[0]
    return True


def are_texts(rows: Sequence[Sequence[Any]]) -> bool:
    """Whether only texts follow each row's number."""
    return {str}.issuperset(map(type, chain.from_iterable(row[1:] for row in rows)))
