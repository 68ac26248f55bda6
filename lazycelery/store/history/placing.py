"""Rows of history files back into columns: what was known before, marked as such.

What had not ended when the monitor stopped is known no more, unless it stopped a moment ago: its state is
unknown until a source speaks of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from lazycelery.model.states import State
from lazycelery.store.coding import Words
from lazycelery.store.columns import NAN, Columns, Extra
from lazycelery.store.history.schema import COLUMNS, OWN_ROOT
from lazycelery.store.history.taking import COUNTS, ENDED, TIMES
from lazycelery.store.marks import PAST, SOURCES, TOLD, UNSEEN

PLACE = {name: place for place, name in enumerate(COLUMNS)}
_decode = msgspec.msgpack.Decoder(Extra).decode
SAME_END = 60.0
"""Seconds by which the result backend and events may differ on when a task ended."""
_TABLES = {"name": "names", "worker": "workers", "queue": "queues"}


class Chunk(NamedTuple):
    """Rows of one file, column by column, ready to be placed; made in a thread."""

    file: str
    numbers: list[int]
    ids: list[str]
    floats: dict[str, npt.NDArray[np.float64]]
    counts: dict[str, npt.NDArray[np.int64]]
    states: npt.NDArray[np.int64]
    words: dict[str, npt.NDArray[np.int64]]
    texts: dict[str, Sequence[str | None]]
    rare: dict[str, dict[int, Any]]


def chunk_of(file: str, rows: Sequence[tuple[Any, ...]]) -> Chunk:
    """Rows as SQLite gave them, turned on their side."""
    columns = list(zip(*rows, strict=True))

    def column(name: str) -> Sequence[Any]:
        return columns[PLACE[name]]

    def numbers(name: str, unknown: int) -> npt.NDArray[np.int64]:
        try:
            return np.array(column(name), dtype=np.int64)
        except TypeError:
            return np.array([unknown if n is None else n for n in column(name)], dtype=np.int64)

    ids = list(column("id"))
    roots = [own if root == OWN_ROOT else root for root, own in zip(column("root_id"), ids, strict=True)]
    rare = {
        name: {place: value for place, value in enumerate(column(name)) if value is not None}
        for name in ("traceback", "eta", "expires", "extra")
    }
    return Chunk(
        file=file,
        numbers=list(column("n")),
        ids=ids,
        floats={name: np.array(column(name), dtype=np.float64) for name in TIMES},
        counts={**{name: numbers(name, 0) for name in COUNTS}, "retries": numbers("retries", -1)},
        states=np.clip(numbers("state", 0), 0, len(State) - 1),
        words={name: numbers(name, 0) for name in _TABLES},
        texts={
            **{name: column(name) for name in ("args", "kwargs", "result", "error", "parent_id")},
            "root_id": roots,
        },
        rare=rare,
    )


class Coding:
    """The columns' number of a file's word."""

    def __init__(self, words: dict[int, str]) -> None:
        self._words = words
        self._known: dict[str, dict[int, int]] = {name: {0: 0} for name in _TABLES}

    def one(self, kind: str, code: int, table: Words) -> int:
        """For a single word."""
        known = self._known[kind]
        if code not in known:
            known[code] = table.code(self._words.get(code))
        return known[code]

    def all(self, kind: str, codes: npt.NDArray[np.int64], table: Words) -> npt.NDArray[np.int64]:
        """For a column."""
        own, places = np.unique(codes, return_inverse=True)
        return np.array([self.one(kind, code, table) for code in own.tolist()], dtype=np.int64)[places]


class Placed(NamedTuple):
    """What became of a chunk."""

    slots: npt.NDArray[np.intp]
    """Slots of its tasks, also of those that were known already."""
    numbers: npt.NDArray[np.int64]
    """Their numbers in the file."""
    fresh: int
    """Tasks that were not known."""
    filled: int
    """Those of which only the result backend had told."""


def place(columns: Columns, chunk: Chunk, coding: Coding, rows: int, still_from: float = math.inf) -> Placed:
    """Put a chunk into fresh slots, under row numbers that end with `rows` (exclusive), in their order.
    A task that is known already gets what nobody has told of it since. States that had not ended are
    believed of tasks that were seen last at `still_from` or later, epoch seconds."""
    known = columns.slots
    where = {at: slot for at, id in enumerate(chunk.ids) if (slot := known.get(id)) is not None}  # noqa: A001
    filled = sum(_fill(columns, chunk, coding, at, slot) for at, slot in where.items())
    kept = list({id: at for at, id in enumerate(chunk.ids) if at not in where}.values())  # noqa: A001
    room = min(columns.max_tasks - len(columns), columns.capacity - columns.used)
    kept = kept[max(0, len(kept) - room) :] if room > 0 else []
    count, first = len(kept), columns.used
    picked = np.array(kept, dtype=np.intp)
    slots = np.arange(first, first + count)
    if count:
        columns.id.extend([chunk.ids[at] for at in kept])
        for name in ("args", "kwargs", "result", "error", "root_id", "parent_id"):
            texts = chunk.texts[name]
            getattr(columns, name).extend([texts[at] for at in kept])
        columns.used += count
        _numbers(columns, chunk, coding, slots, picked, still_from)
        for slot, at in enumerate(kept, first):
            known[chunk.ids[at]] = slot
        _rare(columns, chunk, coding, {at: slot for slot, at in enumerate(kept, first)})
        columns.vector("stamp")[slots] = columns.changes + 1
        columns.changes += 1
        # The row number last: it is what makes a slot one that others look at.
        columns.vector("row")[slots] = np.arange(rows - count, rows)
        columns.came_before(first, rows - count)
    all_slots = np.concatenate([slots, np.fromiter(where.values(), dtype=np.intp, count=len(where))])
    places = np.concatenate([picked, np.fromiter(where, dtype=np.intp, count=len(where))])
    return Placed(all_slots, np.array(chunk.numbers, dtype=np.int64)[places], count, filled)


def _fill(columns: Columns, chunk: Chunk, coding: Coding, at: int, slot: int) -> bool:
    """What is not known of a task that was seen again before its row was read; whether that is its run, of
    which the result backend alone had told."""
    for kind, table in _TABLES.items():
        vector = getattr(columns, kind)
        if not vector[slot]:
            vector[slot] = coding.one(kind, int(chunk.words[kind][at]), getattr(columns, table))
    for name in ("args", "kwargs", "root_id", "parent_id"):
        column = getattr(columns, name)
        if column[slot] is None:
            column[slot] = chunk.texts[name][at]
            if name == "parent_id" and column[slot] is not None:
                columns.parent[slot] = hash(column[slot])
    if not columns.attempt[slot] and chunk.counts["attempt"][at] == 0:
        for name in ("sent", "received"):
            vector = getattr(columns, name)
            if math.isnan(vector[slot]):
                vector[slot] = chunk.floats[name][at]
        if columns.retries[slot] < 0:
            columns.retries[slot] = int(chunk.counts["retries"][at])
    by_result = columns.sources[slot] == SOURCES["result"] and _same_run(columns, chunk, coding, at, slot)
    if by_result:
        _fill_run(columns, chunk, coding, at, slot)
    columns.first[slot] = min(columns.first[slot], float(chunk.floats["first"][at]))
    columns.touch(slot)
    return by_result


def _same_run(columns: Columns, chunk: Chunk, coding: Coding, at: int, slot: int) -> bool:
    """Whether a row is of the run of which the result backend alone has told: it ended the same, or began
    in the same process."""
    state, row = columns.state[slot], int(chunk.states[at])
    if ENDED[state]:
        done, began = columns.finished[slot], float(chunk.floats["started"][at])
        alike = abs(done - float(chunk.floats["finished"][at])) <= SAME_END and not began > done
        return state == row and alike and columns.retries[slot] in (-1, int(chunk.counts["retries"][at]))
    newer, extra = columns.extra.get(slot), _extra(columns, chunk, coding, at)
    if state != State.STARTED or newer is None or newer.progress is not None or extra is None:
        return False
    same = newer.pid is not None and newer.pid == extra.pid
    worker = coding.one("worker", int(chunk.words["worker"][at]), columns.workers)
    return same and columns.worker[slot] == worker and (row == State.LOST or not ENDED[row])


def _fill_run(columns: Columns, chunk: Chunk, coding: Coding, at: int, slot: int) -> None:
    """The result backend tells how a run ended, and no moment but that."""
    told = int(chunk.counts["told"][at])
    for name in ("sent", "received", "started", "wait", "finished", "runtime"):
        vector, known = getattr(columns, name), float(chunk.floats[name][at])
        if math.isnan(vector[slot]) and not math.isnan(known):
            vector[slot] = known
            columns.told[slot] |= told & (7 << TOLD[name]) if name in TOLD else 0
    columns.attempt[slot] = int(chunk.counts["attempt"][at])
    columns.retries[slot] = max(columns.retries[slot], int(chunk.counts["retries"][at]))
    columns.sources[slot] |= int(chunk.counts["sources"][at])
    extra = _extra(columns, chunk, coding, at)
    if extra is not None:
        newer = columns.extra.get(slot) or Extra()
        for name in Extra.__struct_fields__:
            setattr(extra, name, getattr(newer, name) or getattr(extra, name))
        columns.extra[slot] = extra
    if columns.state[slot] == State.STARTED:
        _over(columns, chunk, at, slot)


def _over(columns: Columns, chunk: Chunk, at: int, slot: int) -> None:
    """The result backend keeps that it began. That this run is over, as it was lost, it would not tell."""
    if unseen := int(chunk.counts["marks"][at]) & UNSEEN:
        columns.set_state(slot, int(chunk.states[at]), float(chunk.floats["since"][at]))
        columns.marks[slot] |= unseen
    elif columns.started[slot] < columns.since[slot]:
        columns.since[slot] = columns.started[slot]


def _numbers(
    columns: Columns,
    chunk: Chunk,
    coding: Coding,
    slots: npt.NDArray[np.intp],
    picked: npt.NDArray[np.intp],
    still_from: float,
) -> None:
    for name in TIMES:
        columns.vector(name)[slots] = chunk.floats[name][picked]
    for name in ("first", "since", "seen"):
        vector = columns.vector(name)
        vector[slots] = np.nan_to_num(vector[slots], nan=0.0)
    for name in (*COUNTS, "retries"):
        columns.vector(name)[slots] = chunk.counts[name][picked]
    columns.vector("marks")[slots] |= PAST
    states = chunk.states[picked]
    believed = ENDED[states] | (columns.vector("seen")[slots] >= still_from)
    states = np.where(believed, states, int(State.UNKNOWN))
    columns.vector("state")[slots] = states
    for state, many in enumerate(np.bincount(states, minlength=len(State)).tolist()):
        columns.by_state[state] += many
    for kind, table in _TABLES.items():
        columns.vector(kind)[slots] = coding.all(kind, chunk.words[kind][picked], getattr(columns, table))
    ids = [columns.id[slot][:8].encode("utf-8", "replace")[:8].ljust(8, b"\0") for slot in slots.tolist()]
    columns.vector("head")[slots] = np.frombuffer(b"".join(ids), dtype=">u8")
    parents = [columns.parent_id[slot] for slot in slots.tolist()]
    columns.vector("parent")[slots] = [0 if parent is None else hash(parent) for parent in parents]


def _rare(columns: Columns, chunk: Chunk, coding: Coding, slot_of: dict[int, int]) -> None:
    for name, column in (
        ("traceback", columns.traceback),
        ("eta", columns.eta),
        ("expires", columns.expires),
    ):
        for at, value in chunk.rare[name].items():
            if at in slot_of:
                column[slot_of[at]] = value
    for at in chunk.rare["extra"].keys() & slot_of:
        extra = _extra(columns, chunk, coding, at)
        if extra is not None:
            columns.extra[slot_of[at]] = extra


def _extra(columns: Columns, chunk: Chunk, coding: Coding, at: int) -> Extra | None:
    try:
        extra = _decode(chunk.rare["extra"].get(at, b""))
    except msgspec.DecodeError:
        return None
    for past in extra.past:
        past.worker = coding.one("worker", past.worker, columns.workers)
        for name in ("sent", "received", "started", "finished"):
            if getattr(past, name) is None:
                setattr(past, name, NAN)
    return extra
