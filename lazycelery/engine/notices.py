"""Notices: what a person should know now. Few, certain, each with its cure."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.model.cluster import Notice, SourceHealth
from lazycelery.model.queue import Queue
from lazycelery.model.worker import Worker


def notices(
    sources: Sequence[SourceHealth],
    workers: Sequence[Worker],
    queues: Sequence[Queue],
    first_truth: bool,
    notes: Sequence[str],
    *,
    seen: bool = True,
) -> list[Notice]:
    """Everything worth saying, most severe first. `seen`: whether this broker shows workers at all."""
    found = [*_links(sources), *_queues(queues)]
    if seen:
        found += _workers(sources, workers, first_truth)
    found += [Notice(code="note", severity="info", title=text) for text in notes]
    order = {"critical": 0, "warning": 1, "info": 2}
    return sorted(found, key=lambda notice: order[notice.severity])


def _links(sources: Sequence[SourceHealth]) -> list[Notice]:
    broker = next(health for health in sources if health.name == "broker")
    if broker.state in ("lost", "refused"):
        return [
            Notice(
                code="broker-unreachable",
                severity="critical",
                title=broker.reason,
                hint=broker.hint,
                since=broker.since,
            )
        ]
    return [
        Notice(
            code=f"{health.name}-{health.state}",
            severity="warning" if health.state in ("lost", "refused") else "info",
            title=health.reason,
            subject=health.name,
            hint=health.hint,
            since=health.since,
        )
        for health in sources
        if health.name != "broker" and health.state in ("lost", "refused", "off") and health.reason
    ]


def _workers(sources: Sequence[SourceHealth], workers: Sequence[Worker], first_truth: bool) -> list[Notice]:
    broker = next(health for health in sources if health.name == "broker")
    if not first_truth or broker.state != "connected":
        return []
    online = [worker for worker in workers if worker.state in ("online", "busy")]
    found = [
        Notice(
            code="worker-lost",
            severity="critical",
            title=f"{worker.name}: {worker.why}",
            subject=worker.name,
            since=worker.last_seen,
        )
        for worker in workers
        if worker.lost
    ]
    if not online:
        found.append(
            Notice(
                code="no-workers",
                severity="critical",
                title="No worker answers, and no heartbeat is heard.",
                hint="Is a worker started on this broker, virtual host and database? With a "
                "global_keyprefix, set prefix in the profile.",
            )
        )
    silent = [worker.name for worker in online if worker.events is False]
    if silent:
        found.append(
            Notice(
                code="events-off",
                severity="warning",
                title=f"{len(silent)} of {len(online)} workers send no task events.",
                subject=silent[0],
                hint="E turns events on for this session; start workers with -E to keep them on.",
            )
        )
    return found


def _queues(queues: Sequence[Queue]) -> list[Notice]:
    return [
        Notice(
            code="dead-letters" if queue.dead_letter_from else "queue-without-consumer",
            severity="warning",
            title=queue.why,
            subject=queue.name,
            hint="Their header x-death tells why they are there."
            if queue.dead_letter_from
            else "Start a worker with -Q, or move the messages.",
        )
        for queue in queues
        if queue.why
    ]
