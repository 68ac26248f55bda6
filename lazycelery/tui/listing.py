"""A list with a cursor that stays on its row, whatever happens around it. Knows no widget."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Rows(Protocol):
    """The rows of a list: the only door between it and the data."""

    @property
    def total(self) -> int:
        """How many rows there are."""

    def key_at(self, index: int) -> str | None:
        """The identity of the row on a line; `None` when it is not here (yet)."""

    def index_of(self, key: str) -> int | None:
        """The line of a row, or `None` when it is not shown."""

    def look(self, top: int, page: int, held: tuple[str, int] | None) -> None:
        """What is in view, and the row (with its line) that must not run away. Rows that come from
        elsewhere are fetched ahead of need."""


class Place(NamedTuple):
    """Where a cursor was."""

    key: str
    cursor: int
    top: int


class Listing:
    """Cursor and viewport over rows.

    The cursor is a row's identity; its line follows. A held row keeps its line on the screen while
    rows come and go around it. On the first line of a list that `follows`, the newest row leads, until
    something is done with that row (`hold`); a move to the first line makes it follow again.
    """

    def __init__(self, rows: Rows, follows: bool = False) -> None:
        self.rows = rows
        self.follows = follows
        self.pinned = False
        """Whether the row is what a page or question is about: it stays even when the list loses it."""
        self._held = False
        self.cursor = 0
        self.key: str | None = None
        self.top = 0
        self.page = 1
        """Lines in view."""

    def settle(self) -> None:
        """Take up a change of rows or size."""
        total = self.rows.total
        if self.lost:
            self.rows.look(self.top, self.page, self.held)
            return
        if total == 0:
            self.cursor = self.top = 0
            self.key = None
            self.rows.look(0, self.page, None)
            return
        index = self._found()
        self.top += index - self.cursor
        self._place(index)

    def _found(self) -> int:
        last = self.rows.total - 1
        if self.key is None:
            return min(self.cursor, last)
        if self._follows_now:
            return 0
        found = self.rows.index_of(self.key)
        return min(self.cursor, last) if found is None else found

    def _place(self, index: int) -> None:
        self.cursor = max(0, min(index, self.rows.total - 1))
        self.key = self.rows.key_at(self.cursor)
        self.top = max(self.cursor - self.page + 1, min(self.top, self.cursor))
        self.top = max(0, min(self.top, self.rows.total - self.page))
        self.rows.look(self.top, self.page, self.held)

    @property
    def held(self) -> tuple[str, int] | None:
        """The row that must not run away, with its line; `None` while the list follows."""
        return None if self.key is None or self._follows_now else (self.key, self.cursor)

    @property
    def lost(self) -> bool:
        """Whether the row that is pinned is not in the list: a filter passes it no more, or it is gone."""
        return self.pinned and self.key is not None and self.rows.index_of(self.key) is None

    @property
    def _follows_now(self) -> bool:
        return self.follows and self.cursor == 0 and not self._held

    def hold(self) -> None:
        """Something is done with the row under the cursor: no newer one takes its place."""
        self._held = self.key is not None

    def reset(self, at: Place | None = None) -> None:
        """Other rows are on their way: begin at the first line, or at a row that is among them."""
        self.key, self.cursor, self.top = at or (None, 0, 0)
        self._held = False

    @property
    def place(self) -> Place | None:
        """Where the cursor is; `None` where there is none, or where it leads whatever comes."""
        return None if self.key is None or self._follows_now else Place(self.key, self.cursor, self.top)

    def return_to(self, place: Place) -> None:
        """Put cursor and view where they were, if the row is shown."""
        index = self.rows.index_of(place.key)
        if index is not None:
            self.top = place.top + index - place.cursor
            self.go(index)

    def resize(self, page: int) -> None:
        """Another number of lines in view."""
        if page != self.page:
            self.page = max(1, page)
            self.settle()

    def go(self, index: int) -> None:
        """Put the cursor on a line."""
        if self.rows.total:
            self._held = False
            self._place(index)

    def move(self, rows: int) -> None:
        """Move the cursor."""
        self.go(self.cursor + rows)

    def pages(self, pages: float) -> None:
        """Move cursor and view together by (a part of) a page."""
        if self.rows.total:
            rows = round(pages * self.page)
            self.top += rows
            self.move(rows)

    def scroll(self, rows: int) -> None:
        """Move the view; the cursor goes along only where it would leave it."""
        self.top = max(0, min(self.top + rows, self.rows.total - self.page))
        self.go(max(self.top, min(self.cursor, self.top + self.page - 1)))
