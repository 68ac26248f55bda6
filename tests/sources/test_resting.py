"""How long a reader rests: longer where much comes, never where more may wait than a socket holds."""

from __future__ import annotations

import pytest

from lazycelery.sources.resting import FULL, LONG_NAP, MANY, NAP, rest_after

SMALLEST_BUFFER = 65_535
"""Bytes that a socket without window scaling holds."""


@pytest.mark.parametrize(
    ("size", "seconds"),
    [(1, NAP), (MANY - 1, NAP), (MANY, LONG_NAP), (FULL - 1, LONG_NAP), (FULL, 0.0), (SMALLEST_BUFFER, 0.0)],
)
def test_the_rest_by_what_was_read(size: int, seconds: float) -> None:
    assert rest_after(size) == seconds
