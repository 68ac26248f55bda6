"""The live log: the last events, in arrival order, in a bounded ring."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from itertools import count

import msgspec

from lazycelery.engine.cutting import beginning, cut
from lazycelery.model.cluster import LogLine, LogPage
from lazycelery.model.event import Event, LargeEvent
from lazycelery.model.redaction import Redactor
from lazycelery.model.text import clean
from lazycelery.sources.event_wire import KNOWN

RING = 20_000
"""Events kept for faces that read slowly: ten seconds at 2,000 a second."""


BYTES = 16_000_000
"""Taken by the texts of large events; those of the oldest are cut once more."""
SLICE = 200
"""Events looked at in one go."""
Matching = Callable[[Iterable[str]], set[str]]


class _Wanted:
    """Which tasks a filter wants, as they are when first asked about."""

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        self._asked: set[str] = set()
        self._found: set[str] = set()

    def of(self, ids: set[str]) -> set[str]:
        """All that were found so far, these among them."""
        if fresh := ids - self._asked:
            self._asked |= fresh
            self._found |= self._matching(fresh)
        return self._found


class EventLog:
    """Events under growing sequence numbers; the oldest fall out."""

    def __init__(
        self, redactor: Redactor, name_of: Callable[[str], str | None] = lambda _: None, size: int = RING
    ) -> None:
        self._ring: deque[Event] = deque(maxlen=size)
        self._redactor = redactor
        self._name_of = name_of
        self._large: deque[tuple[int, int]] = deque()
        """Number and bytes of those that were cut, the oldest first."""
        self._bytes = 0
        self.last = 0
        """Sequence number of the newest event; 0 before the first."""

    def add(self, events: Sequence[Event]) -> None:
        """Append events as they arrived. Long texts are cut in a copy."""
        large = LargeEvent in set(map(type, events))
        self._ring.extend(map(self._cut, count(self.last + 1), events) if large else events)
        self.last += len(events)
        if large:
            self._stay_bounded()

    def _cut(self, number: int, event: Event) -> Event:
        if type(event) is not LargeEvent:
            return event
        event, size = cut(event)
        self._large.append((number, size))
        self._bytes += size
        return event

    def _stay_bounded(self) -> None:
        """The oldest large ones keep the beginnings of their texts alone."""
        first = self._first
        while self._large and (self._bytes > BYTES or self._large[0][0] < first):
            number, size = self._large.popleft()
            self._bytes -= size
            if number >= first:
                self._ring[number - first] = beginning(self._ring[number - first])

    def page(
        self, after: int, limit: int, full: bool, matching: Matching | None, reveal: bool
    ) -> Generator[None, None, LogPage]:
        """Events after a sequence number, oldest first; `after` -1 asks for the newest `limit`. In slices of
        a few milliseconds: events may come and fall out in between. `matching` tells which of some tasks are
        wanted; each is asked about once."""
        wanted = _Wanted(matching) if matching is not None else None
        if after < 0:
            return (yield from self._newest(limit, full, wanted, reveal))
        lines: list[LogLine] = []
        last, missed = after, 0
        while last < self.last and len(lines) < limit:
            first = self._first
            if last < first - 1:
                last, missed = first - 1, missed + first - 1 - last
            for number, event in self._some(range(last + 1, min(last + SLICE, self.last) + 1), wanted):
                last = number
                if event is not None:
                    lines.append(self._line(number, event, full, reveal))
                    if len(lines) >= limit:
                        break
                    if full:
                        yield  # Its texts are looked through for secrets.
            if last < self.last and len(lines) < limit:
                yield
        return LogPage(lines=lines, last=last, missed=missed)

    def _newest(
        self, limit: int, full: bool, wanted: _Wanted | None, reveal: bool
    ) -> Generator[None, None, LogPage]:
        lines: list[LogLine] = []
        newest = number = self.last
        while number >= self._first and len(lines) < limit:
            some = range(number, max(number - SLICE, self._first - 1), -1)
            for number, event in self._some(some, wanted):
                if event is not None:
                    lines.append(self._line(number, event, full, reveal))
                    if len(lines) >= limit:
                        break
                    if full:
                        yield  # Its texts are looked through for secrets.
            number -= 1
            if number >= self._first and len(lines) < limit:
                yield
        lines.reverse()
        return LogPage(lines=lines, last=newest, missed=0)

    @property
    def _first(self) -> int:
        """Sequence number of the oldest event that is held."""
        return self.last - len(self._ring) + 1

    def _some(self, numbers: range, wanted: _Wanted | None) -> list[tuple[int, Event | None]]:
        """Events by number; `None` for one that is not wanted."""
        first = self._first
        events = [self._ring[number - first] for number in numbers]
        if wanted is None:
            return list(zip(numbers, events, strict=True))
        ids = wanted.of({event.uuid for event in events if event.uuid})
        return [
            (number, event if event.uuid in ids else None)
            for number, event in zip(numbers, events, strict=True)
        ]

    def _line(self, number: int, event: Event, full: bool, reveal: bool) -> LogLine:
        text = summary(event)
        own: dict[str, object] = {}
        if full:
            built = {key: value for key, value in msgspec.to_builtins(event).items() if value is not None}
            built.pop("extra", None)
            extra = event.extra or {}
            if not reveal:
                extra = self._redactor.value(extra)
                built = {key: self._redactor.value(value) for key, value in built.items()}
            own = {**extra, **built}
        return LogLine(
            seq=number,
            at=event.timestamp,
            received=event.received,
            type=event.type if reveal or event.type in KNOWN else self._redactor.text(event.type),
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
