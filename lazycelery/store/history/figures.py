"""Statistics by the hour, in history files: what is usual survives a restart."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

from lazycelery.store.columns import Columns
from lazycelery.store.history.reader import Unreadable, opened
from lazycelery.store.rings import EVENTS, Cell, Kept
from lazycelery.store.statistics import HOUR, KINDS, USUAL

PUT = "INSERT OR REPLACE INTO statistics VALUES (?, ?, ?, ?, ?, ?)"
_encode = msgspec.msgpack.Encoder().encode
_counts = msgspec.msgpack.Decoder(list[int]).decode
_buckets = msgspec.msgpack.Decoder(dict[int, int]).decode

Row = tuple[int, str, str, bytes, bytes, bytes]
Told = tuple[int, int, str, Cell]
"""When an hour began, the place of a kind in `KINDS`, its word, and what happened. Where the place is
`WATCHED`, the first count is the seconds of it in which events could be seen."""
WATCHED = len(KINDS)
"""Beside the kinds: how much of an hour was watched."""
_MONITOR = "monitor"
_PLACES: dict[str, int] = {"task": 0, "worker": 1, "queue": 2, _MONITOR: WATCHED}


def statements(columns: Columns, cells: Iterable[tuple[float, int, Cell]]) -> Iterator[tuple[str, Row]]:
    """What writes these cells, over what was written of them before."""
    tables = (columns.names, columns.workers, columns.queues)
    for began, key, cell in cells:
        kind = key % 3
        word = tables[kind].texts[key // 3]
        if word is not None:
            told = _encode(cell.counts), _encode(cell.runtime), _encode(cell.wait)
            yield PUT, (int(began), KINDS[kind], word, *told)


def watched(hours: Iterable[tuple[float, float]]) -> Iterator[tuple[str, Row]]:
    """What writes how much of each hour was watched."""
    for began, seconds in hours:
        yield PUT, (int(began), _MONITOR, "", _encode([int(seconds)]), _encode({}), _encode({}))


def read(paths: Sequence[Path], now: float, span: float = USUAL) -> list[Told]:
    """What was kept of the hours that began in a span of time up to `now`, the newest first. What cannot
    be read is left out."""
    found: dict[tuple[int, str, str], Row] = {}
    for file in opened(paths, []):
        if file.version >= 2:
            with contextlib.suppress(Unreadable):
                query = "SELECT * FROM statistics WHERE began > ? AND began <= ?"
                for row in file.rows(query, (now - span, now)):
                    found.setdefault(row[:3], row)
    told = [
        (began, _PLACES[kind], key, cell)
        for began, kind, key, *packed in found.values()
        if kind in _PLACES and (cell := _cell(packed)) is not None
    ]
    return sorted(told, key=lambda one: -one[0])


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
        yield Kept(float(began), seen, step)


def _cell(told: Sequence[Any]) -> Cell | None:
    cell = Cell()
    try:
        counts, cell.runtime, cell.wait = _counts(told[0]), _buckets(told[1]), _buckets(told[2])
    except (msgspec.DecodeError, TypeError):
        return None
    cell.counts = [*counts, *[0] * EVENTS][:EVENTS]
    return cell
