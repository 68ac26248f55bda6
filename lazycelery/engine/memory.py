"""The history as one engine uses it: what it shows of the time before, and what it records."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from lazycelery.actions.files import state_directory
from lazycelery.engine.figure_notes import FigureNotes
from lazycelery.engine.memory_notices import notices
from lazycelery.engine.past import Past
from lazycelery.engine.recorded import Questions
from lazycelery.engine.recorder import Recorder
from lazycelery.engine.slices import in_slices
from lazycelery.errors import NothingFound
from lazycelery.model.cluster import Notice
from lazycelery.model.history import HistoryPage, HistoryQuery, HistoryStatus
from lazycelery.model.profile import Profile
from lazycelery.model.queue import Queue
from lazycelery.model.recorded import RecordedPage, RecordedQuery
from lazycelery.model.redaction import Redactor
from lazycelery.model.task import Task
from lazycelery.model.worker import WorkerLoad
from lazycelery.passwords import Password
from lazycelery.store.history import figures, let_go
from lazycelery.store.history.files import Files, directory_of
from lazycelery.store.history.kinship import Kinship
from lazycelery.store.history.later import Later
from lazycelery.store.history.local import Local
from lazycelery.store.history.search import search, task_of
from lazycelery.store.history.storage import (
    DealtWords,
    FindingBegan,
    FindingEnded,
    MarkLines,
    Sample,
    Storage,
)
from lazycelery.store.rings import Kept
from lazycelery.store.store import Store
from lazycelery.waiting import came

logger = logging.getLogger(__name__)

SAMPLE_EVERY, GONE_EVERY = 10, 60
"""Seconds."""
AT_FIRST = 2.0
"""Seconds after which recording begins also when the newest tasks have not been read yet."""
FEW = 20_000
"""Tasks that an engine reads which only looks: some tenths of a second."""
MOST_A_PAGE = 10_000
REMOVED = "its oldest part, which was removed meanwhile (too old, or too much)"
WRITTEN_AT_ONCE = 1000
"""Workers or queues of a sample that are written without a pause."""


def files_of(profile: Profile) -> Files:
    """Where the profile's history is."""
    root = Path(profile.history_dir).expanduser() if profile.history_dir else state_directory() / "history"
    directory = directory_of(root, profile.name, profile.broker)
    return Files(directory, profile.history_days, profile.history_max_bytes)


def storage_of(profile: Profile) -> Storage:
    """What keeps the profile's history: its database, or files."""
    if profile.history_url:
        # Loaded only by who has one.
        from lazycelery.store.history.postgres.address import address_of
        from lazycelery.store.history.postgres.storage import Shared

        address = address_of(profile.history_url, profile.history_name, profile.broker)
        command, keyring = profile.history_password_command, profile.history_keyring
        if command or keyring:
            address = address._replace(password=Password(command, keyring, "history_"))
        note = state_directory() / "clocks" / f"{directory_of(Path(), address.schema, address.url).name}.json"
        return Shared(address, profile.history_days, profile.history_max_bytes, note)
    return Local(files_of(profile))


class Memory:
    """Off, reading, or recording too: as the profile says."""

    def __init__(
        self,
        profile: Profile,
        store: Store,
        redactor: Redactor,
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self._profile, self._store, self._redactor, self._clock = profile, store, redactor, clock
        self._changed = changed
        self._loop: asyncio.AbstractEventLoop | None = None
        self._storage = storage_of(profile)
        self._questions = Questions(self._storage)
        self._recorder: Recorder | None = None
        if profile.history and profile.recorder:
            self._recorder = Recorder(store.columns, self._storage, redactor, clock, self._changed_in_thread)
        self._counts: FigureNotes | None = None
        if self._recorder is not None:
            pace = self._storage.cells_a_second
            self._counts = FigureNotes(store.figures, store.columns, self._recorder, pace)
        self.status = (
            self._recorder.status
            if self._recorder
            else HistoryStatus(state="reading" if profile.history else "off", directory=self._storage.place)
        )
        self._past = Past(
            store,
            self._storage,
            self.status,
            clock,
            changed,
            self._recorder.recording if self._recorder else None,
        )
        self._loading: asyncio.Task[None] | None = None
        self._started: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[None] | None = None
        self._seconds = 0
        self.figures_until: float | None = None
        """Up to when about the history had figures as this engine began; `None` where none were read."""
        self._not_kept = let_go.Noting(f"{socket.gethostname()}:{os.getpid()}:{int(clock())}")
        self._bad = False
        """Whether all recorded failures have been asked for."""
        self._kinship, self._later = Kinship(), Later()
        """Of the question whose pages were asked for last."""
        self._since: float | None = None
        """How far its last page reached."""
        self._open: dict[tuple[str, str], Notice] = {}

    # ---- life

    async def begin(self) -> None:
        """See what there is; who records loads it as well. Returns in a few milliseconds, and soon also
        where the disk hangs."""
        self._loop = asyncio.get_running_loop()
        if not self._profile.history:
            return
        try:
            await self._past.survey()
        except Exception:  # Whatever is in the files, the monitor begins.
            logger.exception("history")
        self._reading = asyncio.create_task(self._read_figures(), name="history-figures")
        if self._recorder is not None:
            self._load(self._profile.max_tasks)
            self._started = asyncio.create_task(self._record(), name="history")

    async def _record(self) -> None:
        """First the newest tasks, so that they go on in their old rows; then record."""
        assert self._recorder is not None
        await came(self._past.first, AT_FIRST)
        self._recorder.start()

    async def _read_figures(self) -> None:
        try:
            told = await asyncio.to_thread(figures.read, self._storage, self._clock())
            self.figures_until = figures.reach(told)
            await in_slices(self._store.put_figures(told))
        except Exception:  # Whatever is in the files, the monitor goes on.
            logger.exception("history")

    async def hours(self, since: float, until: float) -> list[Kept]:
        """What was recorded of the hours that have a part in a span of time, the newest first."""
        if not self._profile.history:
            return []
        told = await asyncio.to_thread(figures.read, self._storage, until, until - since + 3600.0)
        found = []
        for kept in figures.hours_of(self._store.columns, told):
            found.append(kept)
            await asyncio.sleep(0)  # A month has many.
        return found

    async def figures_read(self) -> None:
        """Before statistics are told: what was counted before is read by then."""
        if self._reading is not None:
            await asyncio.wait([self._reading])

    def _load(self, limit: int) -> None:
        if self._loading is None:
            self._loading = asyncio.create_task(self._past.load(limit), name="history-load")

    async def needed(self) -> None:
        """Before tasks are shown: who only looks reads the newest now."""
        if self._profile.history and self._recorder is None and self._loop is not None:
            self._load(min(FEW, self._profile.max_tasks))
            await self._past.done.wait()

    async def recall(self, id: str) -> Callable[[], None]:
        """What was recorded of a task that is none of the newest, before sources are asked of it: what
        fills in what they do not tell, once they have answered."""
        if self._profile.history and self._loop is not None:
            return await self._past.recall(id)
        return lambda: None

    @property
    def marks(self) -> MarkLines | None:
        """Where this cluster's deploy marks are; `None` where none are kept."""
        return self._storage.marks() if self._profile.history else None

    @property
    def dealt(self) -> DealtWords | None:
        """What the team has dealt with; `None` where no team keeps the history."""
        return self._storage.dealt() if self._profile.history else None

    async def failures(self) -> None:
        """Before failures are counted: who only looks reads all of them that were recorded, bounded."""
        await self.needed()
        if self._profile.history and self._recorder is None and self._loop is not None and not self._bad:
            self._bad = True
            await self._past.load_failures()

    async def close(self) -> None:
        """Write what is left."""
        self._questions.close()
        self._storage.close()
        for task in (self._started, self._loading, self._reading):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        if self._recorder is not None and self._counts is not None:
            await self._counts.close()
            self._note_gone()
            await asyncio.to_thread(self._recorder.stop)

    def _changed_in_thread(self) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # The loop has ended.
                self._loop.call_soon_threadsafe(self._changed)

    # ---- what comes in

    def heard(self) -> None:
        """The store has taken in another batch of events."""
        if self._recorder is not None:
            self._recorder.hand_over(self._store.told)

    async def second(
        self, workers: Mapping[str, WorkerLoad], queues: Sequence[Queue], notices: Sequence[Notice]
    ) -> None:
        """A second is over: samples, findings and figures that are due."""
        if self._recorder is None:
            return
        self._recorder.watch()
        self._seconds += 1
        if self._seconds % SAMPLE_EVERY == 0:
            await self._sample(workers, queues)
        if self._counts is not None:
            self._counts.second()
        if self._seconds % GONE_EVERY == 0 or self._recorder.along:
            self._note_gone()
        self._findings(notices)

    async def _sample(self, workers: Mapping[str, WorkerLoad], queues: Sequence[Queue]) -> None:
        assert self._recorder is not None
        depths = {self._redactor.name(one.name): [one.messages, one.unacked, one.consumers] for one in queues}
        texts = [await _written(each) for each in (depths, workers)]
        if any(texts):
            self._recorder.note(Sample(self._clock(), *texts))

    def _findings(self, notices: Sequence[Notice]) -> None:
        assert self._recorder is not None
        now = self._clock()
        present = {(one.code, one.subject): one for one in notices if not one.code.startswith("history-")}
        for key in [key for key in self._open if key not in present]:
            del self._open[key]
            self._recorder.note(FindingEnded(now, key[0], self._redactor.name(key[1])))
        for key, one in present.items():
            if key not in self._open:
                self._open[key] = one
                title, hint = (self._redactor.text(text) for text in (one.title, one.hint))
                subject = self._redactor.name(one.subject)
                began = one.since or now
                self._recorder.note(FindingBegan(one.code, subject, one.severity, title, hint, began))

    def _note_gone(self) -> None:
        assert self._recorder is not None
        counts = let_go.total(self._store.relief(), self.status)
        if self._recorder.along:
            self._not_kept.passed_over(counts)
        elif gone := self._not_kept.due(self._clock(), counts):
            self._recorder.note(gone)

    # ---- what is asked

    async def ask(self, query: HistoryQuery) -> HistoryPage:
        """Tasks out of the files. Raises `UsageError` for a wrong filter, `NothingFound` when history is
        off. Cancelled, it stops at the next slice."""
        if not self._profile.history:
            raise NothingFound("No history is kept: history = false in the profile.")
        query.limit = max(1, min(query.limit, MOST_A_PAGE))
        stop = threading.Event()
        if not query.after:
            self._kinship, self._later = Kinship(), Later()
        kinship, later, more = self._kinship, self._later, False
        try:
            page = await asyncio.to_thread(
                search,
                self._storage,
                query,
                self._clock(),
                lambda: not stop.is_set(),
                self._store.columns.notes,
                kinship,
                later,
            )
            more = page.next is not None
            since, self._since = self._since, page.since
            if query.after and since is not None and (page.since is None or page.since > since):
                page.unread.append(REMOVED)
            if page.since is None:
                page.hindered = await asyncio.to_thread(self._storage.hindered)
            return page
        finally:
            stop.set()
            if not more and self._kinship is kinship:  # It may be large, and half of it after a break.
                self._kinship, self._later = Kinship(), Later()

    async def recorded(self, query: RecordedQuery) -> RecordedPage:
        """Events, findings or samples. Raises as `ask`, and for a page that follows too late."""
        if not self._profile.history:
            raise NothingFound("No history is kept: history = false in the profile.")
        return await self._questions.page(query, self._clock())

    async def task(self, id: str) -> Task | None:
        """One task out of the files, or `None`."""
        if not self._profile.history:
            return None
        found: Task | None = await asyncio.to_thread(task_of, self._storage, id)
        return found

    def notices(self) -> list[Notice]:
        """What a person should know of it."""
        return notices(self.status, self._recorder is not None)


async def _written(table: Mapping[str, Any]) -> str | None:
    """A table as JSON, in portions: ten thousand workers take longer than others should wait."""
    rows, portions = iter(table.items()), []
    while portion := dict(islice(rows, WRITTEN_AT_ONCE)):
        portions.append(json.dumps(portion, separators=(",", ":"))[1:-1])
        await asyncio.sleep(0)
    return f"{{{','.join(portions)}}}" if portions else None
