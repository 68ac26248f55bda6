"""All workers, one by one: of ten thousand each look takes so long that others need their turn in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from lazycelery.model.facts import WorkerFacts
from lazycelery.model.worker import Worker, WorkerLoad, WorkerState
from lazycelery.store.facts import worker_facts
from lazycelery.store.worker_views import alive, gone, state_of, worker_load, worker_view
from lazycelery.store.workers import Workers

Start = tuple[int | None, str | None, float]
"""A worker's process, its software, and when it last said that it has started."""
YOUNG = 10.0
"""Seconds for which a worker is new: it says that it is there before it listens."""


class Roll:
    """Looks at the workers of a store, in the order of their names. `now`: our clock."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def views(self, now: float) -> Iterator[Worker]:
        """Each as all sources together tell it. Ten thousand take a fifth of a second."""
        return (worker_view(record, now) for record in self._workers.by_name())

    def facts(self, now: float) -> Iterator[WorkerFacts]:
        """Each with what it told of itself; nothing is copied. As dear as a view."""
        return (worker_facts(record, now) for record in self._workers.by_name())

    def facts_of(self, name: str, now: float) -> WorkerFacts | None:
        """The same of one worker; `None` where nobody told of it."""
        record = self._workers.known.get(name)
        return worker_facts(record, now) if record is not None else None

    def loads(self, now: float) -> Iterator[tuple[str, WorkerLoad]]:
        """Each one's name, and what is measured each second."""
        return ((record.name, worker_load(record, now)) for record in self._workers.by_name())

    def states(self, now: float) -> Iterator[tuple[str, WorkerState]]:
        """Each one's name and state."""
        return ((record.name, state_of(record, now)) for record in self._workers.by_name())

    def starts(self) -> Iterator[tuple[str, Start]]:
        """Each one's name and start."""
        return ((one.name, (one.pid, one.software, one.began)) for one in self._workers.by_name())

    def young(self, name: str, now: float) -> bool:
        """Whether a worker came a moment ago and has not answered yet: it may not listen."""
        record = self._workers.known.get(name)
        if record is None or not 0 <= now - record.began < YOUNG:
            return False
        if record.goodbye is not None or gone(record):
            return False
        return record.control is None or record.control < record.began

    def confs(self, now: float) -> Iterator[tuple[bool, Mapping[str, Any]]]:
        """Settings of those that told any, and whether they live."""
        told = (record for record in self._workers.by_name() if record.conf)
        return ((alive(record, now), record.conf) for record in told)

    # ---- in one go: a few milliseconds for ten thousand

    def names(self) -> list[str]:
        """All names, in order."""
        return [record.name for record in self._workers.by_name()]

    def living(self, now: float, most: int | None = None) -> int:
        """How many can take messages, as far as seen; no more than `most` are counted."""
        return sum(islice((1 for record in self._workers.by_name() if alive(record, now)), most))

    def consumed(self) -> set[str]:
        """Queues that they said to take from."""
        told = (record.queues for record in self._workers.by_name() if record.queues)
        return {queue.name for queues in told for queue in queues}

    def any_events(self) -> bool:
        """Whether any is known to send task events."""
        return any(record.loss.events for record in self._workers.by_name())
