"""On which line of a TOML text a key stands, so that an error can point at it.

A scanner, not a parser: it follows table headers, dotted and quoted keys, and steps over strings and
nested brackets. Keys inside an inline table are found at the line of the table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

KeyPath = tuple[str, ...]

_PART = r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'"""
_KEY = rf"(?:{_PART})(?:[ \t]*\.[ \t]*(?:{_PART}))*"
_HEADER = re.compile(rf"[ \t]*\[\[?[ \t]*({_KEY})[ \t]*\]\]?")
_ASSIGNMENT = re.compile(rf"[ \t]*({_KEY})[ \t]*=[ \t]*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}(?!")|'
    r"'''.*?'{3,5}(?!')|"
    r'"(?:[^"\\\n]|\\.)*"|'
    r"'[^'\n]*'",
    re.DOTALL,
)


def line_of(text: str, path: KeyPath) -> int | None:
    """Line (from 1) of the key, else of the nearest table around it, else `None`."""
    found = {key: line for key, line in reversed(list(_keys(text)))}
    for length in range(len(path), 0, -1):
        if path[:length] in found:
            return found[path[:length]]
    return None


def _keys(text: str) -> Iterator[tuple[KeyPath, int]]:
    table: KeyPath = ()
    at = 0
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        if header := _HEADER.match(text, at):
            table = _parts(header[1])
            yield from _with_parents(table, 0, line)
            at = _end_of_line(text, header.end())
        elif assignment := _ASSIGNMENT.match(text, at):
            yield from _with_parents(table + _parts(assignment[1]), len(table), line)
            at = _end_of_value(text, assignment.end())
        else:
            at = _end_of_line(text, at)


def _with_parents(path: KeyPath, known: int, line: int) -> Iterator[tuple[KeyPath, int]]:
    for length in range(known + 1, len(path) + 1):
        yield path[:length], line


def _parts(key: str) -> KeyPath:
    return tuple(part.strip("\"'") for part in re.findall(_PART, key))


def _end_of_line(text: str, at: int) -> int:
    newline = text.find("\n", at)
    return len(text) if newline < 0 else newline + 1


def _end_of_value(text: str, at: int) -> int:
    """The start of the line after a value; values may span lines in strings and brackets."""
    depth = 0
    while at < len(text):
        character = text[at]
        if character in "\"'" and (string := _STRING.match(text, at)):
            at = string.end()
            continue
        if character == "#":
            at = _end_of_line(text, at) - 1
            character = "\n"
        depth += (character in "[{") - (character in "]}")
        at += 1
        if character == "\n" and depth <= 0:
            break
    return at
