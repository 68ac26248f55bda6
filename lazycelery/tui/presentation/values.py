"""Python and JSON values as indented lines, bounded in lines and depth."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from lazycelery.model.text import clean, short_value
from lazycelery.tui.presentation.body import Joined, Text
from lazycelery.tui.presentation.line import Line, merge
from lazycelery.tui.presentation.tinted import tinted

LINES = 5000
DEPTH = 12
PARSED = 1_000_000
"""Characters of a text up to which it is tried as JSON."""
LITERAL = 2000
"""The same for Python."""
OPENING = ("(", "[", "{")
SHORT = 60
"""Characters up to which a container stays on one line."""


def value_body(value: Any, indent: str = "") -> Sequence[Line]:
    """A value as lines. A text is shown as it is; what exceeds the bounds is said."""
    if isinstance(value, str):
        parsed, kind = _parsed(value)
        if parsed is None:
            return Text(value, indent=indent, tint=value[:1] in OPENING)
        return Joined([((f"{indent}a text that holds {kind}:", "dim"),)], value_body(parsed, indent))
    lines: list[Line] = []
    for line in _lines(value, indent, "", "", 0):
        if len(lines) == LINES:
            return Joined(lines, [((f"{indent}… more than {LINES:,} lines", "warn"),)])
        lines.append(line)
    return lines


def _parsed(text: str) -> tuple[Any, str]:
    """The container that a text of JSON or Python writes down, and which it is; `None` for all others.

    Python's are parsed as literals, never evaluated, and only where they are short: longer reprs are cut
    by Celery anyway.
    """
    if len(text) <= SHORT or len(text) > PARSED or text.lstrip()[:1] not in OPENING:
        return None, ""
    try:
        value, kind = msgspec.json.decode(text), "JSON"
    except (msgspec.DecodeError, RecursionError):
        value, kind = _literal(text) if len(text) <= LITERAL else None, "a Python value"
    return (value, kind) if isinstance(value, (dict, list, tuple)) and value else (None, "")


def _literal(text: str) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python tells the terminal of backslashes that it does not know.
            return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


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
    return merge([(indent, ""), (clean(lead), "accent"), *tinted(text), (tail, "")])
