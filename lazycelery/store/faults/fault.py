"""What one failure is: a pure function of its error and its traceback."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from lazycelery.model.frames import own_frame
from lazycelery.model.text import clean
from lazycelery.store.faults.normal import READ, masked, told

_RAISES = re.compile(r"raise\s+[\w.]+\(.*[\"']")
"""A line of code that raises a message of its own: it tells better what is always the same in it."""
_ZEROS = {ord(digit): "0" for digit in "123456789"}
REMEMBERED = 1024
LONG = 8192
"""Characters of a traceback from which on it is not remembered."""
_NUMBERED = re.compile(r"(\[Errno -?\d+\]|\b\w+\(-?\d{1,5}, ['\"])")
"""Numbers of errors: as Python tells them, and in an exception that is written with its arguments."""
NO_TEXT = "(no error was told)"
MANY = "(many different messages)"


class Fault(NamedTuple):
    """A kind of failure."""

    id: str
    type: str
    message: str
    place: str | None
    code: str | None


class Reader:
    """Reads failures. Most differ from another one by digits alone, and are read once for all of these."""

    def __init__(self, veil: Callable[[str], str] = str) -> None:
        self.veil = veil
        """Takes secrets out; what it did once it must leave alone the second time."""
        self._known: dict[tuple[str, str], Fault] = {}

    def read(self, error: str | None, traceback: str | None) -> Fault:
        """What a failure is."""
        said = _without_digits((error or "")[:READ])
        head = _head(traceback) if traceback else ""
        if len(head) > LONG:
            return self._fault(said, head)
        known = self._known.get((said, head))
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[said, head] = self._fault(said, head)
        return known

    def _fault(self, error: str, traceback: str) -> Fault:
        frame = own_frame(traceback) if traceback else None
        code = clean(self.veil(frame.code), 200) if frame is not None and frame.code else ""
        place = clean(frame.place, 160) if frame is not None else None
        if not error:
            return _named("", NO_TEXT, place, code, code)
        said = told(self.veil(error))
        message = masked(said, _without_digits(code))
        return _named(clean(said.type, 120), message, place, code, code if _RAISES.match(code) else message)


def _without_digits(text: str) -> str:
    """Digits as zeros, but for numbers of errors, which stay."""
    if "[Errno" not in text and ", " not in text:
        return text.translate(_ZEROS)
    parts = _NUMBERED.split(text)
    parts[::2] = [part.translate(_ZEROS) for part in parts[::2]]
    return "".join(parts)


def _head(traceback: str) -> str:
    """A traceback up to the line of code of its last frame: what follows is the error again."""
    last = traceback.rfind('  File "')
    end = traceback.find("\n", last)
    end = traceback.find("\n", end + 1) if last >= 0 and end >= 0 else -1
    return traceback[:end] if end >= 0 else traceback


def coarse(one: Fault) -> Fault:
    """The same by exception and place alone, where somebody makes messages up."""
    return _named(one.type, MANY, one.place, one.code or "", MANY)


def _named(type: str, message: str, place: str | None, code: str, core: str) -> Fault:
    digest = blake2b("\0".join((type, place or "", core)).encode("utf-8", "replace"), digest_size=5)
    return Fault(digest.hexdigest(), type, message, place, code or None)


REST = _named("(many different exceptions)", MANY, None, "", MANY)
"""Failures for whose kind there is no room."""
