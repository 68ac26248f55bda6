"""Task events counted for their worker and their queue, also those of tasks that are not kept."""

from __future__ import annotations

from lazycelery.model.event import Event
from lazycelery.store.columns import Columns
from lazycelery.store.queues import Queues
from lazycelery.store.workers import Workers


class Tally:
    """Counts, and keeps the workers' signs of life."""

    def __init__(self, columns: Columns, workers: Workers, queues: Queues) -> None:
        self._columns, self._workers, self._queues = columns, workers, queues
        self.received = 0
        """Starts that events told."""
        self.sent = 0
        """Sendings that events told."""

    def count(self, event: Event, queue: int) -> int:
        """Count an event of a task in a queue (the columns' number). Returns the number of the worker that
        sent it, 0 for a sending, -1 when no worker sent it."""
        kind = event.type
        if kind == "task-sent":
            self.sent += 1
            if queue:
                self._queues.record(self._columns.queues.texts[queue] or "").sent += 1
            return 0
        known = self._workers.known.get(event.hostname)
        record = known if known is not None else self._workers.seen(event)
        if record is None:
            return -1
        record.last_seen = event.received or event.timestamp
        record.loss.task_event()
        if kind == "task-started":
            record.loss.started += 1
            record.last_start = event.timestamp
            self.received += 1
            if queue:
                self._queues.record(self._columns.queues.texts[queue] or "").taken += 1
        elif kind != "task-received":
            record.last_end = event.timestamp
            if kind == "task-failed":
                record.failed += 1
                self._workers.touch(record)
        return self._columns.workers.code(event.hostname)
