"""The one sanitiser: text from the wire, made harmless for a terminal or a page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

CUT = "…"
TAB = 4
MAX_DEPTH = 20

_HARMFUL = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"  # invisible, or turn the direction of writing
    "\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\ud800-\udfff"  # lone surrogates: no terminal can be sent one
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "]"
)
_BREAK = re.compile(r"\r\n|\r|\n")


def clean(text: str, limit: int | None = None) -> str:
    """One harmless line, at most `limit` characters; a cut one ends with `…`.

    Control characters become their pictures (`␛`, `␊`), invisible and direction-turning ones `�`.
    """
    if limit is not None and len(text) > limit:
        text = text[: max(limit - 1, 0)] + CUT if limit > 0 else ""
    if text.isascii() and text.isprintable():
        return text
    return _HARMFUL.sub(_picture, text)


def quoted(field: str, value: str) -> str:
    """A condition of the filter language for exactly this value."""
    if value and all(char.isalnum() or char in "-_.@/:" for char in value):
        return f"{field}:={value}"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{field}:="{escaped}"'


def clean_block(text: str, max_lines: int | None = None) -> list[str]:
    """Harmless lines with tabs expanded. Beyond `max_lines` the last line tells how many are missing."""
    if max_lines is None or max_lines < 1:
        return [_clean_line(line) for line in _BREAK.split(text)]
    lines = _BREAK.split(text, max_lines)
    if len(lines) <= max_lines:
        return [_clean_line(line) for line in lines]
    missing = 2 + sum(1 for _ in _BREAK.finditer(lines[-1]))
    return [*(_clean_line(line) for line in lines[: max_lines - 1]), f"{CUT} {missing} more lines"]


def short_value(value: Any, limit: int) -> str:
    """A JSON value as one line of Python-like text, at most `limit` characters.

    Stops as soon as it has enough, so ten megabytes cost no more than a kilobyte.
    """
    pieces: list[str] = []
    room = limit + 1
    for piece in _pieces(value, room, 0):
        pieces.append(piece)
        room -= len(piece)
        if room <= 0:
            break
    return clean("".join(pieces), limit)


def _clean_line(line: str) -> str:
    return clean(line.expandtabs(TAB) if "\t" in line else line)


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else "�"


def _pieces(value: Any, room: int, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        yield repr(value[:room]) if len(value) <= room else repr(value[:room])[:-1]
    elif value is None or isinstance(value, (bool, float)):
        yield repr(value)
    elif isinstance(value, int):
        # Python refuses to print very long integers
        yield repr(value) if value.bit_length() < 4000 else f"<{value.bit_length()} bit integer>"
    elif isinstance(value, (dict, list, tuple)):
        yield from _container(value, room, depth)
    elif isinstance(value, (bytes, bytearray)):
        yield repr(bytes(value[:room]))
    else:
        yield f"<{type(value).__name__}>"


def _container(value: dict[Any, Any] | list[Any] | tuple[Any, ...], room: int, depth: int) -> Iterator[str]:
    opening, closing = "{}" if isinstance(value, dict) else "()" if isinstance(value, tuple) else "[]"
    if depth >= MAX_DEPTH:
        yield f"{opening}{CUT}{closing}"
        return
    yield opening
    for number, item in enumerate(value):
        if number:
            yield ", "
        yield from _pieces(item, room, depth + 1)
        if isinstance(value, dict):
            yield ": "
            yield from _pieces(value[item], room, depth + 1)
    yield ",)" if isinstance(value, tuple) and len(value) == 1 else closing
