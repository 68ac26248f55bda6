"""Long things as lines, made when they come into view: ten megabytes must not cause a pause."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import overload

from lazycelery.model.text import CUT, clean
from lazycelery.tui.presentation.line import Line, Span, merge, width_of
from lazycelery.tui.presentation.search import texts, whole_texts
from lazycelery.tui.presentation.tinted import tinted

SIGHT = 4000
"""Characters of a line that can come into view."""


_PATH = re.compile(r"(?<![\w/.~])[~/.]?[^\s:;,'\"]*/[^\s;,'\"]+")
"""A path in a sentence."""


class Text(Sequence[Line]):
    """A text from outside as lines; each is cleaned only when it is looked at. `tint` colours values."""

    def __init__(self, text: str, token: str = "", indent: str = "", tint: bool = False) -> None:
        self.lines = text.split("\n")
        """As they came."""
        self._token = token
        self._indent = indent
        self._tint = tint

    def raw(self) -> Iterator[str]:
        """Each line as it came."""
        return iter(self.lines)

    def whole(self) -> Iterator[str]:
        """Each line harmless, and not cut."""
        return (self._indent + clean(line.rstrip("\r").expandtabs(4)) for line in self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | Sequence[Line]:
        if isinstance(index, slice):
            return [self._line(line) for line in self.lines[index]]
        return self._line(self.lines[index])

    def _line(self, raw: str) -> Line:
        seen = raw[:SIGHT].rstrip("\r").expandtabs(4)
        more = f"… {len(raw) - SIGHT:,} more characters" if len(raw) > SIGHT else ""
        if self._tint:
            return merge([*tinted(clean(seen), self._indent), (more, "warn")])
        return merge([(self._indent + clean(seen), self._token), (more, "warn")])


class Joined(Sequence[Line]):
    """Several bodies, one after the other."""

    def __init__(self, *parts: Sequence[Line]) -> None:
        self._parts = parts

    def raw(self) -> Iterator[str]:
        """Each line of each part."""
        return chain.from_iterable(map(texts, self._parts))

    def whole(self) -> Iterator[str]:
        """The same, harmless and not cut."""
        return chain.from_iterable(map(whole_texts, self._parts))

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


def with_short_paths(text: str, most: int) -> str:
    """Paths of more characters are cut in the middle: their beginning and their file's name tell most."""
    return _PATH.sub(lambda found: _middle(found[0], most), text)


def _middle(path: str, most: int) -> str:
    if len(path) <= most:
        return path
    tail = min(len(path.rpartition("/")[2]) + 1, most - 2)
    return f"{path[: most - 1 - tail]}{CUT}{path[-tail:]}"


def folded(line: Line, width: int) -> list[Line]:
    """A line over as many lines as it needs, cut wherever the edge is."""
    lines: list[Line] = []
    spans: list[Span] = []
    room = width
    for text, token in line:
        while text:
            part = _head(text, room)
            spans.append((part, token))
            text, room = text[len(part) :], room - width_of(part)
            if text or room <= 0:
                lines.append(tuple(spans))
                spans, room = [], width
    return [*lines, tuple(spans)] if spans or not lines else lines


def _head(text: str, room: int) -> str:
    """The characters that fit, at least one."""
    if text.isascii():
        return text[: max(1, room)]
    cells = 0
    for at, char in enumerate(text):
        cells += width_of(char)
        if cells > room and at:
            return text[:at]
    return text
