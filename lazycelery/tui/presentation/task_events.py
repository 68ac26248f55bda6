"""The events of one task, with all their fields."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.model.cluster import LogLine, LogPage
from lazycelery.model.text import clean, short_value
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.line import Line
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.signs import of_event
from lazycelery.tui.presentation.workers import short_name

SAID = ("type", "uuid", "hostname", "timestamp", "received", "local_received")
"""Fields that the first line of an event has told."""
LONGEST = 400


def event_lines(page: LogPage, look: Look, width: int) -> Sequence[Line]:
    """Oldest first."""
    if not page.lines:
        return [
            (("No event of it is kept here.", "dim"),),
            (("The engine keeps the newest 20,000 events of all tasks; older ones have left.", "dim"),),
        ]
    return [line for event in page.lines for line in _event(event, look, width)]


def _event(event: LogLine, look: Look, width: int) -> list[Line]:
    sign, token = of_event(event.type, look.signs)
    late = event.received - event.at
    delay = f"  heard {q.duration(late)} later" if late > 0.5 else ""
    lines: list[Line] = [
        (
            (f"{q.clock(event.at, look.utc, millis=True)} ", ""),
            (f"{sign} {clean(event.type, 40)}", token),
            (f" {short_name(event.worker)}", "dim"),
            (delay, "dim"),
        )
    ]
    for name, value in event.event.items():
        if name in SAID:
            continue
        text = clean(value, LONGEST) if isinstance(value, str) else short_value(value, LONGEST)
        lines += wrapped(text, width, "", lead=f"  {clean(name, 24):<12} ", limit=4)
    return [*lines, ()]
