"""Columns taken back to a moment: what did not change since then stays where it is.

A jump back in a recording would else read all tasks out of a file, of which nearly all stand as they stood.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import numpy.typing as npt

from lazycelery.store.columns import NUMBERS, Columns
from lazycelery.store.faults.kinds import Kinds
from lazycelery.store.sealing import Mask
from lazycelery.store.shards import MASK

AT_ONCE = 8192
"""Slots that are let go in one go: a few milliseconds."""
Slots = npt.NDArray[np.intp]


def moved(columns: Columns) -> Columns:
    """The same tasks in an object of its own: who still has the old one reaches nothing any more."""
    other = Columns.__new__(Columns)
    other.__dict__.update(columns.__dict__)
    columns.let_go()
    return other


def take_back(
    columns: Columns, used: int, since: int, others: list[npt.NDArray[np.int32]]
) -> Generator[None, None, Mask]:
    """Forget what changed after `since` of the columns' changes, and slots from `used` on; in slices.

    Returns by slot below `used` what is to be written again: all of that, and `others`, which changed between
    `since` and the moment that is gone to.
    """
    before = columns.used
    missing = np.zeros(max(before, used), dtype=np.bool_)
    missing[:before] = columns.vector("stamp") > since
    for slots in others:
        missing[slots] = True
    missing[used:] = True
    columns.make_room = None
    columns.sealed.forget(missing, used, since)
    for end in range(before, 0, -AT_ONCE):
        start = max(0, end - AT_ONCE)
        _forget(columns, start + np.flatnonzero(missing[start:end]))
        if end > used:
            _cut(columns, max(start, used))
        yield
    for name in ("fault", "faulted"):
        columns.vector(name)[:] = 0  # Another store gives these numbers anew.
    columns.used = min(before, used)
    columns.blank(used)
    columns.kinds = Kinds(columns)
    columns._headless, columns._oldest = [], (0, 0)
    return missing[:used]


def _forget(columns: Columns, slots: Slots) -> None:
    """Neither ids nor rare things lead to these slots any more."""
    parts, ids = columns.slots.parts, columns.id
    for slot in slots.tolist():
        if id := ids[slot]:  # noqa: A001
            parts[hash(id) & MASK].pop(id, None)
    for rare in (columns.traceback, columns.eta, columns.expires, columns.extra):
        rare.drop(slots)


def _cut(columns: Columns, start: int) -> None:
    """Slots from there on are as if they had never been used."""
    texts = (columns.id, columns.args, columns.kwargs, columns.result, columns.error)
    for column in (*texts, columns.root_id, columns.parent_id):
        del column[start:]
    end = start + AT_ONCE
    for name in NUMBERS:
        columns.vector(name)[start:end] = 0
    columns.life[start:end] = bytes(len(columns.life[start:end]))
