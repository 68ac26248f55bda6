"""Frames of a traceback's text: which are the application's own."""

from __future__ import annotations

import re
from typing import NamedTuple

FOREIGN = re.compile(
    r"^(?!.*[/\\]lazycelery[/\\]demo[/\\])(?:<frozen|.*(?:site-packages|dist-packages"
    r"|[/\\](?:celery|kombu|billiard|vine|amqp)[/\\]|[/\\]lib(?:64)?[/\\]python\d|[/\\]Lib[/\\]))"
)
"""Paths of code that is not the application's. The demo is an application that comes installed."""
FRAME = re.compile(r'^\s*File "(?P<path>[^"]*)", line (?P<line>\d+)(?:, in (?P<function>.*))?')
TAIL = 200_000
"""Characters at the end of a traceback in which own frames are looked for."""
_MOST = 200
"""Frames that are looked at."""
_RETRY = re.compile(r"\.retry\(")
_BUILD = re.compile(r"\d{3}|[0-9a-f]{8}")


class Frame(NamedTuple):
    """A frame: where, in what, and the line of code."""

    path: str
    function: str
    code: str

    @property
    def place(self) -> str:
        """`shop/gateway.py in charge`: the same on every host, after every release."""
        parts = re.split(r"[/\\]", self.path)
        # The folder tells apart the many `tasks.py`, unless it is one of a release.
        kept = parts[-2:] if len(parts) > 1 and not _BUILD.search(parts[-2]) else parts[-1:]
        file = "/".join(part for part in kept if part)
        return f"{file} in {self.function}" if self.function and self.function != "<module>" else file


def own_frame(text: str) -> Frame | None:
    """The innermost frame of the application: of what was raised last, and of its cause where that was
    a retry."""
    text = text[-TAIL:]
    found, at = _before(text, len(text))
    if found is None or not _RETRY.search(found.code):
        return found
    # Of a retry the cause is told first: its traceback ends before the one of the retry begins.
    start = text.rfind("Traceback (most recent call last)", 0, at)
    cause = _before(text, start)[0] if start > 0 else None
    return cause or found


def _before(text: str, end: int) -> tuple[Frame | None, int]:
    """The last own frame that begins before a place, and where."""
    for _ in range(_MOST):
        at = text.rfind('  File "', 0, end)
        if at < 0:
            break
        stop = text.find("\n", at)
        line = text[at : stop if stop >= 0 else len(text)]
        frame = FRAME.match(line[:1000])
        if frame is not None and not FOREIGN.search(frame["path"]):
            code = ""
            if stop >= 0:
                code = text[stop + 1 : stop + 1001].partition("\n")[0]
                code = code.strip() if code[:1].isspace() and not FRAME.match(code) else ""
            return Frame(frame["path"], (frame["function"] or "").strip()[:100], code[:300]), at
        end = at
    return None, -1
