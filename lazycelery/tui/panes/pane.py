"""What every pane of the left column is, and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from lazycelery.keys import Scope
from lazycelery.tui.listing import Listing, Place
from lazycelery.tui.panes.ordering import Ordering
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.frame import framed, scroll_thumb
from lazycelery.tui.presentation.line import (
    Column,
    Line,
    Span,
    choose,
    crop,
    fit,
    length,
    row,
    told_apart,
    width_of,
)
from lazycelery.tui.presentation.look import Look

HEADED = 50
"""From this width on, columns have their names."""


Cells = Sequence[Span]
"""What stands in a row, a text and its token for each column."""


class Bodies:
    """The lines in view, kept until a row changes: a cursor that moves over them changes none.

    One whose cells are as in the last view is not set again: an age that is a tenth of a second older mostly
    reads the same, and a row that moved to another line does.
    """

    def __init__(self) -> None:
        self._rows: Sequence[object] = ()
        self._look: Look | None = None
        self._room: tuple[object, int] = ((), 0)
        self._lines: list[Line] = []
        self._set: dict[tuple[Span, ...], Line] = {}
        """What was made of the cells of the last view."""

    def forget(self) -> None:
        """Make them anew: other rows have come."""
        self._look = None

    def of(
        self,
        rows: Sequence[object],
        look: Look,
        shown: Sequence[tuple[int, int]],
        width: int,
        cells: Callable[[], Sequence[Cells | None]],
        line: Callable[[Cells | None], Line],
    ) -> list[Line]:
        """The lines of these rows in these columns; `cells` is called where any of it is not as it was, and
        `line` for those that stood in no line of the last view."""
        # A look stays the same object for as long as it says the same.
        same = (shown, width) == self._room
        if not same or look is not self._look or rows != self._rows:
            before, self._set = (self._set if same else {}), {}
            self._lines = [self._line(each, before, line) for each in cells()]
            self._rows, self._look, self._room = rows, look, (shown, width)
        return self._lines

    def _line(
        self,
        cells: Cells | None,
        before: Mapping[tuple[Span, ...], Line],
        line: Callable[[Cells | None], Line],
    ) -> Line:
        if cells is None:
            return line(None)
        key = tuple(cells)
        made = before.get(key)
        made = self._set[key] = line(cells) if made is None else made
        return made


class Pane(Protocol):
    """A list as a value: its rows, its columns, what it says when it is empty."""

    scope: Scope
    number: int
    title: str
    listing: Listing
    bodies: Bodies
    filter: str
    """What was typed; "" shows all."""
    faults: bool
    """Faults only."""

    @property
    def over(self) -> bool:
        """Whether what is pinned is gone, not only hidden by a filter."""

    @property
    def columns(self) -> Sequence[Column]:
        """Its columns, left to right."""

    @property
    def crumbs(self) -> list[str]:
        """What the title tells of filter and order."""

    @property
    def ordering(self) -> Ordering[Any]:
        """By which column it is sorted."""

    def named(self, name: str) -> object:
        """The item of a name, where it is here; else `None`."""

    def columns_at(self, width: int) -> Sequence[Column]:
        """Its columns with the ranks that a pane of this width gives them."""

    def note(self, width: int, look: Look) -> str:
        """The count in the title."""

    def row(self, index: int) -> object | None:
        """What stands on a line; `None` when it is not here yet."""

    def cells(self, index: int, look: Look) -> list[Span] | None:
        """The cells of a line; `None` when its row is not here yet."""

    def set_filter(self, text: str, at: Place | None = None) -> None:
        """Show only what matches, the cursor where it was before."""

    def toggle_faults(self) -> None:
        """Faults only, or all."""

    def sort(self) -> None:
        """Take up another order."""

    def step_back(self) -> bool:
        """Take one filter away; false when there was none."""


def page_lines(width: int, height: int) -> int:
    """Rows that fit in a pane of this size."""
    return max(1, height - 2 - (1 if width >= HEADED and height > 4 else 0))


def title_at(pane: Pane, width: int, x: int) -> str | None:
    """The title of the column in a cell of the line of names; `None` between two."""
    left = 2  # Frame and gutter.
    for at, size in choose(pane.columns_at(width), width - 3):
        if left <= x < left + size:
            return pane.columns[at].title
        left += size + 1
    return None


def draw(
    pane: Pane,
    look: Look,
    width: int,
    height: int,
    focused: bool,
    empty: Callable[[], Sequence[str]],
    marks: Collection[str] = (),
    origin: int | None = None,
) -> list[Line]:
    """The pane in its frame. `empty` says why there is nothing, when there is nothing; `origin` is the number
    of the pane that a step back leads to."""
    listing = pane.listing
    listing.resize(page_lines(width, height))
    inner = width - 2
    lines: list[Line] = []
    shown = choose(pane.columns_at(width), inner - 1)
    if width >= HEADED and height > 4:
        widths = dict(shown)
        titles = [(_headed(pane, at, widths.get(at, 0), look), "head") for at in range(len(pane.columns))]
        lines.append(crop(((" ", "head"), *row(titles, pane.columns, shown)), inner))
    if listing.rows.total == 0:
        words = [line for text in empty() for line in wrapped(text, inner - 1, "dim", lead=" ")]
        room = height - 2 - len(lines)
        lines += words[:room]
        if 0 < room < len(words):
            text = "".join(part for part, _ in words[room - 1])
            lines[-1] = ((fit(f"{text} {look.signs.more}", inner, look.signs.more), "dim"),)
    else:
        lines += _rows(pane, look, shown, inner, focused, marks)
    note = pane.note(width, look)
    if look.old:  # Where room is short, how old a count is matters more than the count.
        note = f"{note}, {look.old}" if width >= HEADED else look.old
    thumb = scroll_thumb(listing.top, listing.page, listing.rows.total)
    offset = height - 2 - listing.page
    return framed(
        lines, width, height, look.signs,
        title=_title(pane, look, focused, len(marks), width, note, origin), note=note, focused=focused,
        thumb=range(thumb.start + offset, thumb.stop + offset) if thumb else thumb,
    )  # fmt: skip


def _headed(pane: Pane, at: int, width: int, look: Look) -> str:
    """A column's title; the one that leads the order has a mark."""
    title = pane.columns[at].title
    if not title or title != pane.ordering.column:
        return title
    sign = look.signs.upwards if pane.ordering.reversed else look.signs.sorted
    return title[: max(0, width - 1)] + sign


def _rows(
    pane: Pane,
    look: Look,
    shown: list[tuple[int, int]],
    inner: int,
    focused: bool,
    marks: Collection[str],
) -> list[Line]:
    listing = pane.listing
    lines: list[Line] = []
    places = range(listing.top, min(listing.top + listing.page, listing.rows.total))
    rows = [pane.row(index) for index in places]

    def cells() -> Sequence[Cells | None]:
        return told_apart([pane.cells(index, look) for index in places], pane.columns, shown)

    def line_of(cells: Cells | None) -> Line:
        line = ((" …", "dim"),) if cells is None else row(cells, pane.columns, shown)
        return crop(line, inner - 1, look.signs.more)

    for index, body in zip(places, pane.bodies.of(rows, look, shown, inner, cells, line_of), strict=True):
        at_cursor = index == listing.cursor
        gutter = (look.signs.cursor if at_cursor else " ", "accent" if at_cursor else "")
        if marks and listing.rows.key_at(index) in marks:
            gutter = (look.signs.mark, "warn")
        line = (gutter, *body)
        lines.append(marked(line, "cursor") if at_cursor and focused else line)
    return lines


def marked(line: Line, token: str) -> Line:
    """A line with one more token on all of it."""
    return tuple((text, f"{own} {token}".strip()) for text, own in line)


def _title(
    pane: Pane, look: Look, focused: bool, marks: int, width: int, note: str, origin: int | None
) -> Line:
    """Which list it is and where it was opened, its filters, and its order where no column's name tells."""
    trail = f"{origin} {look.signs.into} " if origin is not None else ""
    head: list[Span] = [
        (f"{trail}{pane.number} ", "dim"),
        (pane.title, "accent title" if focused else "title"),
    ]
    order = pane.ordering
    more: list[Span] = [(f" {look.signs.mark}{marks:,}", "warn")] if marks else []
    crumbs = pane.crumbs if order.usual else pane.crumbs[:-1]
    more += [(f" {look.signs.into} {crumb}", "accent") for crumb in crumbs]
    seen = [pane.columns[at].title for at, _ in choose(pane.columns_at(width), width - 3)]
    room = width - 6 - (width_of(note) + 2 if note else 0)
    number: Span = (str(pane.number), "dim")  # It tells which list it is, where its name has no room.
    sign = look.signs.upwards if order.reversed else look.signs.sorted
    named, signed = (f" {sign}{order.name}", "accent"), (f" {sign}", "accent")
    last = more if len(crumbs) < 2 else [*more[: -len(crumbs)], (f" {look.signs.more}", "accent"), more[-1]]
    # What goes first: the order's name, then that of the list, the order, and all filters but the last.
    ways: list[Line] = [(*head, *more), (number, *more), (number, *last)]
    if not (width >= HEADED and order.column in seen) and not order.usual:
        ways[:1] = [(*head, named, *more), (number, named, *more), (number, signed, *more)]
    elif focused and not (width >= HEADED and order.column in seen):
        ways[:0] = [(*head, named, *more), (*head, signed, *more)]
    return next((way for way in ways if length(way) <= room), ways[-1])
