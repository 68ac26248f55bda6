"""Times in which no events were heard: a worker's silence proves nothing then."""

from __future__ import annotations

from lazycelery.store.lost import LostRuns
from lazycelery.store.worker_views import lost_since
from lazycelery.store.workers import Workers

MOST = 100
"""Gaps that are remembered, the newest."""


class Gaps:
    """Those that are over, and the one that may be under way. Times in epoch seconds, our clock."""

    def __init__(self, workers: Workers, lost: LostRuns) -> None:
        self.spans: list[tuple[float, float]] = []
        """From when to when, the oldest first."""
        self._workers, self._lost = workers, lost

    def clock_set(self, by: float) -> None:
        """Our clock was set. Tasks keep their times: set ahead, gaps would come after who was seen since."""
        by = min(by, 0.0)
        self.spans[:] = [(start + by, end + by) for start, end in self.spans]

    def blind(self, since: float | None) -> None:
        """Nothing is heard from this moment on; `None`: events come again."""
        for record in self._workers.known.values():
            if (record.blind is None) != (since is None):
                record.blind = since
                self._workers.touch(record)

    def add(self, start: float, end: float) -> None:
        """One is over. Workers that were not gone when it began are given time to be heard again."""
        self.spans.append((start, end))
        del self.spans[:-MOST]
        self._lost.blind_until(end)
        for record in self._workers.known.values():
            record.loss.reset()
            record.blind = None
            if lost_since(record, start) is None:
                record.back = end
            record.listening = record.shut = None  # Its mailbox may be another one by now.
