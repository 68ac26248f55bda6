"""Our clock was set: what the store keeps of a while ago stays as long ago as it was.

Tasks keep their times: they are told by others, or are what the clock said then.
"""

from __future__ import annotations

from collections import deque

import msgspec

from lazycelery.store.intake import Intake
from lazycelery.store.queues import Queues
from lazycelery.store.workers import WorkerRecord, Workers

TIMES = (
    "last_seen",
    "heartbeat",
    "goodbye",
    "blind",
    "control",
    "silent",
    "listening",
    "shut",
    "gone",
    "back",
    "stats_at",
    "conf_at",
)
"""Of a worker, by our clock. Not `began`: it names a start, which has its mark already."""


def redate(intake: Intake, workers: Workers, queues: Queues, by: float) -> None:
    """The clock was set ahead by so many seconds, or back."""
    intake.clock_set(by)
    for worker in workers.known.values():
        _worker(worker, by)
    workers.way.set(by)
    workers.changes += 1
    for queue in queues.known.values():
        if queue.report is not None:
            queue.report = msgspec.structs.replace(queue.report, at=queue.report.at + by)
        queue.probes = deque(((at + by, *rest) for at, *rest in queue.probes), queue.probes.maxlen)  # type: ignore[misc]
    queues.changes += 1


def _worker(record: WorkerRecord, by: float) -> None:
    for name in TIMES:
        at = getattr(record, name)
        if at is not None:
            setattr(record, name, at + by)
    record.online += by if record.online else 0.0
    record.active_at += by if record.active_at else 0.0
    record.lists_at = {phase: at + by for phase, at in record.lists_at.items()}
    if record.whole is not None:
        record.whole = msgspec.structs.replace(record.whole, at=record.whole.at + by)
    record.skew.set(by)
