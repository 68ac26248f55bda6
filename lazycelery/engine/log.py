"""The live log: the last events, in arrival order, in a bounded ring."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

import msgspec

from lazycelery.model.cluster import LogLine, LogPage
from lazycelery.model.event import Event
from lazycelery.model.redaction import Redactor
from lazycelery.model.text import clean

RING = 20_000
"""Events kept for faces that read slowly: ten seconds at 2,000 a second."""


class EventLog:
    """Events under growing sequence numbers; the oldest fall out."""

    def __init__(
        self, redactor: Redactor, name_of: Callable[[str], str | None] = lambda _: None, size: int = RING
    ) -> None:
        self._ring: deque[Event] = deque(maxlen=size)
        self._redactor = redactor
        self._name_of = name_of
        self.last = 0
        """Sequence number of the newest event; 0 before the first."""

    def add(self, events: Sequence[Event]) -> None:
        """Append events as they arrived."""
        self._ring.extend(events)
        self.last += len(events)

    def ids(self, after: int) -> set[str]:
        """Tasks that the events after a sequence number speak of."""
        first = self.last - len(self._ring) + 1
        events = islice(self._ring, max(0, after + 1 - first), None)
        return {event.uuid for event in events if event.uuid}

    def page(
        self, after: int, limit: int, full: bool, wanted: Callable[[Event], bool] | None, reveal: bool
    ) -> LogPage:
        """Events after a sequence number, oldest first; `after` -1 asks for the newest `limit`."""
        first = self.last - len(self._ring) + 1
        start = max(after + 1, first)
        missed = max(0, first - 1 - after) if after >= 0 else 0
        lines: list[LogLine] = []
        last = after if after >= 0 else self.last
        numbers = range(self.last, first - 1, -1) if after < 0 else range(start, self.last + 1)
        for number in numbers:
            event = self._ring[number - first]
            if wanted is None or wanted(event):
                lines.append(self._line(number, event, full, reveal))
            if after >= 0:
                last = number
            if len(lines) >= limit:
                break
        if after < 0:
            lines.reverse()
        return LogPage(lines=lines, last=last, missed=missed)

    def _line(self, number: int, event: Event, full: bool, reveal: bool) -> LogLine:
        text = summary(event)
        own: dict[str, object] = {}
        if full:
            built = {key: value for key, value in msgspec.to_builtins(event).items() if value is not None}
            built.pop("extra", None)
            own = {**(event.extra or {}), **built}
            if not reveal:
                own = {
                    key: self._redactor.text(value) if isinstance(value, str) else self._redactor.value(value)
                    for key, value in own.items()
                }
        return LogLine(
            seq=number,
            at=event.timestamp,
            received=event.received,
            type=event.type,
            worker=event.hostname,
            id=event.uuid,
            # Most events name the id alone; the store remembers the rest.
            name=event.name or (self._name_of(event.uuid) if event.uuid else None),
            text=clean(text if reveal else self._redactor.text(text), 300),
            event=own,
        )


def summary(event: Event) -> str:
    """What an event says beyond its type, task and worker, in a few words."""
    if event.exception:
        return event.exception[:400]
    if event.type == "task-succeeded":
        took = f"{event.runtime:.2f}s " if event.runtime is not None else ""
        return f"{took}{(event.result or '')[:400]}".rstrip()
    if event.type in ("task-received", "task-sent"):
        return f"{event.args or ''} {event.kwargs if event.kwargs not in (None, '{}') else ''}"[:400].strip()
    if event.type == "task-revoked":
        reasons = (("terminated", event.terminated), ("expired", event.expired))
        return " ".join(word for word, true in reasons if true)
    if event.type == "worker-heartbeat" and event.active is not None:
        return f"active {event.active}, processed {event.processed}"
    return ""
