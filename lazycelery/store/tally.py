"""Task events counted for their worker and their queue, also those of tasks that are not kept."""

from __future__ import annotations

from lazycelery.model.event import Event
from lazycelery.store.columns import Columns
from lazycelery.store.queues import QueueRecord, Queues
from lazycelery.store.workers import WorkerRecord, Workers


class Tally:
    """Counts, and keeps the workers' signs of life."""

    def __init__(self, columns: Columns, workers: Workers, queues: Queues) -> None:
        self._columns, self._workers, self._queues = columns, workers, queues
        self.known = workers.known
        """Workers by name."""
        self.received = 0
        """Starts that events told."""
        self.sent = 0
        """Sendings that events told."""
        self._records: dict[int, QueueRecord] = {}
        """Queues by the columns' number."""
        self._rest = QueueRecord("")
        """Stands for queues for which there is no room."""

    def count(self, event: Event, queue: int) -> int:
        """Count an event of a task in a queue (the columns' number). Returns the number of the worker that
        sent it, 0 for a sending, -1 when no worker sent it."""
        kind = event.type
        if kind == "task-sent":
            self.sending(queue)
            return 0
        known = self._workers.known.get(event.hostname)
        record = known if known is not None else self._workers.seen(event)
        if record is None:
            return -1
        record.last_seen = event.received or event.timestamp
        record.loss.task_event()
        if kind == "task-started":
            self.starting(record, queue, event.timestamp)
        elif kind != "task-received":
            record.last_end = event.timestamp
            if kind == "task-failed":
                self.failed(record)
        if not record.code:
            record.code = self._columns.workers.code(event.hostname)
        return record.code

    def sending(self, queue: int) -> None:
        """Count a message put into a queue (the columns' number)."""
        self.sent += 1
        if queue:
            self._record(queue).sent += 1

    def starting(self, record: WorkerRecord, queue: int, at: float) -> None:
        """Count a start, by the worker's clock, which took a message out of a queue."""
        self.received += 1
        record.loss.started += 1
        record.last_start = at
        if queue:
            self.taking(queue)

    def taking(self, queue: int) -> None:
        """Count a message taken out of a queue (the columns' number)."""
        self._record(queue).taken += 1

    def failed(self, record: WorkerRecord) -> None:
        """Count a failure."""
        record.failed += 1
        self._workers.touch(record)

    def _record(self, queue: int) -> QueueRecord:
        record = self._records.get(queue)
        if record is None:
            name = self._columns.queues.texts[queue] or ""
            if not self._queues.has_room(name):
                return self._rest
            record = self._records[queue] = self._queues.record(name)
        return record
