"""Long things as lines, made when they come into view: ten megabytes must not cause a pause."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import overload

from lazycelery.model.text import clean
from lazycelery.tui.presentation.line import Line, merge

SIGHT = 4000
"""Characters of a line that can come into view."""


class Text(Sequence[Line]):
    """A text from outside as lines; each is cleaned only when it is looked at."""

    def __init__(self, text: str, token: str = "", indent: str = "") -> None:
        self._lines = text.split("\n")
        self._token = token
        self._indent = indent

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | Sequence[Line]:
        if isinstance(index, slice):
            return [self._line(line) for line in self._lines[index]]
        return self._line(self._lines[index])

    def _line(self, raw: str) -> Line:
        seen = raw[:SIGHT].rstrip("\r").expandtabs(4)
        more = f"… {len(raw) - SIGHT:,} more characters" if len(raw) > SIGHT else ""
        return merge([(self._indent + clean(seen), self._token), (more, "warn")])


class Joined(Sequence[Line]):
    """Several bodies, one after the other."""

    def __init__(self, *parts: Sequence[Line]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | Sequence[Line]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        for part in self._parts:
            if index < len(part):
                return part[index]
            index -= len(part)
        raise IndexError(index)


def wrapped(text: str, width: int, token: str = "", lead: str = "", limit: int = 6) -> list[Line]:
    """A sentence over several lines, at most `limit`; the first begins with `lead`."""
    seen = clean(text, limit * max(width, 10))
    pieces = textwrap.wrap(seen, max(10, width - len(lead))) or [""]
    lines: list[Line] = [((lead + pieces[0], token),)]
    lines += [((" " * len(lead) + piece, token),) for piece in pieces[1:limit]]
    if len(pieces) > limit:
        lines[-1] = (*lines[-1], (" …", "warn"))
    return lines
