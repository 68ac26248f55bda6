"""Rows of tasks as they were at some moments, in a file: a moment costs no more than what changed before it.

A slot that changed is written again, and the newest of its rows up to a moment tells how it was then.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from itertools import count
from typing import Any, BinaryIO, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from lazycelery.store.columns import NUMBERS, Columns, Extra
from lazycelery.store.rings import Cell, Kept, Step
from lazycelery.store.sealing import FIELDS
from lazycelery.store.shards import MASK

AT_ONCE = 2048
"""Slots of a piece: a few milliseconds."""
PASSED = 256
"""Pieces of which newer ones tell all, that are passed over in one go: a millisecond or two."""
MOST_DIFFER = 0.7
"""Share of texts that differ, from which on each one is written as it is: to number them costs more."""
TEXTS = ("id", *FIELDS, "root_id", "parent_id")
WORDS = ("traceback", "eta", "expires")
READ_ANEW = ("fault", "faulted")
"""Numbers of kinds of failures, which another store gives anew when it is asked."""
KEPT = {name: code for name, code in NUMBERS.items() if name not in READ_ANEW}
Slots = npt.NDArray[np.int32]
Steps = Generator[None, None, None]


class Piece(msgspec.Struct, array_like=True):
    """Rows of some slots."""

    numbers: dict[str, bytes]
    life: bytes
    words: dict[str, list[str | None]]
    """By column, each different text once; or the text of each row, where nearly all differ."""
    places: dict[str, bytes]
    """By column of each row its text's number, 0 for none; empty where `words` has a text a row."""
    rare: dict[str, dict[int, str]]
    extra: dict[int, Extra]


class Written(NamedTuple):
    """Where something is in the file."""

    offset: int
    length: int


class Rows(NamedTuple):
    """A piece that was written."""

    slots: Slots
    where: Written


class Cells(msgspec.Struct, array_like=True):
    """A step of the statistics."""

    at: float
    seen: float
    cells: list[tuple[int, list[int], dict[int, int], dict[int, int]]]


_encode = msgspec.msgpack.Encoder().encode
_piece = msgspec.msgpack.Decoder(Piece).decode
_cells = msgspec.msgpack.Decoder(Cells).decode


class TaskLog:
    """Written in one order, read in any. Raises `OSError`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = 0

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _write(self, body: bytes) -> Written:
        self._file.seek(self.size)
        self._file.write(body)
        where = Written(self.size, len(body))
        self.size += len(body)
        return where

    def _read(self, where: Written) -> bytes:
        self._file.seek(where.offset)
        return self._file.read(where.length)

    # ---- tasks

    def write(self, columns: Columns, since: int) -> Generator[None, None, list[Rows]]:
        """Write all slots that changed since `since` of the columns' changes, in slices."""
        written = []
        changed = np.flatnonzero(columns.vector("stamp") > since).astype(np.int32)
        for start in range(0, len(changed), AT_ONCE):
            slots = changed[start : start + AT_ONCE]
            written.append(Rows(slots, self._write(_encode(_rows(columns, slots)))))
            yield
        return written

    def fill(self, columns: Columns, missing: npt.NDArray[np.bool_], written: Sequence[Rows]) -> Steps:
        """Write the slots that are missing, as the newest of these pieces tell them; in slices."""
        left = np.count_nonzero(missing)
        for number, (slots, where) in enumerate(reversed(written), 1):
            if not left:
                return
            wanted = np.flatnonzero(missing[slots])
            if len(wanted):
                missing[slots] = False
                left -= len(wanted)
                _put(columns, slots, wanted, _piece(self._read(where)))
            if len(wanted) or number % PASSED == 0:
                yield

    # ---- statistics

    def keep(self, step: Kept) -> Written:
        """Write a step of the statistics."""
        cells = [(key, cell.counts, cell.runtime, cell.wait) for key, cell in step.cells.items()]
        return self._write(_encode(Cells(step.at, step.seen, cells)))

    def kept(self, where: Written) -> Kept:
        """Read it."""
        told = _cells(self._read(where))
        cells: Step = {}
        for key, counts, runtime, wait in told.cells:
            cell = cells[key] = Cell()
            cell.counts, cell.runtime, cell.wait = counts, runtime, wait
        return Kept(told.at, told.seen, cells)


def _rows(columns: Columns, slots: Slots) -> Piece:
    every = slots.tolist()
    words: dict[str, list[str | None]] = {}
    places: dict[str, bytes] = {}
    for name in TEXTS:
        if name in FIELDS:
            texts: Sequence[str | None] = columns.sealed.texts(name, every)
        else:
            column = getattr(columns, name)
            texts = [column[slot] for slot in every]
        different = dict.fromkeys(texts)
        different.pop(None, None)
        if len(different) > MOST_DIFFER * len(texts):
            words[name], places[name] = list(texts), b""
        elif different:
            codes: dict[str | None, int] = dict(zip(different, count(1), strict=False))
            codes[None] = 0
            numbers = np.fromiter(map(codes.__getitem__, texts), dtype=np.uint16, count=len(texts))
            words[name], places[name] = list(different), numbers.tobytes()
        else:
            words[name], places[name] = [], bytes(2 * len(texts))
    return Piece(
        numbers={name: columns.vector(name)[slots].tobytes() for name in KEPT},
        life=np.frombuffer(columns.life, dtype=np.uint8)[slots].tobytes(),
        words=words,
        places=places,
        rare={name: _rare(getattr(columns, name), slots) for name in WORDS},
        extra=_rare(columns.extra, slots),
    )


def _rare(values: Any, slots: Slots) -> dict[int, Any]:
    found = values.many(slots)
    if found.count(None) == len(found):
        return {}
    return {place: value for place, value in enumerate(found) if value is not None}


def _put(columns: Columns, slots: Slots, wanted: npt.NDArray[np.intp], piece: Piece) -> None:
    places = slots[wanted]
    for name, code in KEPT.items():
        columns.vector(name)[places] = np.frombuffer(piece.numbers[name], dtype=code)[wanted]
    np.frombuffer(columns.life, dtype=np.uint8)[places] = np.frombuffer(piece.life, dtype=np.uint8)[wanted]
    single, first, last = _run(places)
    for name in TEXTS:
        column, told = getattr(columns, name), piece.words[name]
        if piece.places[name]:
            table = [None, *told]
            numbers = np.frombuffer(piece.places[name], dtype=np.uint16)[wanted].tolist()
            texts = [table[number] for number in numbers]
        else:
            texts = [told[place] for place in wanted.tolist()]
        column[first:last] = texts[len(single) :]
        for slot, text in zip(single, texts, strict=False):
            column[slot] = text
    parts, ids, here = columns.slots.parts, columns.id, columns.vector("row")[places] != 0
    for slot in places[here].tolist():
        id = ids[slot]  # noqa: A001
        parts[hash(id) & MASK][id] = slot
    inside = set(wanted.tolist())
    rarely: dict[str, dict[int, Any]] = {**piece.rare, "extra": piece.extra}
    for name, values in rarely.items():
        rare = getattr(columns, name)
        for place, value in values.items():
            if place in inside:
                rare[int(slots[place])] = value


def _run(places: Slots) -> tuple[list[int], int, int]:
    """Slots, ascending, of which the last ones lie side by side, as those of new tasks do: the others, and
    where these begin and end."""
    alone = np.flatnonzero(np.diff(places) != 1)
    start = int(alone[-1]) + 1 if len(alone) else 0
    return places[:start].tolist(), int(places[start]), int(places[-1]) + 1
