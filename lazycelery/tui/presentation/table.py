"""Rows under the names of their columns, as full views show them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from lazycelery.tui.presentation.line import Column, Line, Span, choose, crop, row
from lazycelery.tui.presentation.look import Look

HEAD = 2
"""Lines of a view above its first row: the frame, and the names of the columns."""

Item = TypeVar("Item")


def table(
    items: Sequence[Item],
    columns: Sequence[Column],
    cells: Callable[[Item, Look], list[Span]],
    place: int,
    top: int,
    page: int,
    look: Look,
    width: int,
    marked: Callable[[Item], bool] = lambda _: False,
) -> list[Line]:
    """The rows from `top` on, at most `page`, the cursor on `place`; before them the columns' names."""
    shown = choose(columns, width - 1)
    lines: list[Line] = [((" ", "head"), *row([(one.title, "head") for one in columns], columns, shown))]
    for at, item in enumerate(items[top : top + page], top):
        here = at == place
        gutter = (look.signs.cursor if here else " ", "accent")
        if marked(item):
            gutter = (look.signs.mark, "warn")
        line = crop((gutter, *row(cells(item, look), columns, shown)), width, look.signs.more)
        lines.append(tuple((text, f"{token} cursor".strip()) for text, token in line) if here else line)
    return lines


def row_at(line: int, top: int, page: int, total: int) -> int | None:
    """Which row is drawn on a line of such a view, if any."""
    index = top + line - HEAD
    return index if 0 <= line - HEAD < page and index < total else None
