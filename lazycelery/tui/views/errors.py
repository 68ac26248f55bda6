"""Errors in groups, and where they come together: by task name and worker, by task name and hour."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import get_args

from lazycelery.engine.api import EngineApi
from lazycelery.errors import NothingFound
from lazycelery.model.faults import ErrorDetail, ErrorGroup, ErrorPage, ErrorQuery, ErrorSort, HeatBy, HeatMap
from lazycelery.model.text import clean, quoted
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.errors import (
    COLUMNS,
    NOTED,
    cells,
    details,
    heat_lines,
    remarks,
    title_of,
    worst,
)
from lazycelery.tui.presentation.frame import framed, scroll_thumb
from lazycelery.tui.presentation.line import Line, length, width_of
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.table import row_at, table
from lazycelery.tui.views.view import Picked

SORTS: dict[ErrorSort, str] = {"count": "most first", "last": "last seen first", "first": "newest first"}
PAGES: tuple[HeatBy | None, ...] = (None, *get_args(HeatBy))
MOST = 500
FAILED = "error_group:*"
"""All that failed, or waits for a retry after it."""
LEAST_DETAILS = 6
"""Lines below the list from which on they are worth it."""


class ErrorsView:
    """A list of groups with what is known of the one under the cursor, and two heat maps.

    `drill` is called with a filter, to show the tasks that match it.
    """

    title = "Errors"
    pace = 2.0

    def __init__(
        self,
        drill: Callable[[str], None],
        filter: str = "",
        marks: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._marks = marks
        """Ids of groups that are marked."""
        self.filter: str | None = filter
        self.problem: str | None = None
        self.new = False
        """Whether only what is new is shown."""
        self._drill = drill
        self._sort: ErrorSort = "count"
        self._page_at = 0
        self._page: ErrorPage | None = None
        self._detail: ErrorDetail | None = None
        self._hot: HeatMap | None = None
        self._at: str | None = None
        """The group that the cursor is on: others come and go, and change places."""
        self._line = 0
        """The line of a heat map that the cursor is on."""
        self._top = 0
        self._room = 1

    # ---- what the engine says

    async def fetch(self, api: EngineApi) -> None:
        """The open page, and more of the group under the cursor."""
        by, asked = PAGES[self._page_at], self.filter or ""
        if by is not None:
            hot = await api.heat(by, asked)
            if asked == self.filter and by == PAGES[self._page_at]:
                self._hot = hot
            return
        query = ErrorQuery(filter=asked, sort=self._sort, new=self.new, limit=MOST)
        page = await api.errors(query)
        if asked != self.filter or (query.sort, query.new) != (self._sort, self.new):
            return
        self._page = page
        group = self.group
        if group is None or (self._detail is not None and self._detail.group == group):
            return
        try:
            self._detail = await api.error_group(group.id, asked)
        except NothingFound:
            self._detail = None  # Its tasks have left, or succeeded.

    @property
    def groups(self) -> list[ErrorGroup]:
        """What is shown."""
        return self._page.groups if self._page is not None else []

    @property
    def group(self) -> ErrorGroup | None:
        """What the cursor is on."""
        groups = self.groups
        return groups[self._place] if groups else None

    @property
    def inside(self) -> bool:
        """Whether a heat map is in front: no marked group is in sight."""
        return not self.grouped

    @property
    def picked(self) -> Picked | None:
        """The group under the cursor."""
        group = self.group if self.grouped else None
        return None if group is None else Picked("group", group.id, group)

    @property
    def items(self) -> Mapping[str, ErrorGroup]:
        """Groups by id, while they are in sight."""
        return {one.id: one for one in self.groups} if self.grouped else {}

    def point(self, line: int) -> bool:
        """Put the cursor on the group of a line."""
        index = row_at(line, self._top, self._room, len(self.groups)) if self.grouped else None
        if index is not None:
            self._at = self.groups[index].id
        return index is not None

    def members(self, group: str) -> str:
        """The filter of the tasks of a group, those among them that were typed."""
        return f"error_group:{group}" + (f" {self.filter}" if self.filter else "")

    @property
    def chosen(self) -> str | None:
        """The filter of the tasks under the cursor; `None` where there are none."""
        by = PAGES[self._page_at]
        typed = f" {self.filter}" if self.filter else ""
        if by is None:
            return None if self.group is None else self.members(self.group.id)
        rows = self._hot.rows if self._hot is not None and self._hot.by == by else []
        # No filter finds the tasks of a name that was not seen, and fewer rows may have come since.
        name = rows[min(self._line, len(rows) - 1)] if rows else ""
        return f"{quoted('name', name)} {FAILED}{typed}" if name else None

    @property
    def grouped(self) -> bool:
        """Whether groups are shown, and no heat map."""
        return PAGES[self._page_at] is None

    @property
    def _place(self) -> int:
        return next((at for at, one in enumerate(self.groups) if one.id == self._at), 0)

    # ---- the picture

    def draw(self, look: Look, width: int, height: int) -> list[Line]:
        """The open page in its frame."""
        by = PAGES[self._page_at]
        inner = width - 2
        if self.problem is not None:
            lines, note, total = wrapped(self.problem, inner - 2, "warn", lead=" "), "", 0
        elif by is None:
            lines, note, total = self._list(look, inner, height - 2)
        else:
            lines, note, total = self._heat(by, look, inner, height - 2)
        thumb = scroll_thumb(self._top, self._room, total)
        return framed(
            lines, width, height, look.signs,
            title=self._title(look),
            note=note,
            focused=True,
            thumb=range(thumb.start + 1, thumb.stop + 1) if thumb else thumb,
        )  # fmt: skip

    def _title(self, look: Look) -> Line:
        names = ("groups", "by worker", "by hour")
        spans = [(self.title, "accent title"), (" ", "")]
        spans += [
            (f" {name} ", "accent cursor" if at == self._page_at else "dim") for at, name in enumerate(names)
        ]
        if self.filter:
            spans.append((f" {look.signs.into} {clean(self.filter, 80)}", "accent"))
        if self.new and self._page_at == 0:
            spans.append((f" {look.signs.into} new", "warn"))
        return tuple(spans)

    def _list(self, look: Look, width: int, height: int) -> tuple[list[Line], str, int]:
        page, groups = self._page, self.groups
        if page is None or not groups:
            return wrapped(self._nothing(page, look), width - 2, "dim", lead=" "), "", 0
        told = [
            line for text in [" ".join(remarks(page, look))] for line in wrapped(text, width - 2, "dim", " ")
        ]
        below = max(0, height - 1 - len(told) - 1 - max(4, min(len(groups), height // 2)))
        below = below if below >= LEAST_DETAILS else 0
        self._room = max(1, height - 1 - len(told) - (below + 1 if below else 0))
        place = self._place
        self._top = max(0, min(max(place - self._room + 1, min(self._top, place)), len(groups) - 1))
        marks = self._marks()
        lines = table(
            groups, COLUMNS, cells, place, self._top, self._room, look, width, lambda one: one.id in marks
        )
        if below:
            lines += [()] * (1 + self._room - len(lines))
            lines.append(((look.signs.across * width, "dim"),))
            more = details(groups[place], self._detail, look, width - 2)[:below]
            lines += [((" ", ""), *line) for line in more] + [()] * (below - len(more))
        lines += [()] * (height - len(lines) - len(told)) + told
        new = sum(1 for one in groups if one.new)
        counts = [f"{look.signs.mark}{len(marks):,}  "] if marks else []
        counts += [q.counted(page.matched, "group"), f", {q.counted(page.failures, 'failure')}"]
        counts += [f", {new} new"] if new else []
        room = width - 6 - length(self._title(look))
        return lines, _as_fits([*counts, f"  {SORTS[self._sort]}"], room), len(groups)

    def _nothing(self, page: ErrorPage | None, look: Look) -> str:
        if page is None:
            return "Counting failures …"
        if self.new and page.mark is None:
            return f"No mark is set, so nothing is new. {look.key('deploy')} sets one."
        if self.new and page.mark is not None:
            mark = clean(page.mark.name, 60)
            if page.since is None or page.since > page.mark.at:
                return f"Nobody watched before {mark}: what is new cannot be told."
            return f"Nothing fails that did not before {mark}."
        return self._no_failure()

    def _no_failure(self) -> str:
        if self.filter:
            return f"No failure matches {clean(self.filter, 60)}."
        return "No failure is known. What fails, or waits for a retry, appears here in groups."

    def _heat(self, by: HeatBy, look: Look, width: int, height: int) -> tuple[list[Line], str, int]:
        hot = self._hot
        if hot is None or hot.by != by:
            return [((" Counting failures …", "dim"),)], "", 0
        if not hot.rows:
            return wrapped(self._no_failure(), width - 2, "dim", lead=" "), "", 0
        self._room = max(1, height - 2 - NOTED)
        self._line = max(0, min(self._line, len(hot.rows) - 1))
        self._top = max(0, max(self._line - self._room + 1, min(self._top, self._line)))
        lines = heat_lines(hot, self._top, self._line, self._room, look, width)
        return lines, f"{q.counted(worst(hot), 'failure')}", len(hot.rows)

    # ---- keys

    def tab(self, step: int) -> None:
        """To the next page, or the previous."""
        self._page_at = (self._page_at + step) % len(PAGES)
        self._top = self._line = 0

    def move(self, lines: int) -> None:
        """The cursor."""
        if PAGES[self._page_at] is not None:
            self._line = max(0, self._line + min(lines, 1 << 20))
        elif self.groups:
            self._at = self.groups[max(0, min(self._place + lines, len(self.groups) - 1))].id

    def turn(self, pages: float) -> None:
        """Move by pages."""
        self.move(round(pages * self._room))

    def set_filter(self, text: str) -> None:
        """Only tasks that match, in the language of the tasks' filter."""
        self.filter, self._top, self._line = text, 0, 0

    def sort(self) -> str:
        """By the next order; says which."""
        order = list(SORTS)
        self._sort = order[(order.index(self._sort) + 1) % len(order)]
        return SORTS[self._sort]

    def hold(self) -> None:
        """The screen's own pause holds it."""

    def enter(self) -> None:
        """Its tasks, as a list."""
        if (chosen := self.chosen) is not None:
            self._drill(chosen)

    def leave(self) -> bool:
        """Back from what is new to all, where that is in sight."""
        was, self.new = self.new, self.new and not self.grouped
        return was and self.grouped

    def told(self) -> str:
        """What the cursor is on, in words."""
        group = self.group
        return "" if group is None or self._page_at else title_of(group)


def _as_fits(parts: list[str], room: int) -> str:
    """The first parts; the title beside them, with the open page and the filter, has the room first."""
    while parts and sum(map(width_of, parts)) > room:
        parts = parts[:-1]
    return "".join(parts)
