"""What workers and queues say of each other: who consumes what, and what is not heard of."""

from __future__ import annotations

from lazycelery.model.queue import Queue
from lazycelery.store.queues import RATE_WINDOW, Queues
from lazycelery.store.worker_views import alive, here
from lazycelery.store.workers import Workers


def queue_views(queues: Queues, workers: Workers, latest: float, now: float) -> list[Queue]:
    """All known queues, by name. `latest` is when the newest batch of events arrived; epoch seconds."""
    consumers = _consumers(workers, now)
    unheard = None if now - latest > RATE_WINDOW else _unheard(workers, now)
    return queues.views(consumers, unheard, now, _untold(workers, now))


def missing(workers: Workers) -> float | None:
    """Share of started tasks whose events never reached us; `None` while nothing can be told."""
    told = [record.loss.missing for record in workers.known.values()]
    counted = sum(each[1] for each in told if each is not None)
    if not any(each is not None for each in told):
        return None
    return sum(each[0] for each in told if each is not None) / counted if counted else 0.0


def _consumers(workers: Workers, now: float) -> dict[str, list[str]] | None:
    told, consumers = False, dict[str, list[str]]()
    for record in workers.by_name():
        if record.queues is None:
            continue
        told = True
        if record.queues and alive(record, now):
            for queue in record.queues:
                consumers.setdefault(queue.name, []).append(record.name)
    return consumers if told else None


def _untold(workers: Workers, now: float) -> list[str]:
    """Workers that may take messages and have not told from which queues, as a solo one inside a task."""
    return [record.name for record in workers.by_name() if record.queues is None and here(record, now)]


def _unheard(workers: Workers, now: float) -> set[str]:
    """Queues of which events tell too little, as a consumer sends none."""
    return {
        queue.name
        for record in workers.by_name()
        if record.loss.events is False and record.queues and alive(record, now)
        for queue in record.queues
    }
