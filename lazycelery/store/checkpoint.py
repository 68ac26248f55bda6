"""A store as it was at a moment, so that it can be had again: what changed of its tasks and the statistics'
finished steps in a file, the rest, which is small, as a copy in memory.
"""

from __future__ import annotations

import copy
from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from lazycelery.store.census import Census
from lazycelery.store.columns import Columns
from lazycelery.store.faults.errors import Errors
from lazycelery.store.query import Queries
from lazycelery.store.rings import PACKED, Kept
from lazycelery.store.store import Store
from lazycelery.store.sums import Sums
from lazycelery.store.takeback import moved, take_back
from lazycelery.store.tasklog import Rows, TaskLog, Written

SMALL = ("names", "workers", "queues", "notes", "free", "by_state")
"""What columns have beside their slots."""
COUNTS = ("used", "rows", "changes")


class _Elsewhere:
    """Stands in a copy for the columns."""


class Stage(NamedTuple):
    """A moment on the way that columns went."""

    since: int
    """Their changes by then."""
    pieces: int
    """Pieces that had been written by then."""
    before: Stage | None


class Checkpoint:
    """One moment."""

    def __init__(self, pieces: list[Rows], copied: Any, stage: Stage, weight: int) -> None:
        self.pieces = pieces
        """Those that were written for this moment and for all before it, the oldest first."""
        self.copied = copied
        self.stage = stage
        self.weight = weight
        """Things of which it holds a copy: a kilobyte or two each."""


class Keeper:
    """Makes checkpoints of a store, and stores out of checkpoints."""

    def __init__(self, log: TaskLog) -> None:
        self._log = log
        self._known: dict[int, tuple[Kept, Written]] = {}
        """Finished steps that are written already, by their address."""

    def take(
        self, store: Store, before: Checkpoint | None, beside: Any = None
    ) -> Generator[None, None, Checkpoint]:
        """A checkpoint of a store that went on from `before`, or from nothing. In slices between which
        the store may change. `beside` is copied with it. Raises `OSError`."""
        columns = store._columns
        columns._write_heads()
        pieces = list(before.pieces) if before is not None else []
        stage = before.stage if before is not None else None
        changes = columns.changes
        pieces += yield from self._log.write(columns, stage.since if stage is not None else 0)
        columns._write_heads()
        since, steps = columns.changes, self._log.write(columns, changes)
        while True:  # What came meanwhile is little, and now nothing more may.
            try:
                next(steps)
            except StopIteration as done:
                pieces += done.value
                break
        memo = self._elsewhere(store)
        small = {name: getattr(columns, name) for name in (*SMALL, *COUNTS)}
        copied = copy.deepcopy((store, small, beside), memo)
        weight = len(store._workers.known) + len(store._queues.known) + len(columns.names) + 10
        return Checkpoint(pieces, copied, Stage(since, len(pieces), stage), weight)

    def _elsewhere(self, store: Store) -> dict[int, Any]:
        """What is not copied, by its address, and what stands for it."""
        intake = store._intake
        memo = {id(store._columns): _Elsewhere(), **_whole(store)}
        left_out = (store._queries, store.errors, store._census, intake.figures._sums, intake.told)
        for each in (*left_out, store._merge.fields.pool):
            memo[id(each)] = None
        known = {}
        for ring in intake.figures.rings.all:
            for kept in ring.steps:
                at = id(kept)
                known[at] = self._known.get(at) or (kept, self._log.keep(kept))
                memo[at] = known[at][1]
            memo[id(ring.step)] = self._log.keep(ring.under_way())
        self._known = known
        return memo

    def restore(
        self, checkpoint: Checkpoint, max_tasks: int, left: Store | None = None, came: Stage | None = None
    ) -> Generator[None, None, tuple[Store, Any]]:
        """A store as it was then, and what was beside it, in slices. Raises `OSError`.

        `left` is a store that is given up and went on from `came`: what of its tasks stands as it stood then
        is taken over.
        """
        copied, small, beside = checkpoint.copied
        used, shared = small["used"], _shared(checkpoint.stage, came)
        columns, missing = Columns(max_tasks), np.ones(used, dtype=np.bool_)
        if left is not None:
            old = moved(left.columns)
            if shared is not None and old.max_tasks == max_tasks:
                others = [slots for slots, _ in checkpoint.pieces[shared.pieces :]]
                columns = old
                missing = yield from take_back(columns, used, shared.since, others)
            del old
        columns.blank(used)
        memo = {id(copied._columns): columns, **_whole(copied)}
        for ring in copied._intake.figures.rings.all:
            for where in ring.steps:
                memo[id(where)] = kept = self._log.kept(where)
                if ring.size >= PACKED:
                    kept.pack()
            memo[id(ring.step)] = self._log.kept(ring.step).cells
            yield
        store: Store
        store, own, beside = copy.deepcopy((copied, small, beside), memo)
        for name, value in own.items():
            setattr(columns, name, value)
        columns.make_room = store._make_room
        store._queries, store._census, store.errors = Queries(columns), Census(columns), Errors(columns)
        intake = store._intake
        intake.figures._sums, store._merge.fields.pool = Sums(), {}
        intake.told = intake._told([])
        yield from self._log.fill(columns, missing, checkpoint.pieces)
        return store, beside


def _shared(one: Stage | None, other: Stage | None) -> Stage | None:
    """The last moment that two ways have in common."""
    seen = set()
    while other is not None:
        seen.add(id(other))
        other = other.before
    while one is not None and id(one) not in seen:
        one = one.before
    return one


def _whole(store: Store) -> dict[int, Any]:
    """What is not copied item by item, which takes a tenth of a second of a thousand queues."""
    kept: dict[int, Any] = {}
    for worker in store._workers.known.values():
        # Answers are replaced, and never changed.
        answers = (worker.stats, worker.queues, worker.registered, worker.limits, worker.conf, worker.whole)
        kept.update({id(told): told for told in (*answers, *worker.lists.values())})
        kept[id(worker.loss._beats)] = worker.loss._beats.copy()
    for queue in store._queues.known.values():
        kept[id(queue.report)] = queue.report
        kept.update({id(numbers): numbers.copy() for numbers in (queue.depths, queue.probes)})
    return kept
