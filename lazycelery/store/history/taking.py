"""Tasks out of the columns as rows of a history file. Runs in the writer's thread, beside the store's own.

The store changes meanwhile. A slot whose stamp or row number moved while it was read is left for the
next round, when it stands among the changed ones again; a slot is stamped after it was changed, so that
what was read half-way is read once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from sys import getsizeof
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from lazycelery.model.states import State
from lazycelery.store.columns import Columns, Extra
from lazycelery.store.history.schema import OWN_ROOT
from lazycelery.store.history.veiling import Veiling
from lazycelery.store.marks import CUTS, PAST

TIMES = ("first", "since", "seen", "sent", "received", "started", "finished", "runtime", "wait")
TOLD_A_RUN = ("sent", "received", "wait")
"""What is told once of each run: of a task that comes back it is not told again."""
COUNTS = ("attempt", "marks", "sources", "cut", "told", "clock")
VEILED = ("args", "kwargs", "result", "error")
WORDS = ("name", "worker", "queue")
BYTES, BATCH_BYTES = 300, 4_000
"""That a task takes in `Copied`, about, beside its texts, and all of it beside its tasks."""
PUT_OFF = 0.5
"""Seconds for which a task that has not ended is put off: most end within, and cost one row then."""
AT_ONCE = 2_000
"""Tasks read and written together."""
NEWEST = 1 << 62
"""No identity is higher."""

Slots = npt.NDArray[np.intp]
Row = tuple[Any, ...]
_encode = msgspec.msgpack.Encoder().encode

ENDED = np.zeros(len(State), dtype=np.bool_)
for _state in (State.SUCCESS, State.FAILURE, State.REVOKED, State.REJECTED, State.LOST):
    ENDED[_state] = True

FAILED = [state in (State.FAILURE, State.RETRY, State.REJECTED, State.LOST) for state in State]


class Taken(NamedTuple):
    """Tasks column by column, the slots they are or were of, and the identity of each."""

    slots: Slots
    columns: list[Sequence[Any]]
    """As `schema.COLUMNS`, without the number."""
    identities: npt.NDArray[np.int64]

    def rows(self) -> Iterator[Row]:
        """A task a row."""
        return zip(*self.columns, strict=True)


class Copied(NamedTuple):
    """Tasks column by column as the store has them, with their secrets, and its numbers of words."""

    slots: Slots
    identities: npt.NDArray[np.int64]
    times: list[npt.NDArray[np.float64]]
    counts: list[npt.NDArray[Any]]
    states: npt.NDArray[np.uint8]
    retries: npt.NDArray[np.int16]
    words: list[npt.NDArray[np.int32]]
    """Name, worker, queue."""
    ids: list[str]
    texts: list[list[str | None]]
    """As `VEILED`, and the traceback."""
    roots: list[str | None]
    rare: list[list[Any]]
    """Parent, eta, expires, extra."""

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        told = [*self.ids, *chain.from_iterable(self.texts), *chain.from_iterable(self.rare)]
        for extra in self.rare[-1]:
            if isinstance(extra, Extra):
                told += [extra.progress, *extra.children]
                told += [text for past in extra.past for text in (past.error, past.traceback)]
        return BATCH_BYTES + BYTES * len(self.ids) + sum(map(getsizeof, filter(None, told)))


class Changes:
    """Which tasks are to be written now."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self._seen = 0
        """Changes up to this stamp have been looked at."""
        self._off: npt.NDArray[np.bool_] = np.zeros(columns.capacity, dtype=np.bool_)
        """Slots that were put off, or could not be written."""
        self._bare: npt.NDArray[np.bool_] = np.zeros(columns.capacity, dtype=np.bool_)
        """Slots whose tasks were written without their long texts."""
        self._taken: npt.NDArray[np.bool_] = np.zeros(columns.capacity, dtype=np.bool_)
        """Slots whose tasks are being written."""
        self._flushed = 0.0
        self._skipped = 0
        """What has not changed since then is not for us to write."""

    @property
    def newest(self) -> int:
        """The identity of the task that came last."""
        return self.columns.rows

    def unwritten(self, slots: Slots) -> Slots:
        """Those of these slots of whose tasks something is not written; they are about to leave. For the
        store's own thread."""
        marks, stamps = self.columns.vector("marks")[slots], self.columns.vector("stamp")[slots]
        # Of one that has not ended the history is to know that it left, also where all of it is written.
        unended = ~ENDED[self.columns.vector("state")[slots]] & (stamps > self._skipped)
        due = ((stamps > self._seen) | unended) & ((marks & PAST) == 0)
        due |= self._off[slots] | self._taken[slots] | self._bare[slots]
        self._bare[slots] = False
        found: Slots = slots[due]
        return found

    def skip(self) -> None:
        """What has changed so far is not for us to write."""
        self._seen = self._skipped = self.columns.changes
        self._off[:] = self._bare[:] = False

    def due(self, now: float, all: bool = False) -> Slots:
        """Slots whose tasks ended, and of the others those that were put off long enough. `now` is
        monotonic."""
        columns = self.columns
        until = columns.changes
        if until != self._seen:
            stamps = columns.vector("stamp")
            fresh = np.flatnonzero(stamps > self._seen)
            marks = columns.vector("marks")[: len(stamps)]
            fresh = fresh[(marks[fresh] & PAST) == 0]
            # What is to be written is always marked in one way or another: `unwritten` asks in between.
            self._off[fresh] = True
            self._seen = until
        used = columns.used
        if all or now - self._flushed >= PUT_OFF:
            self._flushed = now
            slots = np.flatnonzero(self._off[:used])
        else:
            slots = np.flatnonzero(self._off[:used])
            slots = slots[ENDED[columns.vector("state")[:used][slots]]]
        self._taken[slots] = True
        self._off[slots] = False
        return slots

    def put_back(self, slots: Slots) -> None:
        """These could not be written."""
        self._off[slots] = True
        self._taken[slots] = False

    def written(self, slots: Slots, lean: bool) -> int:
        """These were written, whole or `lean`; returns of how many tasks texts are still to be written."""
        self._bare[slots] = lean
        self._taken[slots] = False
        return int(np.count_nonzero(self._bare))

    def fill_in(self, most: int) -> None:
        """Texts of some tasks are due now."""
        slots = np.flatnonzero(self._bare)[:most]
        self._off[slots] = True
        self._bare[slots] = False


def take(
    columns: Columns,
    slots: Slots,
    veiling: Veiling,
    code_of: dict[tuple[str, int], int],
    nothing: float | None = None,
    lean: bool = False,
    newest: int = NEWEST,
) -> Taken:
    """These slots' tasks as far as they are whole; `code_of` is the file's number of a word. `nothing`
    stands where there is no value. `lean`: the texts of tasks that did not fail are left out, and count
    as cut. Tasks of a higher identity than `newest` are left out."""
    before = columns.vector("stamp")[slots], columns.vector("row")[slots]
    told = snapshot(columns, slots, nothing)
    whole = (before[0] == columns.vector("stamp")[slots]) & (before[1] == columns.vector("row")[slots])
    whole &= (before[1] != 0) & (before[1] <= newest)
    taken = made(told, veiling, code_of, nothing, lean)
    if whole.all():
        return taken
    kept = np.flatnonzero(whole)
    places = kept.tolist()
    columns_of: list[Sequence[Any]] = [[each[place] for place in places] for each in taken.columns]
    return Taken(slots[kept], columns_of, before[1][kept])


def snapshot(columns: Columns, slots: Slots, nothing: float | None = None) -> Copied:
    """These slots' tasks as they are now; `nothing` as for `take`. A millisecond for a thousand."""
    numbers = slots.tolist()
    texts: list[list[str | None]] = [columns.sealed.texts(name, numbers) for name in VEILED]
    texts.append(columns.traceback.many(slots))
    parents: list[Any] = [nothing] * len(numbers)
    for place in np.flatnonzero(columns.vector("parent")[slots]).tolist():
        parents[place] = columns.parent_id[numbers[place]]
    return Copied(
        slots=slots,
        identities=columns.vector("row")[slots],
        times=[columns.vector(name)[slots] for name in TIMES],
        counts=[columns.vector(name)[slots] for name in COUNTS],
        states=columns.vector("state")[slots],
        retries=columns.vector("retries")[slots],
        words=[columns.vector(kind)[slots] for kind in WORDS],
        ids=[columns.id[slot] for slot in numbers],
        texts=texts,
        roots=[columns.root_id[slot] for slot in numbers],
        rare=[
            parents,
            *(each.many(slots, nothing) for each in (columns.eta, columns.expires, columns.extra)),
        ],
    )


def made(
    told: Copied,
    veiling: Veiling,
    code_of: dict[tuple[str, int], int],
    nothing: float | None = None,
    lean: bool = False,
) -> Taken:
    """Rows of what was copied, without secrets; see `take`."""
    states: list[int] = told.states.tolist()
    retries: list[Any] = told.retries.tolist()
    if -1 in retries:
        retries = [nothing if number < 0 else number for number in retries]
    words = [_coded(own, kind, code_of) for kind, own in zip(WORDS, told.words, strict=True)]
    counts, place = [*told.counts], COUNTS.index("cut")
    cut = counts[place] = counts[place].copy()
    texts = _veiled(told.texts, cut, veiling)
    if lean:
        _leave_out(texts, cut, states)
    roots = [OWN_ROOT if root == own else root for root, own in zip(told.roots, told.ids, strict=True)]
    parents, eta, expires, extras = told.rare
    eta, expires = (_moments(each, veiling, nothing) for each in (eta, expires))
    extras = [extra if extra is nothing else _extra(extra, veiling, code_of) for extra in extras]
    spoken: list[list[Any]] = [*texts, roots]
    if nothing is not None:
        spoken = [[nothing if one is None else one for one in each] for each in spoken]
    taken: list[Sequence[Any]] = [
        *(told.ids, words[0], states, words[1], words[2]),
        *(each.tolist() for each in told.times),
        *(retries, *(each.tolist() for each in counts)),
        *(*spoken, parents, eta, expires, extras),
    ]
    return Taken(told.slots, taken, told.identities)


def _veiled(texts: list[list[str | None]], cut: npt.NDArray[Any], veiling: Veiling) -> list[list[str | None]]:
    """Arguments, result, error and traceback without secrets; what was taken out counts as cut, so that
    nobody takes it for the true arguments."""
    found = [[*each] for each in texts]
    for name, own in zip((*VEILED, "traceback"), found, strict=True):
        for place, shown in veiling.changed(own).items():
            own[place] = shown
            cut[place] |= CUTS[name]
    return found


def _moments(texts: list[Any], veiling: Veiling, nothing: float | None) -> list[Any]:
    """As senders told them, who may write anything there."""
    found = veiling.changed([None if one is nothing else one for one in texts])
    return [found.get(place, one) for place, one in enumerate(texts)] if found else texts


def _coded(own: npt.NDArray[np.int32], kind: str, code_of: dict[tuple[str, int], int]) -> list[int]:
    """The file's numbers of words."""
    codes, places = np.unique(own, return_inverse=True)
    coded: list[int] = np.array([code_of[kind, code] for code in codes.tolist()])[places].tolist()
    return coded


def _leave_out(texts: list[list[str | None]], cut: npt.NDArray[Any], states: Sequence[int]) -> None:
    kept = [FAILED[state] for state in states]
    for name, own in zip((*VEILED, "traceback"), texts, strict=True):
        for place, text in enumerate(own):
            if text is not None and not kept[place]:
                own[place] = None
                cut[place] |= CUTS[name]


def _extra(extra: Extra, veiling: Veiling, code_of: dict[tuple[str, int], int]) -> bytes:
    past = tuple(
        msgspec.structs.replace(
            one,
            worker=code_of["worker", one.worker],
            error=None if one.error is None else veiling.one(one.error),
            traceback=None if one.traceback is None else veiling.one(one.traceback),
        )
        for one in extra.past
    )
    progress = None if extra.progress is None else veiling.one(extra.progress)
    return _encode(msgspec.structs.replace(extra, past=past, progress=progress))
