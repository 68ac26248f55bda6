"""Finding a text in a long body, and showing where it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Protocol, runtime_checkable

from lazycelery.tui.presentation.line import Line, Span


@runtime_checkable
class Raw(Protocol):
    """A body that knows its text without making lines of it."""

    def raw(self) -> Iterator[str]:
        """Each line's text as it came: not safe for a terminal."""

    def whole(self) -> Iterator[str]:
        """Each line's text, made harmless and not cut."""


def texts(body: Sequence[Line]) -> Iterator[str]:
    """The text of each line, for looking into it."""
    return body.raw() if isinstance(body, Raw) else ("".join(text for text, _ in line) for line in body)


def whole_texts(body: Sequence[Line]) -> Iterator[str]:
    """The text of each line, harmless and whole, for a file."""
    return body.whole() if isinstance(body, Raw) else texts(body)


def hits(body: Sequence[Line], needle: str) -> list[int]:
    """The lines that contain a text, whatever its case."""
    wanted = needle.casefold()
    return [at for at, text in enumerate(texts(body)) if wanted in text.casefold()] if wanted else []


def highlighted(line: Line, needle: str) -> Line:
    """A line with one more token on each place where the text stands."""
    whole = "".join(text for text, _ in line).lower()
    wanted = needle.lower()
    marks: list[int] = []
    at = whole.find(wanted)
    while wanted and at >= 0:
        marks += [at, at + len(wanted)]
        at = whole.find(wanted, at + len(wanted))
    return _split(line, marks) if marks else line


def _split(line: Line, marks: Sequence[int]) -> Line:
    spans: list[Span] = []
    place = 0
    for text, token in line:
        cuts = [0, *(mark - place for mark in marks if 0 < mark - place < len(text)), len(text)]
        for start, end in pairwise(cuts):
            inside = sum(mark <= place + start for mark in marks) % 2 == 1
            spans.append((text[start:end], f"{token} badge".strip() if inside else token))
        place += len(text)
    return tuple(spans)
