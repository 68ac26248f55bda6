"""What workers and queues say of each other: who consumes what, and what is not heard of."""

from __future__ import annotations

from collections.abc import Generator

from lazycelery.model.queue import Queue
from lazycelery.store.queues import RATE_WINDOW, Queues
from lazycelery.store.worker_views import alive, here
from lazycelery.store.workers import Workers

STEP = 2000
"""Workers looked at in one step."""


def queue_views(
    queues: Queues, workers: Workers, latest: float, now: float
) -> Generator[None, None, list[Queue]]:
    """All known queues, by name, in steps of a few milliseconds. `latest` is when the newest batch of events
    arrived; epoch seconds."""
    told, consumers, untold, unheard = False, dict[str, list[str]](), list[str](), set[str]()
    for number, record in enumerate(workers.by_name()):
        if number % STEP == STEP - 1:
            yield
        if record.queues is None:
            if here(record, now):
                untold.append(record.name)
            continue
        told = True
        if record.queues and alive(record, now):
            for queue in record.queues:
                consumers.setdefault(queue.name, []).append(record.name)
            if record.loss.events is False:
                unheard.update(queue.name for queue in record.queues)
    heard = None if now - latest > RATE_WINDOW else unheard
    return queues.views(consumers if told else None, heard, now, untold)


def missing(workers: Workers) -> float | None:
    """Share of started tasks whose events never reached us; `None` while nothing can be told."""
    told = [record.loss.missing for record in workers.known.values()]
    counted = sum(each[1] for each in told if each is not None)
    if not any(each is not None for each in told):
        return None
    return sum(each[0] for each in told if each is not None) / counted if counted else 0.0
