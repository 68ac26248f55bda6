"""Workers for the doctor: references to what they told, nothing copied."""

from __future__ import annotations

from lazycelery.model.facts import WorkerFacts
from lazycelery.store.worker_views import LISTENING_FRESH, gone, worker_view
from lazycelery.store.workers import WorkerRecord

LATE = 5.0
"""Seconds by which an answer may be older than the round that it is of."""


def worker_facts(record: WorkerRecord, now: float) -> WorkerFacts:
    """A worker, and what it told of itself."""
    return WorkerFacts(
        worker=worker_view(record, now),
        conf=record.conf if record.conf_at is not None else None,
        active=record.lists.get("active"),
        reserved=record.lists.get("reserved"),
        scheduled=record.lists.get("scheduled"),
        at=record.lists_at,
        queues=None if record.queues is None else [queue.name for queue in record.queues],
        registered=record.registered,
        limits=record.limits,
        silent=record.silent,
        answered=record.control,
        began=_began(record),
        whole=record.whole,
        listening=record.listening is not None and now - record.listening < LISTENING_FRESH,
        shut=record.shut is not None and now - record.shut < LISTENING_FRESH,
        closed=gone(record),
        errors=record.errors,
    )


def _began(record: WorkerRecord) -> float | None:
    """As it said when it came, or, where nobody heard that, by its uptime: a little early then."""
    uptime = record.stats.uptime if record.stats is not None else None
    by_uptime = record.stats_at - uptime - LATE if record.stats_at and uptime is not None else 0.0
    return max(record.began, by_uptime) or None
