"""Heat maps: where failures come together, by task name and worker, or task name and hour."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt

from lazycelery.model.faults import HeatBy, HeatMap
from lazycelery.model.states import State
from lazycelery.store.columns import Columns
from lazycelery.store.faults.grouping import failures

ROWS, COLUMNS = 50, 48
"""Names, and workers or hours, that are told."""
SLICE = 65_536

Numbers = npt.NDArray[np.int64]


def heat(
    columns: Columns, by: HeatBy, filter: str, since: float | None, now: float
) -> Generator[None, None, HeatMap]:
    """Failures that match, and of the same cells all tasks that ended. Raises `UsageError`."""
    bad = yield from failures(columns, filter, since, now)
    names = columns.vector("name")[bad.slots].astype(np.int64)
    others = _others(columns, by, bad.slots)
    hot = HeatMap(by=by, since=columns.oldest())
    rows, hot.rows_left_out = _most(names, ROWS)
    if by == "worker":
        across, hot.columns_left_out = _most(others, COLUMNS)
    else:
        across, hot.columns_left_out = _last(others, now)
    yield
    wrong = _counted(names, others, rows, across)
    ended = wrong.copy()
    whole = columns.vector("state")
    for start in range(0, len(whole), SLICE):
        part = start + np.flatnonzero(whole[start : start + SLICE] == int(State.SUCCESS))
        if since is not None:
            part = part[columns.vector("since")[part] > since]
        ended += _counted(
            columns.vector("name")[part].astype(np.int64), _others(columns, by, part), rows, across
        )
        yield
    hot.rows = [columns.names.texts[code] or "" for code in rows.tolist()]
    hot.columns = [
        columns.workers.texts[code] or "" if by == "worker" else str(code * 3600) for code in across.tolist()
    ]
    hot.failed, hot.ended = wrong.tolist(), ended.tolist()
    return hot


def _others(columns: Columns, by: HeatBy, slots: Any) -> Numbers:
    by_worker = by == "worker"
    values = columns.vector("worker")[slots] if by_worker else columns.vector("since")[slots] // 3600
    codes: Numbers = values.astype(np.int64)
    return codes


def _most(codes: Numbers, limit: int) -> tuple[Numbers, int]:
    """The most frequent ones, and how many others there are."""
    found, counts = np.unique(codes, return_counts=True)
    return found[np.argsort(-counts, kind="stable")][:limit], max(0, len(found) - limit)


def _last(hours: Numbers, now: float) -> tuple[Numbers, int]:
    """All hours from the first to now, the last ones where they are too many."""
    if not len(hours):
        return hours, 0
    last = max(int(now // 3600), int(hours.max()))
    first = max(int(hours.min()), last - COLUMNS + 1)
    return np.arange(first, last + 1), int((np.unique(hours, return_counts=True)[0] < first).sum())


def _counted(names: Numbers, others: Numbers, rows: Numbers, across: Numbers) -> Numbers:
    """A table of counts: of each name in each column."""
    table: Numbers = np.zeros((len(rows), len(across)), dtype=np.int64)
    if len(names) and table.size:
        line, column = _place(names, rows), _place(others, across)
        inside = (line >= 0) & (column >= 0)
        cells = np.bincount(line[inside] * len(across) + column[inside], minlength=table.size)
        table = cells.reshape(table.shape).astype(np.int64)
    return table


def _place(codes: Numbers, among: Numbers) -> Numbers:
    """The place of each code, -1 where it is not among them."""
    order = np.argsort(among)
    at = np.clip(np.searchsorted(among, codes, sorter=order), 0, len(among) - 1)
    places = order[at]
    return np.where(among[places] == codes, places, -1)
