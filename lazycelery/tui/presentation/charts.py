"""Numbers over time as bars, one or several lines tall."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.tui.presentation.signs import Signs


def squeezed(values: Sequence[float | None], width: int) -> list[float | None]:
    """At most `width` values; each is the highest of those it stands for, `None` where none was known."""
    if len(values) <= width:
        return list(values)
    made: list[float | None] = []
    for at in range(width):
        part = values[at * len(values) // width : (at + 1) * len(values) // width]
        made.append(max((value for value in part if value is not None), default=None))
    return made


def highest(values: Sequence[float | None]) -> float | None:
    """The largest known value."""
    return max((value for value in values if value is not None), default=None)


def chart(values: Sequence[float | None], width: int, rows: int, signs: Signs) -> list[str]:
    """`rows` lines of `width` cells, highest first, from 0 to the largest value. Unknown stays blank."""
    marks = squeezed(values, width)
    top = highest(marks) or 0.0
    levels = signs.levels
    steps = [_steps(value, top, rows * len(levels)) for value in marks]
    lines = []
    for line in range(rows - 1, -1, -1):
        low = line * len(levels)
        lines.append("".join(_cell(step, low, levels) for step in steps).rjust(width))
    return lines


def _steps(value: float | None, top: float, most: int) -> int:
    """Eighths of a cell: 0 is unknown, 1 the ground."""
    if value is None:
        return 0
    return 1 if top <= 0 else max(1, min(most, round(value / top * most)))


def _cell(step: int, low: int, levels: str) -> str:
    over = step - low
    return " " if over <= 0 else levels[min(over, len(levels)) - 1]
