"""What can be asked of the failures: groups, one group, heat maps."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from lazycelery.model.faults import ErrorDetail, ErrorPage, ErrorQuery, HeatBy, HeatMap
from lazycelery.store.columns import Columns
from lazycelery.store.faults.differences import LOOKED_AT, differences
from lazycelery.store.faults.grouping import failures, grouped
from lazycelery.store.faults.heat import heat

REMEMBERED = 20_000


class Errors:
    """Questions over the columns; each answer comes in slices of a few milliseconds."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._first: dict[str, float] = {}
        """When a group was first seen: its oldest tasks may have left since."""

    def veil(self, hide: Callable[[str], str]) -> None:
        """From now on secrets are taken out of texts by `hide`, before anything is made of them."""
        self._columns.kinds.veil(hide)

    def page(self, query: ErrorQuery, since: float | None, now: float) -> Generator[None, None, ErrorPage]:
        """All groups that match, in no order that matters. Raises `UsageError` for a wrong filter."""
        page = yield from grouped(self._columns, query.filter, since, now, self._first)
        for group in page.groups:
            if group.first is not None and (group.id in self._first or len(self._first) < REMEMBERED):
                self._first[group.id] = min(group.first, self._first.get(group.id, group.first))
        return page

    def detail(
        self, id: str, filter: str, now: float, hide: Callable[[str, Any], Any]
    ) -> Generator[None, None, ErrorDetail | None]:
        """One group by its id or the beginning of it; `None` when no task that matches is in it."""
        page = yield from grouped(self._columns, f"error_group:{id} {filter}".strip(), None, now, self._first)
        if not page.groups:
            return None
        group = max(page.groups, key=lambda one: one.count)
        members = yield from failures(self._columns, f"error_group:{group.id} {filter}".strip(), None, now)
        found = yield from differences(self._columns, members.slots, hide)
        return ErrorDetail(group=group, differences=found, looked_at=min(LOOKED_AT, len(members.slots)))

    def heat(
        self, by: HeatBy, filter: str, since: float | None, now: float
    ) -> Generator[None, None, HeatMap]:
        """Failures by task name and worker or hour. Raises `UsageError` for a wrong filter."""
        return heat(self._columns, by, filter, since, now)
