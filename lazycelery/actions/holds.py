"""Queues that are held: who consumed them before, kept on disk so that any session can put it back."""

from __future__ import annotations

from typing import Any

from lazycelery.actions.context import Context
from lazycelery.actions.files import state_directory
from lazycelery.actions.shared_file import SharedFile, name_of_cluster
from lazycelery.model.hold import HeldAt, Hold
from lazycelery.model.reports import ActiveQueue, WorkerReport

SAME_START = 5.0
"""Seconds by which two reckonings of a worker's start may differ: it tells its uptime in whole seconds."""


class Holds(SharedFile[dict[str, Hold]]):
    """The held queues of one cluster by name: a private file in the state directory, replaced as a whole.

    What goes wrong with the file is `Refused`: nothing is held that could not be put back.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(
            state_directory() / "holds" / f"{name_of_cluster(context.profile)}.json",
            dict[str, Hold],
            dict,
            "The list of held queues",
            "Make room or mend its permissions: nothing is held that could not be put back.",
        )


def seen_at(report: WorkerReport, queue: ActiveQueue) -> HeldAt:
    """A worker's present incarnation, and how it declares a queue."""
    return HeldAt(pid=report.stats.pid if report.stats else None, started=started(report), queue=queue)


def started(report: WorkerReport) -> float | None:
    """When a worker began, our clock."""
    uptime = report.stats.uptime if report.stats is not None else None
    return None if uptime is None else report.at - uptime


def restarted(report: WorkerReport, held: HeldAt) -> float | None:
    """When a worker began anew since it was held; `None` when it did not, as far as it tells."""
    now, pid = started(report), report.stats.pid if report.stats is not None else None
    if now is None:
        return report.at if None not in (pid, held.pid) and pid != held.pid else None
    late = held.started is not None and now - held.started > SAME_START
    return now if late or (None not in (pid, held.pid) and pid != held.pid) else None


def declaration(queue: ActiveQueue) -> dict[str, Any]:
    """What `add_consumer` must say so that a worker declares the queue exactly so."""
    told: dict[str, Any] = {"queue": queue.name}
    for key, value in (
        ("exchange", queue.exchange),
        ("exchange_type", queue.exchange_type),
        ("routing_key", queue.routing_key),
        ("queue_arguments", queue.arguments),
    ):
        if value is not None:
            told[key] = value
    return told
