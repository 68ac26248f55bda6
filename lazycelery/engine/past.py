"""What was seen before this engine began: out of the history into the store, newest first, in slices."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial
from typing import TypeVar

from lazycelery.model.history import HistoryStatus
from lazycelery.model.states import State
from lazycelery.store.history import let_go
from lazycelery.store.history.later import Later
from lazycelery.store.history.placing import PLACE, Chunk, Coding, chunk_of, place
from lazycelery.store.history.search import row_of
from lazycelery.store.history.storage import Part, Recording, Storage, Unreadable
from lazycelery.store.marks import SOURCES
from lazycelery.store.store import Store

logger = logging.getLogger(__name__)
T = TypeVar("T")

AT_ONCE = 400
"""Tasks placed in one go: a few milliseconds."""
FIRST = 20_000
AT_MOST = 2.0
"""Seconds that the monitor's start waits for the history."""
SLOW = "The history's {medium} did not answer in time: what was seen before is not shown"
NOT_READ = "The history cannot be read: {reason}."
FAILED = f"state = {int(State.FAILURE)}"
FAILURES = 100_000
"""Recorded failures that are read beyond what was loaded."""
STILL = 60.0
"""Seconds of absence after which what had not ended is not believed any more."""


class Past:
    """Loads what is in the history. `survey` must have ended before anything else is put into the store."""

    def __init__(
        self,
        store: Store,
        storage: Storage,
        status: HistoryStatus,
        clock: Callable[[], float],
        changed: Callable[[], None],
        recording: Recording | None = None,
    ) -> None:
        self._store, self._storage, self._status, self._clock = store, storage, status, clock
        self._changed, self._recording = changed, recording
        self._newest = ""
        """The name of the newest part."""
        self._rows = 0
        """Row numbers below this one are for tasks of the history."""
        self._still = math.inf
        """A task of the newest part that was seen last at this moment or later is believed not to have ended:
        by who wrote until just now. Whom the one before it saw, nobody has seen since."""
        self._began: float | None = None
        """When who wrote last began to: asked before our own recorder does."""
        self.first = asyncio.Event()
        """The newest tasks are there."""
        self.done = asyncio.Event()

    async def survey(self) -> None:
        """See what there is, and keep row numbers for it, so that what comes now is newer than all of it.
        What does not answer in time is done without."""
        most = self._store.columns.max_tasks + FAILURES
        try:
            looking = asyncio.to_thread(self._look, most)
            self._newest, total, last = await asyncio.wait_for(looking, AT_MOST)
        except asyncio.TimeoutError:
            medium = self._storage.medium
            self._status.reason, self._status.hint = SLOW.format(medium=medium), self._storage.advice
            return
        if not self._newest and self.unread:  # Nobody knows whether there is anything.
            if self._recording is None:
                self._status.state, self._status.hint = "broken", self._storage.advice
                self._status.reason = NOT_READ.format(reason=self.unread[0])
            return
        columns = self._store.columns
        columns.rows += max(total, most) if self.unread else total  # What could not be counted may be loaded.
        self._rows = columns.rows + 1
        self._status.recorded = total
        if last is not None:
            now = self._clock()
            if 0 <= now - last < STILL and self._began is not None:
                self._still = self._began
            self._store.gap(last, now)

    def _look(self, most: int) -> tuple[str, int, float | None]:
        """The newest part, the tasks in all of them, never fewer than will be loaded, and when the last one
        was written to."""
        newest, total, last = "", 0, None
        unread, counted = list[str](), set[tuple[int, str]]()
        for part in self._storage.opened(unread):
            newest = newest or part.name
            try:
                if last is None:
                    last = part.last_seen(self._clock())
                    self._began = part.began()
                    self._status.interrupted = part.interrupted()
                count, whole = part.count(most - total)
                total += count
                self._status.more_recorded |= not whole
                self._status.not_kept = let_go.told(self._status.not_kept, part, counted)
            except Unreadable as problem:
                unread.append(str(problem))
            if part.damage or part.aside:
                unread.append(part.damage or f"what is on the bad pages of {part.name}, which was put aside")
        self._missed(unread)
        return newest, total, last

    @property
    def unread(self) -> list[str]:
        """What could not be read, and why."""
        return self._status.unread

    def _missed(self, unread: Sequence[str]) -> None:
        """It is told, once each."""
        known = self._status.unread
        self._status.unread = [*known, *(one for one in dict.fromkeys(unread) if one not in known)]

    async def load(self, limit: int) -> None:
        """Put at most so many tasks into the store. May be cancelled between two slices."""
        self._status.loading = bool(self._newest)
        try:
            if self._newest:
                await self._load(limit)
        finally:
            self._status.loading = False
            self.first.set()
            self.done.set()
            self._changed()

    async def load_failures(self) -> None:
        """All tasks that failed, also those that are older than what was loaded; bounded."""
        if not self._newest:
            return
        with suppress(Exception):  # Whatever is in the history, the rest is shown.
            await self._load(self._status.loaded + FAILURES, FAILED)

    async def recall(self, id: str) -> Callable[[], None]:
        """As `Memory.recall`."""
        columns, found = self._store.columns, None
        slot = columns.slots.get(id)
        if slot is None or columns.sources[slot] == SOURCES["result"]:
            found = await _to_its_end(partial(row_of, self._storage, id))

        def filled_in() -> None:
            if found is not None and id in columns.slots:
                place(columns, *found, self._rows)
                self._changed()

        return filled_in

    async def _load(self, limit: int, where: str = "") -> None:
        unread, later = list[str](), Later()
        with closing(self._storage.opened(unread)) as parts:
            # To open one may take as long as to read from it: what hangs must hold up nothing else.
            while (part := await _to_its_end(lambda: next(parts, None))) is not None:
                self._missed(unread)
                if not await self._load_part(part, limit, where, later):
                    return
        self._missed(unread)

    async def _load_part(self, part: Part, limit: int, where: str, later: Later) -> bool:
        """Whether there is room for more."""
        later.saw(part.name, part.last)
        coding, before = Coding(part.words), part.last + 1
        begin = await _to_its_end(part.begin)
        room = True
        while room and self._status.loaded < limit:
            try:
                read = await _to_its_end(partial(_read, part, before, where, later))
                if read is None:
                    break
                before, chunk = read
                room = chunk is None or self._place(part, chunk, coding, begin)
            except Unreadable as problem:
                self._missed([str(problem)])
                break
            except Exception as fault:  # Whatever is in it, the monitor goes on without it.
                logger.exception("history: %s", part.name)
                self._missed([f"{part.name}: {type(fault).__name__}"])
                break
            await asyncio.sleep(0)
        self._stepped_over(part, before, where)
        return room

    def _stepped_over(self, part: Part, before: int, where: str) -> None:
        if part.damage:
            self._missed([part.damage])
            self._status.skipped += 0 if where else part.skipped(before)

    def _place(self, part: Part, chunk: Chunk, coding: Coding, begin: float) -> bool:
        """Whether there is room for more."""
        columns = self._store.columns
        still_from = self._still if part.name == self._newest else math.inf
        placed = place(columns, chunk, coding, self._rows, still_from)
        self._rows -= placed.fresh
        if self._recording is not None and part.name == self._newest:
            self._recording.known(
                part.name, placed.slots, placed.numbers, columns.vector("row")[placed.slots]
            )
        if loaded := placed.fresh + placed.filled:
            self._status.loaded += loaded
            self._status.since = max(float(chunk.floats["first"][0]), begin)
            if self._status.loaded >= FIRST:
                self.first.set()
            self._changed()
        return len(columns) < columns.max_tasks


async def _to_its_end(work: Callable[[], T]) -> T:
    """Read in a thread; whoever cancels waits for it, as the part is closed then."""
    reading = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(reading)
    except asyncio.CancelledError:
        await asyncio.wait([reading])
        raise


def _read(part: Part, before: int, where: str, later: Later) -> tuple[int, Chunk | None] | None:
    """Rows below a number, and the lowest one that was read; `None` at the end."""
    rows = part.newest(before, AT_ONCE, where)
    if not rows:
        return None
    before = rows[-1][0]
    if where:  # Of a part of them: a newer row need not be among those that were read.
        over = part.went_on({row[PLACE["id"]]: row[0] for row in rows[::-1]}, later, lambda: True)
        rows = [row for row in rows if row[PLACE["id"]] not in over]
    return before, chunk_of(part.name, rows[::-1]) if rows else None
