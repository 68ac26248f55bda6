"""A box of lines: title in its upper edge, a scroll mark in its right one."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.tui.presentation.line import BLANK, Line, crop, length, merge, narrowed, width_of
from lazycelery.tui.presentation.signs import Signs


def framed(
    inner: Sequence[Line],
    width: int,
    height: int,
    signs: Signs,
    *,
    title: Line,
    note: str = "",
    focused: bool = False,
    thumb: range = range(0),
) -> list[Line]:
    """Lines in a box of `width` by `height`. One line of height is the title alone."""
    edge = "accent" if focused else "dim"
    top = _edge(title, note, width, signs, edge)
    if height < 3:
        return [top, *[BLANK] * (height - 1)][:height]
    lines = [top]
    for y in range(height - 2):
        line = inner[y] if y < len(inner) else BLANK
        bar = (signs.thumb, "accent") if y in thumb else (signs.upright, edge)
        lines.append(((signs.upright, edge), *crop(line, width - 2), bar))
    low = signs.corners[2] + signs.across * (width - 2) + signs.corners[3]
    return [*lines, ((low, edge),)]


def _edge(title: Line, note: str, width: int, signs: Signs, token: str) -> Line:
    room = width - 6 - (width_of(note) + 2 if note else 0)
    if not title:
        return ((signs.corners[0] + signs.across * (width - 2) + signs.corners[1], token),)
    head = _head(title, max(1, room), signs)
    filler = width - 5 - length(head) - (width_of(note) + 3 if note else 0)
    tail = [(f" {note} ", token), (signs.across, token)] if note else []
    spans = [
        (signs.corners[0] + signs.across + " ", token),
        *head,
        (" " + signs.across * max(0, filler), token),
        *tail,
        (signs.corners[1], token),
    ]
    return merge(spans)


def _head(title: Line, room: int, signs: Signs) -> Line:
    title = narrowed(title, room)
    return crop(title, min(length(title), room), signs.more)


def scroll_thumb(top: int, page: int, total: int) -> range:
    """The lines of the scroll mark, empty when all is in view."""
    if total <= page or page < 1:
        return range(0)
    size = max(1, page * page // total)
    start = (page - size) * top // (total - page)
    return range(start, start + size)
