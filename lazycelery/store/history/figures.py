"""Statistics by the hour, in history files: what is usual survives a restart."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
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


def statements(columns: Columns, hours: Sequence[tuple[float, Step]]) -> Iterator[tuple[str, Row]]:
    """What writes these hours, over what was written of them before."""
    tables = (columns.names, columns.workers, columns.queues)
    for began, step in hours:
        for key, cell in step.items():
            kind = key % 3
            word = tables[kind].texts[key // 3]
            if word is not None:
                told = _encode(cell.counts), _encode(cell.runtime), _encode(cell.wait)
                yield PUT, (int(began), KINDS[kind], word, *told)


def read(paths: Sequence[Path], now: float) -> list[Row]:
    """Rows of the hours that count as usual. What cannot be read is left out."""
    found: dict[tuple[int, str, str], Row] = {}
    for file in opened(paths, []):
        if file.version >= 2:
            with contextlib.suppress(Unreadable):
                query = "SELECT * FROM statistics WHERE began > ? AND began <= ?"
                for row in file.rows(query, (now - USUAL, now)):
                    found.setdefault(row[:3], row)
    return list(found.values())


def hours_of(columns: Columns, rows: Sequence[Row]) -> list[tuple[float, Step]]:
    """The rows as steps, oldest first."""
    tables = (columns.names, columns.workers, columns.queues)
    hours: dict[int, Step] = {}
    for began, kind, key, *told in rows:
        cell = _cell(told)
        if kind in KINDS and cell is not None:
            place = KINDS.index(kind)
            hours.setdefault(began, {})[3 * tables[place].code(key) + place] = cell
    return [(float(began), hours[began]) for began in sorted(hours)]


def _cell(told: Sequence[Any]) -> Cell | None:
    cell = Cell()
    try:
        counts, cell.runtime, cell.wait = _counts(told[0]), _buckets(told[1]), _buckets(told[2])
    except (msgspec.DecodeError, TypeError):
        return None
    cell.counts = [*counts, *[0] * len(COUNTED)][: len(COUNTED)]
    return cell
