"""Statistics by the hour, in the history: what is usual survives a restart."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import msgspec

from lazycelery.model.redaction import Redactor
from lazycelery.store.columns import Columns
from lazycelery.store.history.storage import Hour, Storage, Unreadable
from lazycelery.store.rings import EVENTS, Cell, Kept
from lazycelery.store.statistics import HOUR, KINDS, USUAL

_encode = msgspec.msgpack.Encoder().encode
_counts = msgspec.msgpack.Decoder(list[int]).decode
_buckets = msgspec.msgpack.Decoder(dict[int, int]).decode

Told = tuple[int, int, str, Cell]
"""When an hour began, the place of a kind in `KINDS`, its word, and what happened. Where the place is
`WATCHED`, the first count is the seconds of it in which events could be seen."""
WATCHED = len(KINDS)
"""Beside the kinds: how much of an hour was watched."""
MONITOR = "monitor"
_PLACES: dict[str, int] = {"task": 0, "worker": 1, "queue": 2, MONITOR: WATCHED}


def told(columns: Columns, cells: Iterable[tuple[float, int, Cell]], redactor: Redactor) -> Iterator[Hour]:
    """These cells, to be written, without the secrets of names."""
    tables = (columns.names, columns.workers, columns.queues)
    for began, key, cell in cells:
        kind = key % 3
        word = tables[kind].texts[key // 3]
        if word is not None:
            packed = _encode(cell.counts), _encode(cell.runtime), _encode(cell.wait)
            word = word if KINDS[kind] == "worker" else redactor.name(word)
            yield Hour(int(began), KINDS[kind], word, *packed)


def watched(hours: Iterable[tuple[float, float]]) -> Iterator[Hour]:
    """How much of each hour was watched, to be written."""
    for began, seconds in hours:
        yield Hour(int(began), MONITOR, "", _encode([int(seconds)]), _encode({}), _encode({}))


def read(storage: Storage, now: float, span: float = USUAL) -> list[Told]:
    """What was kept of the hours that began in a span of time up to `now`, the newest first. What cannot
    be read is left out."""
    found: dict[tuple[int, str, str], Hour] = {}
    for part in storage.opened([]):
        with contextlib.suppress(Unreadable):
            for hour in part.hours(now - span, now):
                found.setdefault(hour[:3], hour)
    told = [
        (began, _PLACES[kind], key, cell)
        for began, kind, key, *packed in found.values()
        if kind in _PLACES and (cell := _cell(packed)) is not None
    ]
    return sorted(told, key=lambda one: -one[0])


def reach(told: Sequence[Told]) -> float | None:
    """Up to when there are figures, epoch seconds; earlier by as long as nothing was watched in that hour."""
    return max((began + cell.counts[0] for began, place, _, cell in told if place == WATCHED), default=None)


def hours_of(columns: Columns, told: Sequence[Told]) -> Generator[Kept, None, None]:
    """As steps, the newest first: a slice of work each."""
    tables = (columns.names, columns.workers, columns.queues)
    for began, group in groupby(told, key=lambda one: one[0]):
        cells = list(group)
        # Where nobody noted it, an hour that was begun was watched to its end.
        noted = [float(cell.counts[0]) for _, place, _, cell in cells if place == WATCHED]
        seen = noted[0] if noted else HOUR - began % HOUR
        step = {
            3 * tables[place].code(key) + place: cell for _, place, key, cell in cells if place != WATCHED
        }
        hour = Kept(float(began), seen, step)
        hour.pack()
        yield hour


def _cell(told: Sequence[Any]) -> Cell | None:
    cell = Cell()
    try:
        counts, cell.runtime, cell.wait = _counts(told[0]), _buckets(told[1]), _buckets(told[2])
    except (msgspec.DecodeError, TypeError):
        return None
    cell.counts = [*counts, *[0] * EVENTS][:EVENTS]
    return cell
