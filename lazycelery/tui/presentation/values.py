"""Python and JSON values as indented lines, bounded in lines and depth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lazycelery.model.text import clean, short_value
from lazycelery.tui.presentation.body import Joined, Text
from lazycelery.tui.presentation.line import Line

LINES = 5000
DEPTH = 12
SHORT = 60
"""Characters up to which a container stays on one line."""


def value_body(value: Any, indent: str = "") -> Sequence[Line]:
    """A value as lines. A text is shown as it is; what exceeds the bounds is said."""
    if isinstance(value, str):
        return Text(value, indent=indent)
    lines: list[Line] = []
    for line in _lines(value, indent, "", "", 0):
        if len(lines) == LINES:
            return Joined(lines, [((f"{indent}… more than {LINES:,} lines", "warn"),)])
        lines.append(line)
    return lines


def _lines(value: Any, indent: str, lead: str, tail: str, depth: int) -> Iterator[Line]:
    """`lead` stands before the value on its first line (a key), `tail` after its last (a comma)."""
    if isinstance(value, (dict, list, tuple)) and value and depth < DEPTH:
        short = short_value(value, SHORT + 1)
        if len(short) > SHORT:
            yield from _container(value, indent, lead, tail, depth)
            return
        yield _line(indent, lead, short, tail)
        return
    yield _line(indent, lead, short_value(value, 2000), tail)


def _container(value: Any, indent: str, lead: str, tail: str, depth: int) -> Iterator[Line]:
    opening, closing = (
        ("{", "}") if isinstance(value, dict) else ("[", "]") if isinstance(value, list) else ("(", ")")
    )
    yield _line(indent, lead, opening, "")
    inner = indent + "  "
    for item in value:
        if isinstance(value, dict):
            key = f"{short_value(item, 200)}: "
            yield from _lines(value[item], inner, key, ",", depth + 1)
        else:
            yield from _lines(item, inner, "", ",", depth + 1)
    yield _line(indent, "", closing, tail)


def _line(indent: str, lead: str, text: str, tail: str) -> Line:
    return tuple(span for span in ((indent, ""), (clean(lead), "accent"), (text + tail, "")) if span[0])
