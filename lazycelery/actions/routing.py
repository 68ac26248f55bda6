"""Where a task that is sent again belongs, and whether anybody there would run it."""

from __future__ import annotations

from lazycelery.actions.context import Context
from lazycelery.actions.recovery import Evidence
from lazycelery.actions.wording import listed, nearest
from lazycelery.model.worker import Worker
from lazycelery.store.queues import not_told


def choose_queue(context: Context, evidence: Evidence, wanted: str = "") -> str | None:
    """The queue of the order, the message, the task, a worker or its result; else the only one its
    workers consume; else `None`."""
    told = [
        wanted,
        evidence.held.queue if evidence.held else None,
        evidence.seen.queue if evidence.seen else None,
        evidence.task.queue if evidence.task else None,
        evidence.report.routing_key if evidence.report else None,
        evidence.result.queue if evidence.result else None,
    ]
    return next((queue for queue in told if queue), None) or _only_queue(context, evidence)


def doubts(context: Context, name: str | None, queue: str) -> list[str]:
    """Warnings: nobody consumes the queue, or nobody there knows the task."""
    online = context.online()
    if not online:
        return [f"No worker is online: it will wait in {queue}."]
    consumers = context.consumers(queue)
    if not consumers:
        untold = [one.name for one in online if not one.queues and "queues" not in one.sources]
        if untold:
            return [f"No worker that told its queues consumes {queue}; {not_told(untold)}."]
        known = {each for worker in online for each in worker.queues}
        return [f"Nobody consumes {queue} now. {nearest(queue, known)}".rstrip()]
    lists = [registered for worker in consumers if (registered := _registered(context, worker))]
    if name and lists and not any(name in registered for registered in lists):
        return [f"No worker that consumes {queue} has {name} registered ({listed(_names(consumers))})."]
    return []


def _only_queue(context: Context, evidence: Evidence) -> str | None:
    ran_on = {each.worker for each in (evidence.task, evidence.result, evidence.report) if each}
    workers = context.store.workers(context.clock())
    candidates = [worker for worker in workers if worker.name in ran_on] or [
        worker for worker in context.online() if _may_run(context, worker, evidence.name)
    ]
    queues = {queue for worker in candidates for queue in worker.queues}
    return queues.pop() if len(queues) == 1 else None


def _may_run(context: Context, worker: Worker, name: str | None) -> bool:
    registered = _registered(context, worker)
    return not registered or name is None or name in registered


def _registered(context: Context, worker: Worker) -> list[str]:
    detail = context.store.worker(worker.name, context.clock())
    # With options shown, an entry reads "shop.add [rate_limit=…]".
    return [entry.partition(" ")[0] for entry in detail.registered] if detail else []


def _names(workers: list[Worker]) -> list[str]:
    return [worker.name for worker in workers]
