"""Workers that went long ago are forgotten: where each start has a name of its own, they would pile up."""

from __future__ import annotations

import math

from lazycelery.store.worker_views import last_sign, lost_since
from lazycelery.store.workers import WorkerRecord, Workers

KEPT = 200
"""Workers that are gone and still shown."""
LEAST = 900.0
"""Seconds for which each of them is shown whatever their number."""
EVERY = 30.0


class Forgetting:
    """Beyond `KEPT`, those that stopped in good order leave first, then those that were lost; of each the
    longest gone. `now`: our clock."""

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._looked = -math.inf

    def look(self, now: float) -> None:
        """Forget whom it is time to forget. May be called often."""
        workers = self._workers
        if len(workers.known) <= KEPT or 0 <= now - self._looked < EVERY:
            return
        self._looked = now
        gone = [(when, record.name) for record in workers.known.values() if (when := _gone(record, now))]
        for (_, since), name in sorted(gone)[: max(0, len(gone) - KEPT)]:
            if now - since > LEAST:
                workers.forget(name)


def _gone(record: WorkerRecord, now: float) -> tuple[bool, float] | None:
    """Whether it was lost, and since when it is gone; `None` for who is not."""
    if record.goodbye is not None:
        return False, record.goodbye
    return (True, last_sign(record)) if lost_since(record, now) is not None else None
