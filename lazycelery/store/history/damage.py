"""A file of which some pages are damaged: what is on the others is read, by ranges of row numbers that are
cut in half where one cannot be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from lazycelery.store.history.storage import Unreadable

WIDEST = 512
"""Row numbers in one range."""
AHEAD = sorted({int(1.1**power) for power in range(290)})
"""Row numbers behind a bad page at which it is looked for a good one."""
_CODES = (11, 26)
"""SQLITE_CORRUPT and SQLITE_NOTADB."""
_WORDS = ("malformed", "not a database", "decode to UTF-8")
"""No text that is not UTF-8 was ever written."""


class Damaged(Unreadable):
    """It is no (whole) database, whoever reads it and however often."""


def is_damage(problem: BaseException) -> bool:
    """Whether the file itself is at fault: not for one that is busy, or a disk that does not answer."""
    if not isinstance(problem, sqlite3.DatabaseError):
        return False
    code = getattr(problem, "sqlite_errorcode", None)  # Of Python 3.11 and newer.
    if code is not None and code & 0xFF in _CODES:
        return True
    return any(word in str(problem) for word in _WORDS)


def stepped(
    ask: Callable[[int, int], list[Any]],
    low: int,
    high: int,
    limit: int,
    skipped: set[int],
    downwards: bool = True,
) -> list[Any]:
    """Rows numbered from `low` to below `high`, `limit` at most, of which `ask` gives those in a range, in
    this order. Numbers that cannot be read are added to `skipped`. Raises what `ask` does, but `Damaged`."""
    found: list[Any] = []
    width = WIDEST
    while low < high and len(found) < limit:
        width = min(width, high - low)
        start = high - width if downwards else low
        try:
            rows = ask(start, start + width)
        except Damaged:
            if width > 1:
                width //= 2
                continue
            skipped.add(start)
        else:
            found += rows
        low, high = (low, start) if downwards else (start + width, high)
        # Wider again only behind a bad page: each of its numbers is tried once.
        if start not in skipped:
            width = min(2 * width, WIDEST)
    return found[:limit]


def highest(reads: Callable[[int], Any], most: int) -> int:
    """About the highest number up to `most` that can be read, where the end of a table cannot: `reads` looks
    for the row at a number, or before it, and raises `Damaged`."""

    def good(number: int) -> bool:
        try:
            reads(number)
        except Damaged:
            return False
        return True

    low = 0
    while True:
        high = most + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if good(middle) else (low, middle)
        # Another bad page may have been taken for the end.
        further = next(
            (low + ahead for ahead in reversed(AHEAD) if low + ahead <= most and good(low + ahead)), None
        )
        if further is None:
            return low
        low = further
