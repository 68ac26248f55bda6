"""Lines: tuples of (text, token) spans. Two equal lines paint the same, so they are compared as values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from rich.cells import cell_len, set_cell_size

from lazycelery.tui.presentation.names import SHORTEST, apart, shortened, squeezed
from lazycelery.tui.presentation.names import width_of as width_of

Span = tuple[str, str]
"""A text and the token that colours it: ok, run, wait, warn, fail, dim, accent, badge, title, or ""."""
Line = tuple[Span, ...]

BLANK: Line = ()


class Column(NamedTuple):
    """A column of a list. Widths are declared, so no row is ever measured."""

    title: str
    width: int
    """Cells, at least."""
    grow: int = 0
    """Its share of the cells that are left over."""
    rank: int = 0
    """The highest rank is dropped first when it gets narrow; 0 always stays."""
    right: bool = False
    """Aligned to the right."""
    cut: Literal["end", "name", "sentence"] = "end"
    """Where a text that does not fit is cut: a name in its middle, a sentence in its long names first."""


MINOR = 3
"""From this rank on a column is not worth squeezing the others."""


def fit(text: str, width: int, more: str = "…") -> str:
    """A text in exactly `width` cells; `more` at its end says that it was cut."""
    if text.isascii():
        length = len(text)
        if length <= width:
            return text + " " * (width - length)
        return text[: max(0, width - 1)] + more if width > 0 else ""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + more if width > 0 else ""


def right(text: str, width: int) -> str:
    """A text in `width` cells, aligned to the right."""
    return " " * (width - width_of(text)) + text if width_of(text) <= width else fit(text, width)


def length(line: Line) -> int:
    """Cells that a line takes."""
    return sum(width_of(text) for text, _ in line)


def narrowed(line: Line, width: int) -> Line:
    """A line whose longest spans lose their middle until it fits."""
    spans = list(line)
    while (over := length(tuple(spans)) - width) > 0 and spans:
        at = max(range(len(spans)), key=lambda place: width_of(spans[place][0]))
        size = width_of(spans[at][0])
        if size <= SHORTEST:
            break
        spans[at] = (squeezed(spans[at][0], max(SHORTEST, size - over)), spans[at][1])
    return tuple(spans)


def crop(line: Line, width: int, more: str = "…") -> Line:
    """A line in exactly `width` cells."""
    spans: list[Span] = []
    left = width
    for text, token in line:
        size = width_of(text)
        if size > left:
            spans.append((fit(text, left, more), token))
            return tuple(spans)
        spans.append((text, token))
        left -= size
    if left:
        spans.append((" " * left, ""))
    return tuple(spans)


def choose(columns: Sequence[Column], width: int) -> list[tuple[int, int]]:
    """The columns that fit, as (position, width), one blank between them."""
    return list(_chosen(tuple(columns), width))


@lru_cache(maxsize=200)
def _chosen(columns: tuple[Column, ...], width: int) -> Sequence[tuple[int, int]]:
    fitting = list(enumerate(columns))

    def spare() -> int:
        return width + 1 - sum(column.width + 1 for _, column in fitting)

    while any(column.rank for _, column in fitting):
        worst = max(fitting, key=lambda pair: pair[1].rank)
        # A column of little weight stays only where the others can breathe.
        room = sum(2 * column.grow for _, column in fitting) if worst[1].rank >= MINOR else 0
        if spare() >= room:
            break
        fitting.remove(worst)
    left, shares = max(0, spare()), sum(column.grow for _, column in fitting)
    shown = []
    for at, column in fitting:
        more = left * column.grow // shares if shares else 0
        left, shares = left - more, shares - column.grow
        shown.append((at, column.width + more))
    return shown


def row(cells: Sequence[Span], columns: Sequence[Column], shown: Sequence[tuple[int, int]]) -> Line:
    """The cells of a row, set in its columns, one span per run of a token."""
    spans: list[Span] = []
    for place, (at, width) in enumerate(shown):
        text, token = cells[at]
        if columns[at].cut == "name":
            text = squeezed(text, width)
        elif columns[at].cut == "sentence":
            text = shortened(text, width)
        text = right(text, width) if columns[at].right else fit(text, width)
        if place:
            spans.append((" ", spans[-1][1] if spans[-1][1] == token else ""))
        spans.append((text, token))
    return merge(spans)


def told_apart(
    rows: Sequence[list[Span] | None], columns: Sequence[Column], shown: Sequence[tuple[int, int]]
) -> list[list[Span] | None]:
    """The cells of rows that stand below one another, their names cut so that they stay different."""
    for at, width in shown:
        if columns[at].cut != "name":
            continue
        here = [cells for cells in rows if cells is not None]
        for cells, text in zip(here, apart([cells[at][0] for cells in here], width), strict=True):
            cells[at] = (text, cells[at][1])
    return list(rows)


def merge(spans: Iterable[Span]) -> Line:
    """Neighbours that look alike become one span: each run of a style costs bytes on the wire."""
    merged: list[Span] = []
    for text, token in spans:
        if not text:
            continue
        last = merged[-1][1] if merged else None
        if last is not None and (last == token or (text.isspace() and _ground(last) == _ground(token))):
            merged[-1] = (merged[-1][0] + text, last)
        else:
            merged.append((text, token))
    return tuple(merged)


def _ground(token: str) -> list[str]:
    """The parts of a token that colour even a blank."""
    return [part for part in token.split() if part in ("badge", "alarm", "cursor", "caret")]


def spread(left: Line, right_side: Line, width: int) -> Line:
    """Two ends of one line; the right one gives way when there is no room."""
    room = width - length(left) - length(right_side)
    if room < 1:
        return crop(left, width)
    return merge([*left, (" " * room, ""), *right_side])
