"""A worker's log, as the profile's command tells it: the newest line first."""

from __future__ import annotations

from lazycelery.model.service import LogText
from lazycelery.model.text import clean
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.line import Line

LONGEST = 2000
LOUD = {"CRITICAL": "fail", "ERROR": "fail", "Traceback": "fail", "WARNING": "warn"}
"""Words that give a line its colour."""


def worker_log(log: LogText | str | None, width: int) -> list[Line]:
    """`log` is what is there, why there is nothing, or `None` while it is awaited."""
    if log is None:
        return [(("Asking for its log …", "dim"),)]
    if isinstance(log, str):
        return wrapped(log, width, "warn")
    older = f", {q.count(log.dropped)} older ones are not shown" if log.dropped else ""
    lines: list[Line] = [((f"newest first{older}: {clean(log.command, 200)}", "dim"),)]
    if log.why:
        lines += wrapped(log.why, width, "warn")
    return [*lines, (), *(_line(text) for text in reversed(log.lines))]


def _line(text: str) -> Line:
    shown = clean(text, LONGEST)
    return ((shown, next((token for word, token in LOUD.items() if word in shown), "")),)
