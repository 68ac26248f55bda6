"""What was seen before this engine began: out of the files into the store, newest first, in slices."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from lazycelery.model.history import HistoryStatus
from lazycelery.model.states import State
from lazycelery.store.history.files import Files
from lazycelery.store.history.placing import Chunk, Coding, chunk_of, place
from lazycelery.store.history.reader import File, Unreadable, opened
from lazycelery.store.history.writer import Numbers
from lazycelery.store.store import Store

logger = logging.getLogger(__name__)

AT_ONCE = 400
"""Tasks placed in one go: a few milliseconds."""
FIRST = 20_000
AT_MOST = 2.0
"""Seconds that the monitor's start waits for the disk."""
SLOW = "The history's disk did not answer in time: what was seen before is not shown"
SLOW_HINT = "history_dir in the profile chooses another place, history = false does without."
FAILED = f"state = {int(State.FAILURE)}"
STILL = 60.0
"""Seconds of absence after which what had not ended is not believed any more."""


class Past:
    """Loads what is in the files. `survey` must have ended before anything else is put into the store."""

    def __init__(
        self,
        store: Store,
        files: Files,
        status: HistoryStatus,
        clock: Callable[[], float],
        changed: Callable[[], None],
        numbers: Numbers | None = None,
    ) -> None:
        self._store, self._files, self._status, self._clock = store, files, status, clock
        self._changed, self._numbers = changed, numbers
        self._paths: list[Path] = []
        self._rows = 0
        """Row numbers below this one are for tasks of the history."""
        self._still = False
        self.unread: list[str] = []
        self.first = asyncio.Event()
        """The newest tasks are there."""
        self.done = asyncio.Event()

    async def survey(self) -> None:
        """See what there is, and keep row numbers for it, so that what comes now is newer than all of it.
        A disk that does not answer in time is done without."""
        try:
            self._paths, total, last = await asyncio.wait_for(asyncio.to_thread(self._look), AT_MOST)
        except asyncio.TimeoutError:
            self._status.reason, self._status.hint = SLOW, SLOW_HINT
            return
        columns = self._store.columns
        self._rows = columns.rows + total + 1
        columns.rows += total
        self._status.recorded = total
        if last is not None:
            now = self._clock()
            self._still = 0 <= now - last < STILL
            self._store.gap(last, now)

    def _look(self) -> tuple[list[Path], int, float | None]:
        """All files, the tasks in them, and when the last one was written to."""
        paths = self._files.all()
        total, last = 0, None
        for file in opened(paths, self.unread):
            try:
                if last is None:
                    last = file.last_seen()
                    self._status.interrupted = file.interrupted()
                total += file.count()
            except Unreadable as problem:
                self.unread.append(str(problem))
        return paths, total, last

    async def load(self, limit: int) -> None:
        """Put at most so many tasks into the store. May be cancelled between two slices."""
        self._status.loading = bool(self._paths)
        try:
            await self._load(limit)
        finally:
            self._status.loading = False
            self.first.set()
            self.done.set()
            self._changed()

    async def load_failures(self, limit: int) -> None:
        """All tasks that failed, also those that are older than what was loaded; at most so many."""
        if not self._paths:
            return
        with suppress(Exception):  # Whatever is in the files, the rest is shown.
            await self._load(self._status.loaded + limit, FAILED)

    async def _load(self, limit: int, where: str = "") -> None:
        unread: list[str] = []
        for file in opened(self._paths, unread):
            coding, before = Coding(file.words), file.last + 1
            while self._status.loaded < limit:
                try:
                    chunk = await _to_its_end(file, before, where)
                    if chunk is None:
                        break
                    before = chunk.numbers[0]
                    if not self._place(file, chunk, coding):
                        return
                except Unreadable as problem:
                    self.unread.append(str(problem))
                    break
                except Exception as fault:  # Whatever is in the file, the monitor goes on without it.
                    logger.exception("history: %s", file.path.name)
                    self.unread.append(f"{file.path.name}: {type(fault).__name__}")
                    break
                await asyncio.sleep(0)

    def _place(self, file: File, chunk: Chunk, coding: Coding) -> bool:
        """Whether there is room for more."""
        columns = self._store.columns
        placed = place(columns, chunk, coding, self._rows, self._still)
        self._rows -= placed.fresh
        if self._numbers is not None and file.path == self._paths[-1]:
            self._numbers.begin_with(
                file.path.name, placed.slots, placed.numbers, columns.vector("row")[placed.slots]
            )
        if placed.fresh:
            self._status.loaded += placed.fresh
            self._status.since = float(chunk.floats["first"][0])
            if self._status.loaded >= FIRST:
                self.first.set()
            self._changed()
        return len(columns) < columns.max_tasks


async def _to_its_end(file: File, before: int, where: str = "") -> Chunk | None:
    """Read in a thread; whoever cancels waits for it, as the file is closed then."""
    reading = asyncio.ensure_future(asyncio.to_thread(_read, file, before, where))
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        await asyncio.wait([reading])
        raise


def _read(file: File, before: int, where: str = "") -> Chunk | None:
    rows = file.newest(before, AT_ONCE, where)
    return chunk_of(file.path.name, rows[::-1]) if rows else None
