"""Numbers with what they count, and verbs that agree with them: the one place where that is worded."""

from __future__ import annotations

SINGULAR = {"are": "is", "were": "was", "have": "has", "do": "does", "go": "goes", "match": "matches"}
"""Verbs that take more than an s, as they are said of many -> of one."""


def count(number: int, noun: str, plural: str | None = None, *, does: str = "") -> str:
    """`1 task`, `1,204 tasks`; with what they do, as said of many: `1 task waits`, `2 tasks wait`."""
    several = plural or (f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s")
    said = f"{number:,} {noun if number == 1 else several}"
    return f"{said} {agreed(number, does)}" if does else said


def agreed(number: int, does: str) -> str:
    """A verb as said of many, in the form for so many: `are` -> `is`, `wait` -> `waits`."""
    return does if number != 1 else SINGULAR.get(does, f"{does}s")
