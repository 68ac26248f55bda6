"""Figures of an hour by several recorders: each counts from the moment on at which it began."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from lazycelery.store.history import let_go
from lazycelery.store.history.figures import MONITOR
from lazycelery.store.history.storage import Hour
from lazycelery.store.statistics import HOUR

LEAST = 5.0
"""Seconds that two of one recorder, which ended and began again, may have in common."""
_counts = msgspec.msgpack.Decoder(list[int]).decode


def once(hours: Sequence[Hour]) -> list[Hour]:
    """Without those of a time that another recorder saw more of: the events are the same. What is noted of
    each recorder itself stays."""
    watched = [(_seconds(hour), hour.began) for hour in hours if hour.kind == MONITOR]
    kept: dict[float, list[tuple[float, float]]] = {}
    left_out = set[int]()
    for seconds, began in sorted(watched, reverse=True):
        end, others = began + seconds, kept.setdefault(began // HOUR, [])
        both = sum(max(0.0, min(end, until) - max(began, since)) for since, until in others)
        if both > max(LEAST, seconds / 2):
            left_out.add(began)
        else:
            others.append((began, end))
    return [hour for hour in hours if hour.began not in left_out or hour.kind == let_go.KIND]


def _seconds(hour: Hour) -> int:
    try:
        return _counts(hour.counts)[0]
    except (msgspec.DecodeError, IndexError):
        return 0
