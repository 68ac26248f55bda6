"""What an hour counts, into the history as it grows: a kill costs the last second of it, or a few where very
many names are busy. What changed is written at a pace that the medium bears, and all of it once a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from lazycelery.engine.recorder import Recorder
from lazycelery.store.columns import Columns
from lazycelery.store.history import figures
from lazycelery.store.history.storage import Hour
from lazycelery.store.rings import Kept, after
from lazycelery.store.statistics import Figures

WHOLE_EVERY = 60
"""Seconds."""
AT_ONCE = 100
BEHIND = 1_000
"""Notes that wait: more would only let others go."""


class FigureNotes:
    """Of one engine that records. `pace`: names, workers and queues that are written a second."""

    def __init__(self, counted: Figures, columns: Columns, recorder: Recorder, pace: int) -> None:
        self._counted, self._columns, self._recorder, self._pace = counted, columns, recorder, pace
        self._task: asyncio.Task[None] | None = None
        self._seconds = 0
        self._rest = 0
        """Seconds until what changed may be written again."""
        self._last: Kept | None = None
        """The last second that is written."""
        self._hour = 0.0
        """When the hour began that was written."""
        self._along = False
        """Another one recorded a second ago."""
        self._theirs: Kept | None = None
        """The last step that was another one's to write."""

    def second(self) -> None:
        """A second is over."""
        if self._reads_along():
            return
        self._seconds += 1
        self._rest -= 1
        whole = self._seconds % WHOLE_EVERY == 0
        if self._task is not None and not self._task.done():
            return
        if whole or (self._rest <= 0 and self._recorder.backlog.notes.count < BEHIND):
            self._task = asyncio.create_task(self.keep(whole), name="history-figures")

    async def close(self) -> None:
        """Write what is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if not self._reads_along():
            await self.keep(True)

    def _reads_along(self) -> bool:
        """Another one records. What is counted until we take over is that one's to write, all of it."""
        before, self._along = self._along, self._recorder.along
        if before and not self._along:
            self._counted.apart()
            steps = self._counted.hourly.steps
            self._theirs = steps[-1] if steps else None
        return self._along

    async def keep(self, whole: bool) -> None:
        """Note all of it, or what changed since."""
        counted = self._counted
        whole = whole or counted.hourly.at != self._hour  # What ended with the hour is written too.
        hours = min(2, len(after(counted.hourly.steps, self._theirs)))
        cells = counted.hours(hours) if whole else counted.lately(self._last)
        seconds, self._hour = counted.seconds.steps, counted.hourly.at
        self._last = seconds[-1] if seconds else None
        told = figures.told(self._columns, cells, self._recorder.redactor)
        written = await self._note(told)
        if written or whole:
            written += await self._note(figures.watched(counted.hours_seen(hours if whole else 0)))
        self._rest = written // self._pace

    async def _note(self, told: Iterable[Hour]) -> int:
        number = 0
        for number, hour in enumerate(told, 1):
            self._recorder.note(hour)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        return number
