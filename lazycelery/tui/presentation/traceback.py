"""Tracebacks: the frames of the application first and in full colour, those of libraries dimmed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

from lazycelery.model.frames import FOREIGN, FRAME, TAIL
from lazycelery.model.text import clean
from lazycelery.tui.presentation.body import Joined, Text
from lazycelery.tui.presentation.line import Line

OWN = 8
"""Own frames that are listed before the whole."""


class TracebackText(Sequence[Line]):
    """A traceback as lines; each is cleaned and coloured only when it is looked at."""

    def __init__(self, text: str) -> None:
        self._plain = Text(text.rstrip("\n"))
        self._raw = self._plain.lines

    def raw(self) -> Iterator[str]:
        """Each line as it came."""
        return self._plain.raw()

    def whole(self) -> Iterator[str]:
        """Each line harmless, and not cut."""
        return self._plain.whole()

    def __len__(self) -> int:
        return len(self._raw)

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | Sequence[Line]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        token = self._token(index)
        return tuple((text, own or token) for text, own in self._plain[index])

    def _token(self, index: int) -> str:
        raw = self._raw[index][:1000]
        if not raw[:1].isspace():
            return "dim" if raw.startswith(("Traceback", "During", "The above")) or not raw else "fail"
        for back in range(index, max(-1, index - 4), -1):
            frame = FRAME.match(self._raw[back][:1000])
            if frame is not None:
                return "dim" if FOREIGN.search(frame["path"]) else "accent" if back == index else ""
        return "dim"


def own_frames(text: str) -> list[Line]:
    """The frames of the application, the innermost first; empty when there are none."""
    raw = text[-TAIL:].split("\n")
    found: list[Line] = []
    for at in range(len(raw) - 1, -1, -1):
        frame = FRAME.match(raw[at][:1000])
        if frame is None or FOREIGN.search(frame["path"]):
            continue
        code = raw[at + 1].strip() if at + 1 < len(raw) and raw[at + 1][:1].isspace() else ""
        place = f"{frame['path'].rsplit('/', 1)[-1]}:{frame['line']}"
        found.append(
            (
                (f"  {clean(place, 60):<22} ", "accent"),
                (f"{clean(frame['function'] or '', 60)}  ", "title"),
                (clean(code, 300), ""),
            )
        )
        if len(found) == OWN:
            break
    return found


def traceback_body(text: str) -> Sequence[Line]:
    """Own frames, then the whole."""
    own = own_frames(text)
    head: list[Line] = [(("In your code, innermost first", "head"),), *own, ()] if own else []
    return Joined(head, TracebackText(text))
