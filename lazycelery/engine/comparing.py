"""Statistics now against an hour, a day and a week ago: from the rings, and from the recorded history."""

from __future__ import annotations

from collections.abc import Callable

from lazycelery.engine.memory import Memory
from lazycelery.engine.slices import in_slices
from lazycelery.model.profile import Profile
from lazycelery.model.statistics import AGO, Compared, Comparison, Kind, Span, StatisticsRow, When
from lazycelery.store.statistics import HOUR, touching
from lazycelery.store.store import Store

LONGEST = HOUR
"""Seconds of a window that can be compared: minutes are kept for two hours."""
SHORTEST = 60.0
WEEK_AND_HOUR = 7.1
"""Days of history in which an hour of a week ago is found at any time of the day."""


class Comparing:
    """Compares for one engine."""

    def __init__(self, profile: Profile, store: Store, memory: Memory, clock: Callable[[], float]) -> None:
        self._profile, self._store, self._memory, self._clock = profile, store, memory, clock

    async def compare(self, kind: Kind, window: float) -> Comparison:
        """All rows of a kind; `window` seconds from a minute to an hour. Days ago are whole hours."""
        await self._memory.figures_read()
        now = self._clock()
        window = min(max(window, SHORTEST), LONGEST)
        found: dict[When, dict[str, StatisticsRow]] = {}
        spans = []
        for when, ago in AGO.items():
            span = Span(when=when, since=now - ago - window, until=now - ago)
            rows = await self._rows(kind, span)
            if not span.seen:
                span.why = self._why(when)
            found[when] = {row.key: row for row in rows}
            spans.append(span)
        figures = self._store.figures
        return Comparison(
            kind=kind,
            window=window,
            spans=spans,
            rows=_joined(kind, spans, found),
            left_out=figures.left_out + figures.rings.left_out,
        )

    async def _rows(self, kind: Kind, span: Span) -> list[StatisticsRow]:
        figures = self._store.figures
        rows = await in_slices(figures.span(kind, span))
        if span.seen or span.when in ("now", "hour"):
            return rows
        hours = touching(await self._memory.hours(span.since, span.until), span.since, span.until)
        return await in_slices(figures.rows(kind, span, hours))

    def _why(self, when: When) -> str:
        if when == "now":
            return "no events were seen yet"
        what = "no history of that hour" if when == "hour" else "no history of that day"
        if not self._profile.history:
            return f"{what}: history = true in the profile keeps it"
        days = self._profile.history_days
        if when == "week" and days < WEEK_AND_HOUR:
            return f"{what}: history_days = {days:g} in the profile; 8 keeps a week and a day"
        if when == "day" and days < 1.1:
            return f"{what}: history_days = {days:g} in the profile"
        return f"{what}: nobody watched then (`lazycelery watch` records without a screen)"


def _joined(kind: Kind, spans: list[Span], found: dict[When, dict[str, StatisticsRow]]) -> list[Compared]:
    known = [span.when for span in spans if span.seen]
    rows = [
        Compared(
            key=key,
            rows={
                span.when: (found[span.when].get(key) or StatisticsRow(kind=kind, key=key, rate=0.0))
                if span.when in known
                else None
                for span in spans
            },
        )
        for key in dict.fromkeys(key for when in known for key in found[when])
    ]

    def busy(row: Compared) -> tuple[int, int]:
        counts = [one.ended if one else 0 for one in row.rows.values()]
        return -counts[0], -max(counts)

    return sorted(rows, key=lambda row: (*busy(row), row.key))
