"""A window on an order of tasks."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import NamedTuple

import numpy as np

from lazycelery.model.task import TaskPage, TaskQuery, TaskRow
from lazycelery.store.columns import Columns
from lazycelery.store.faults.grouping import failed_slots
from lazycelery.store.filter.matching import GROUP, Slots
from lazycelery.store.orders import Order, Orders
from lazycelery.store.searching import Search
from lazycelery.store.selection import LINES, Selection
from lazycelery.store.views import row_reader

Due = Callable[[], bool]
"""Whether it is time to answer."""
MAX_ROWS = 10_000
ROWS_AT_ONCE = 200


class Window(NamedTuple):
    """Lines of an order that are shown."""

    slots: Slots
    start: int
    matched: int
    held: int | None
    """The line of the held task."""
    searched: float = 1.0
    """Share of the tasks that were looked at."""


class Queries:
    """Answers queries over the columns."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self.orders = Orders(columns)

    def page(
        self, query: TaskQuery, now: float, evicted: int, due: Due | None = None
    ) -> Generator[None, None, TaskPage]:
        """The window, in slices of a few milliseconds. Raises `UsageError` for a wrong filter.

        With `due`, a search through texts tells what it has found as soon as that fills the window, or as
        `due` says so; the next question goes on from there."""
        order = self.orders.order(query.filter.strip(), query.sort, query.reverse)
        yield from self.ready(query.filter)
        window = yield from self._first_lines(order, query, now)
        if window is None and due is not None and order.matcher.dear and not order.built:
            window = yield from self._found_so_far(order, query, now, due)
        if window is None:
            yield from order.update(now)
            slots = yield from order.lines(now)
            window = self._window(query, slots, len(slots), self._line(order, slots, query.hold))
        rows = yield from self._rows(window.slots)
        return TaskPage(
            rows=rows,
            start=window.start,
            matched=window.matched,
            known=len(self.columns),
            held=window.held,
            oldest=self.columns.oldest(),
            evicted=evicted,
            stamp=self.columns.changes,
            searched=window.searched,
        )

    def _first_lines(
        self, order: Order, query: TaskQuery, now: float
    ) -> Generator[None, None, Window | None]:
        """The window, where it is near the beginning and the order has not been built for another one."""
        if order.built or order.matcher.dear or query.offset + query.limit > LINES:
            return None
        lines = LINES if query.hold is not None else max(1, query.offset + query.limit)
        selected = yield from Selection(order, lines).steps(now)
        held = None
        if query.hold is not None and (slot := self.columns.slots.get(query.hold)) is not None:
            found = np.flatnonzero(selected.slots == slot)
            if not len(found):
                return None  # Nobody knows its line yet, or whether it has one.
            held = int(found[0])
        window = self._window(query, selected.slots, selected.matched, held)
        beyond = min(window.start + query.limit, selected.matched) > len(selected.slots)
        return None if beyond else window

    def _found_so_far(
        self, order: Order, query: TaskQuery, now: float, due: Due
    ) -> Generator[None, None, Window | None]:
        """The window on what a search has found when it is time to tell; `None` when it is through, or cannot
        tell what is asked for before it is."""
        search = order.begun(now)
        wanted = max(0, query.offset) + query.limit
        full = search.matched >= wanted  # Known already: what is asked for is how it grows.
        while order.search is search:
            search.advance(now)
            yield
            if order.search is search and (due() or (not full and search.matched >= wanted)):
                window = self._so_far(search, query)
                if window is not None:
                    return window
        return None

    def _so_far(self, search: Search, query: TaskQuery) -> Window | None:
        slots, held = search.first_lines(), None
        matched = max(search.matched, len(slots))
        if query.hold is not None and (slot := self.columns.slots.get(query.hold)) is not None:
            found = np.flatnonzero(slots == slot)
            if not len(found):
                return None  # It may come yet, and then the window is another one.
            held = int(found[0])
        window = self._window(query, slots, matched, held)
        beyond = min(window.start + query.limit, matched) > len(slots)
        return None if beyond else window._replace(searched=search.searched)

    def _window(self, query: TaskQuery, slots: Slots, matched: int, held: int | None) -> Window:
        """Of the first lines, or all."""
        limit = max(0, min(query.limit, MAX_ROWS))
        start = max(0, min((held or 0) + query.offset, max(0, matched - 1)))
        return Window(slots[start : start + limit], start, matched, held)

    def ids(self, filter: str, limit: int, now: float) -> Generator[None, None, list[str]]:
        """Ids of the tasks that match, newest first, in slices."""
        order = self.orders.order(filter.strip(), "newest", False)
        yield from self.ready(filter)
        yield from order.update(now)
        slots = yield from order.lines(now)
        found = (self.columns.id[slot] for slot in slots[: max(0, limit)].tolist())
        return [one for one in found if one]

    def ready(self, filter: str) -> Generator[None, None, None]:
        """Where a filter asks for groups of errors, all failures are read before, in slices."""
        if GROUP in filter:
            slots = yield from failed_slots(self.columns)
            yield from self.columns.kinds.read(slots)

    def among(self, filter: str, ids: Iterable[str], now: float) -> set[str]:
        """Those of some ids whose tasks match."""
        matcher = self.orders.order(filter.strip(), "newest", False).matcher
        known = [slot for slot in map(self.columns.slots.get, ids) if slot is not None]
        slots = np.array(known, dtype=np.intp)
        slots = slots[matcher.still(slots)]
        return {self.columns.id[slot] for slot in slots[matcher.now(slots, now)].tolist()}

    def _rows(self, slots: Slots) -> Generator[None, None, list[TaskRow]]:
        """Rows of a window; a task that leaves between two slices is left out."""
        columns = self.columns
        rows: list[TaskRow] = []
        read = row_reader(columns)
        numbers = columns.vector("row")[slots].tolist()
        for line, (slot, number) in enumerate(zip(slots.tolist(), numbers, strict=True), 1):
            if number and columns.row[slot] == number:
                rows.append(read(slot))
            if line % ROWS_AT_ONCE == 0:
                yield
        return rows

    def _line(self, order: Order, slots: Slots, id: str | None) -> int | None:
        slot = self.columns.slots.get(id) if id is not None else None
        if slot is None:
            return None
        if not order.matcher.moving:
            return order.line(slot)
        found = np.flatnonzero(slots == slot)
        return int(found[0]) if len(found) else None
