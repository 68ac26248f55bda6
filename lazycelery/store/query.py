"""A window on an order of tasks."""

from __future__ import annotations

from collections.abc import Generator, Iterable

import numpy as np

from lazycelery.model.task import TaskPage, TaskQuery
from lazycelery.store.columns import Columns
from lazycelery.store.filter.matching import Slots
from lazycelery.store.orders import Orders
from lazycelery.store.views import task_row

MAX_ROWS = 10_000


class Queries:
    """Answers queries over the columns."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.orders = Orders(columns)

    def page(self, query: TaskQuery, now: float, evicted: int) -> Generator[None, None, TaskPage]:
        """The window, in slices of a few milliseconds. Raises `UsageError` for a wrong filter."""
        order = self.orders.order(query.filter.strip(), query.sort, query.reverse)
        yield from order.update()
        slots = order.lines(now)
        held = self._line(slots, query.hold)
        limit = max(0, min(query.limit, MAX_ROWS))
        start = max(0, min((held or 0) + query.offset, max(0, len(slots) - 1)))
        rows = [task_row(self.columns, slot) for slot in slots[start : start + limit].tolist()]
        return TaskPage(
            rows=rows,
            start=start,
            matched=len(slots),
            known=len(self.columns),
            held=held,
            oldest=self._oldest(),
            evicted=evicted,
            stamp=self.columns.changes,
        )

    def ids(self, filter: str, limit: int, now: float) -> list[str]:
        """Ids of the tasks that match, newest first."""
        order = self.orders.order(filter.strip(), "newest", False)
        for _ in order.update():
            pass
        return [self.columns.id[slot] for slot in order.lines(now)[: max(0, limit)].tolist()]

    def among(self, filter: str, ids: Iterable[str], now: float) -> set[str]:
        """Those of some ids whose tasks match."""
        matcher = self.orders.order(filter.strip(), "newest", False).matcher
        known = [slot for slot in map(self.columns.slots.get, ids) if slot is not None]
        slots = np.array(known, dtype=np.intp)
        slots = slots[matcher.still(slots)]
        return {self.columns.id[slot] for slot in slots[matcher.now(slots, now)].tolist()}

    def _line(self, slots: Slots, id: str | None) -> int | None:
        slot = self.columns.slots.get(id) if id is not None else None
        if slot is None:
            return None
        found = np.flatnonzero(slots == slot)
        return int(found[0]) if len(found) else None

    def _oldest(self) -> float | None:
        rows, first = self.columns.vector("row"), self.columns.vector("first")
        alive = rows != 0
        if not alive.any():
            return None
        return float(first[alive].min())
