"""Quantiles of durations from logarithmic buckets: small, mergeable, off by at most 2.5 percent."""

from __future__ import annotations

import math
from array import array

GROWTH = math.log(1.05)
"""Buckets five percent wide: a quantile is off by no more than half of that."""
LEAST = 1e-4
"""Seconds; whatever is shorter counts as this."""
MOST = 1024
"""Buckets: more than any calendar needs."""
SCALE = 1 / GROWTH
SHIFT = 0.5 - math.log(LEAST) * SCALE
_log = math.log

Buckets = dict[int, int]
"""Durations counted by bucket."""


def bucket(seconds: float) -> int:
    """The bucket of a duration."""
    return int(_log(seconds) * SCALE + SHIFT) if seconds > LEAST else 0


def merge(into: Buckets, other: Buckets) -> None:
    """Add one sketch to another."""
    for place, count in other.items():
        into[place] = into.get(place, 0) + count


def merged(mine: Buckets | bytes, theirs: Buckets | bytes) -> Buckets:
    """The first one, unpacked, with the second one added. Asked of each name in each second."""
    if type(mine) is bytes:
        mine = unpacked(mine)
    if type(theirs) is bytes:
        theirs = unpacked(theirs)
    if not mine:
        return theirs.copy()  # type: ignore[union-attr]
    merge(mine, theirs)  # type: ignore[arg-type]
    return mine  # type: ignore[return-value]


FEW = 8
"""Buckets that take less room as they are."""
_ENTRY = array("H").itemsize + array("Q").itemsize


def packed(buckets: Buckets) -> Buckets | bytes:
    """A sketch that changes no more, in an eighth of its room; with few buckets as it is."""
    if len(buckets) <= FEW:
        return buckets
    return array("H", buckets).tobytes() + array("Q", buckets.values()).tobytes()


def unpacked(told: Buckets | bytes) -> Buckets:
    """A copy of what was packed, in the order in which it was; what was not, itself."""
    if not isinstance(told, bytes):
        return told
    many = len(told) // _ENTRY
    places, counts = array("H"), array("Q")
    cut = many * places.itemsize
    places.frombytes(told[:cut])
    counts.frombytes(told[cut:])
    return dict(zip(places, counts, strict=True))


def quantiles(buckets: Buckets, shares: tuple[float, ...]) -> list[float | None]:
    """The durations below which these ascending shares lie; `None` when nothing was counted."""
    total = sum(buckets.values())
    found: list[float | None] = []
    places = iter(sorted(buckets))
    passed, place = 0, 0
    for share in shares:
        rank = share * (total - 1)
        while total and passed <= rank:
            place = next(places)
            passed += buckets[place]
        found.append(LEAST * math.exp(place * GROWTH) if total else None)
    return found
