"""Plain aligned columns that know the terminal's width and the width of wide characters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import click

from lazycelery.model.text import CUT, clean

GAP = "  "
LONGEST = 2_000
"""Characters of a cell that are looked at, on a terminal of any width."""

STYLES: dict[str, dict[str, Any]] = {
    "good": {"fg": "green"},
    "run": {"fg": "cyan"},
    "warn": {"fg": "yellow"},
    "bad": {"fg": "red"},
    "dim": {"dim": True},
}


class Cell(NamedTuple):
    """A text that is coloured: colour only repeats what the text says."""

    text: str
    style: str


class Column(NamedTuple):
    """A heading; `right` for numbers; `flexible` may shrink to `least` when the room is short; an
    `optional` one is left out when all its cells are empty, a `spare` one (the highest first) when the room
    is too short even so."""

    title: str
    right: bool = False
    flexible: bool = False
    least: int = 8
    optional: bool = False
    spare: int = 0


def render(
    columns: Sequence[Column], rows: Iterable[Sequence[Any]], width: int | None, color: bool
) -> list[str]:
    """Lines of a table, heading first. Cut cells end with `…`, and so does the heading where columns are left
    out; `width` `None` cuts nothing."""
    columns, cells = _without_empty(columns, [[_cell(value) for value in row] for row in rows])
    widths = [max((cell_len(row[at].text) for row in cells), default=0) for at in range(len(columns))]
    kept = _kept(columns, widths, width)
    if len(kept) < len(columns):
        cells = [[row[index] for index in kept] for row in cells]
        columns, widths = _marked([columns[index] for index in kept]), [widths[index] for index in kept]
    widths = _shrunk(columns, _headed(columns, widths), width)
    heading = [Cell(column.title, "dim") for column in columns]
    return [_line(row, columns, widths, color) for row in [heading, *cells]]


def cell_len(text: str) -> int:
    """Columns a text takes; wide characters take two."""
    if text.isascii():
        return len(text)
    from rich import cells

    return cells.cell_len(text)


def _without_empty(
    columns: Sequence[Column], rows: list[list[Cell]]
) -> tuple[list[Column], list[list[Cell]]]:
    kept = [i for i, column in enumerate(columns) if not column.optional or any(row[i].text for row in rows)]
    return [columns[i] for i in kept], [[row[i] for i in kept] for row in rows]


def _cell(value: Any) -> Cell:
    if isinstance(value, Cell):
        return Cell(clean(value.text, LONGEST), value.style)
    return Cell("-" if value is None else clean(str(value), LONGEST), "")


def _kept(columns: Sequence[Column], widths: Sequence[int], width: int | None) -> list[int]:
    """Which columns are shown."""
    kept = list(range(len(columns)))
    while width is not None and (spare := [index for index in kept if columns[index].spare]):
        some = [columns[index] for index in kept]
        some = some if len(kept) == len(columns) else _marked(some)
        least = _shrunk(some, _headed(some, [widths[index] for index in kept]), width)
        if sum(least) + len(GAP) * (len(kept) - 1) <= width:
            break
        kept.remove(max(spare, key=lambda index: columns[index].spare))
    return kept


def _marked(columns: list[Column]) -> list[Column]:
    """The last heading tells that some are left out."""
    return [*columns[:-1], columns[-1]._replace(title=f"{columns[-1].title} {CUT}")]


def _headed(columns: Sequence[Column], widths: Sequence[int]) -> list[int]:
    return [max(cell_len(column.title), width) for column, width in zip(columns, widths, strict=True)]


def _shrunk(columns: Sequence[Column], widths: list[int], width: int | None) -> list[int]:
    """Take from the widest flexible column until the line fits, or none can give more."""
    if width is None:
        return widths
    found = list(widths)
    room = width - len(GAP) * (len(columns) - 1)
    while sum(found) > room:
        able = [i for i, column in enumerate(columns) if column.flexible and found[i] > column.least]
        if not able:
            break
        widest = max(able, key=lambda i: found[i])
        found[widest] -= 1
    return found


def _line(row: Sequence[Cell], columns: Sequence[Column], widths: Sequence[int], color: bool) -> str:
    parts = []
    for cell, column, room in zip(row, columns, widths, strict=True):
        text = fit(cell.text, room)
        pad = " " * (room - cell_len(text))
        shown = click.style(text, **STYLES[cell.style]) if color and cell.style else text
        parts.append(pad + shown if column.right else shown + pad)
    return GAP.join(parts).rstrip()


def fit(text: str, room: int) -> str:
    """At most `room` cells; a cut text ends with `…`."""
    if cell_len(text) <= room:
        return text
    if room <= 0:
        return ""
    from rich.cells import set_cell_size

    return set_cell_size(text, room - 1).rstrip() + CUT
