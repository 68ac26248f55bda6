"""Sums of what may be unknown."""

from __future__ import annotations

from collections.abc import Iterable


def total(numbers: Iterable[int | None]) -> int | None:
    """The sum of what is known; `None` when nothing is."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
