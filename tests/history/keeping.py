"""A store with a recorder, and what its files hold, without a cluster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lazycelery.engine.past import Past
from lazycelery.engine.recorder import Recorder
from lazycelery.model.event import Event
from lazycelery.model.history import HistoryPage, HistoryQuery, HistoryStatus
from lazycelery.model.redaction import Redactor
from lazycelery.store.history.files import Files
from lazycelery.store.history.local import Local
from lazycelery.store.history.search import search
from lazycelery.store.history.storage import Storage
from lazycelery.store.notes import Notes
from lazycelery.store.store import Store
from tests.store.build import T0


def files_in(path: Path, **bounds: float) -> Files:
    return Files(path / "cluster", **bounds)  # type: ignore[arg-type]


def storage_in(where: Files | Storage) -> Storage:
    return Local(where) if isinstance(where, Files) else where


class Monitor:
    """What an engine has of the history: a store that is fed by hand."""

    def __init__(
        self, where: Files | Storage, clock: Callable[[], float] = lambda: T0, max_tasks: int = 10_000
    ) -> None:
        self.storage, self.clock = storage_in(where), clock
        self.store = Store(max_tasks)
        self.recorder = Recorder(self.store.columns, self.storage, Redactor(), clock)
        self.past: Past | None = None

    def load(self, numbers: bool = True, changed: Callable[[], None] = lambda: None) -> HistoryStatus:
        status = self.recorder.status
        self.past = Past(
            self.store,
            self.storage,
            status,
            self.clock,
            changed,
            self.recorder.recording if numbers else None,
        )

        async def all_of_it() -> None:
            assert self.past is not None
            await self.past.survey()
            await self.past.load(self.store.columns.max_tasks)

        asyncio.run(all_of_it())
        return status

    def hear(self, *events: Event) -> None:
        self.store.apply_events(events)
        self.recorder.hand_over(self.store.told)

    def start(self) -> Monitor:
        self.recorder.start()
        return self

    def wait(self, done: Callable[[], bool], seconds: float = 5.0) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if done():
                return True
            time.sleep(0.02)
        return done()

    def stop(self) -> None:
        self.recorder.stop()


def recorded(where: Files | Storage, *events: Sequence[Event]) -> Monitor:
    """A monitor that heard these batches and ended in good order."""
    monitor = Monitor(where).start()
    for batch in events:
        monitor.hear(*batch)
    monitor.stop()
    return monitor


def found(
    where: Files | Storage,
    filter: str = "",
    limit: int = 100,
    after: str = "",
    now: float = T0,
    notes: Notes | None = None,
) -> HistoryPage:
    query = HistoryQuery(filter=filter, limit=limit, after=after)
    return search(storage_in(where), query, now, notes=notes)


def ids(page: HistoryPage) -> list[str]:
    return [task.id for task in page.tasks]


def killed(monitor: Monitor) -> None:
    """As by the system: nothing is said, and the lock is free."""
    recorder: Any = monitor.recorder
    recorder.recording.close = lambda now: None
    recorder.stop()
    if hasattr(recorder.recording, "_lock"):
        recorder.recording._lock.give_back()
