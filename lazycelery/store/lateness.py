"""Workers whose sign of life is overdue: who has to be asked, and who went with its connection."""

from __future__ import annotations

from collections.abc import Iterator

from lazycelery.store.worker_views import LOST_AFTER, blocked, gone, last_sign
from lazycelery.store.workers import WorkerRecord, Workers

LATE = 0.3
"""Seconds by which a heartbeat may come late, beside a tenth of its pace, before its worker is asked."""


class Lateness:
    """Looks at the workers of a store. Times are our clock."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers

    def late(self, now: float) -> Iterator[str]:
        """Workers that count as living and should have given a sign of it by now; one by one."""
        return (record.name for record in list(self._workers.known.values()) if _late(record, now))

    def would_be_back(self, name: str) -> bool:
        """Whether a worker that lives would connect again at once, were only its connection cut: not from
        inside a task that runs in its only thread."""
        record = self._workers.known.get(name)
        if record is None or record.stats is None:
            return False
        return record.stats.pool != "solo" or bool(record.loss.events and not blocked(record))

    def ended(self, name: str, at: float) -> None:
        """A worker's connection has ended for good, as far as can be seen; any later sign takes it back."""
        record = self._workers.known.get(name)
        if record is not None:
            record.gone, record.listening = at, None
            self._workers.touch(record)


def _late(record: WorkerRecord, now: float) -> bool:
    freq = record.freq or 2.0
    if record.heartbeat is not None and now - record.heartbeat <= 1.1 * freq + LATE:
        return False
    if record.goodbye is not None or record.heartbeat is None or record.blind is not None or gone(record):
        return False
    if record.control is None or record.control < record.online:
        return False  # Its mailbox may never have been open.
    if record.back is not None and max(record.heartbeat, record.control) <= record.back:
        return False  # It is yet to come back.
    quiet = now - last_sign(record)
    return 1.1 * freq + LATE < quiet < max(3 * freq, LOST_AFTER) + freq  # Later it is settled either way.
