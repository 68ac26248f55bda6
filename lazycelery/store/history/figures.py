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
from lazycelery.store.statistics import COUNTED, KINDS, USUAL, Cell, Step

PUT = "INSERT OR REPLACE INTO statistics VALUES (?, ?, ?, ?, ?, ?)"
_encode = msgspec.msgpack.Encoder().encode
_counts = msgspec.msgpack.Decoder(list[int]).decode
_buckets = msgspec.msgpack.Decoder(dict[int, int]).decode

Row = tuple[int, str, str, bytes, bytes, bytes]
Told = tuple[int, int, str, Cell]
"""When an hour began, the place of a kind in `KINDS`, its word, and what happened."""


def statements(columns: Columns, cells: Iterable[tuple[float, int, Cell]]) -> Iterator[tuple[str, Row]]:
    """What writes these cells, over what was written of them before."""
    tables = (columns.names, columns.workers, columns.queues)
    for began, key, cell in cells:
        kind = key % 3
        word = tables[kind].texts[key // 3]
        if word is not None:
            told = _encode(cell.counts), _encode(cell.runtime), _encode(cell.wait)
            yield PUT, (int(began), KINDS[kind], word, *told)


def read(paths: Sequence[Path], now: float) -> list[Told]:
    """What was kept of the hours that count as usual, the newest first. What cannot be read is left out."""
    found: dict[tuple[int, str, str], Row] = {}
    for file in opened(paths, []):
        if file.version >= 2:
            with contextlib.suppress(Unreadable):
                query = "SELECT * FROM statistics WHERE began > ? AND began <= ?"
                for row in file.rows(query, (now - USUAL, now)):
                    found.setdefault(row[:3], row)
    told = [
        (began, KINDS.index(kind), key, cell)
        for began, kind, key, *packed in found.values()
        if kind in KINDS and (cell := _cell(packed)) is not None
    ]
    return sorted(told, key=lambda one: -one[0])


def hours_of(columns: Columns, told: Sequence[Told]) -> Generator[tuple[float, Step], None, None]:
    """As steps, the newest first: a slice of work each."""
    tables = (columns.names, columns.workers, columns.queues)
    for began, cells in groupby(told, key=lambda one: one[0]):
        yield float(began), {3 * tables[place].code(key) + place: cell for _, place, key, cell in cells}


def _cell(told: Sequence[Any]) -> Cell | None:
    cell = Cell()
    try:
        counts, cell.runtime, cell.wait = _counts(told[0]), _buckets(told[1]), _buckets(told[2])
    except (msgspec.DecodeError, TypeError):
        return None
    cell.counts = [*counts, *[0] * len(COUNTED)][: len(COUNTED)]
    return cell
