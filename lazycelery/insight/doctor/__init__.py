"""The doctor: every failure mode that is looked for, one file each, most telling first."""

from __future__ import annotations

from lazycelery.insight.doctor import (
    auth_failed,
    backend_unreachable,
    broker_unreachable,
    dead_letters,
    events_off,
    monitor_behind,
    no_workers,
    pickle_accepted,
    queue_without_consumer,
    results_off,
    tls_unverified,
    worker_lost,
)
from lazycelery.insight.doctor.mode import Mode

MODES: dict[str, Mode] = {
    module.MODE.code: module.MODE
    for module in (
        broker_unreachable,
        auth_failed,
        no_workers,
        worker_lost,
        queue_without_consumer,
        dead_letters,
        events_off,
        results_off,
        backend_unreachable,
        monitor_behind,
        tls_unverified,
        pickle_accepted,
    )
}
"""By code, in the order in which they are looked for."""
NEED_NO_BROKER = ("broker-unreachable", "auth-failed")
"""What can be told without a connection."""
NEED_NO_WORKER = (
    *NEED_NO_BROKER,
    "backlog-growing",
    "priority-starvation",
    "dead-letters",
    "backend-unreachable",
    "broker-memory",
    "tls-unverified",
)
"""What can be told on a transport that shows no workers."""
PAGES = "docs/findings"


def page(code: str) -> str:
    """The page of a failure mode in the documentation."""
    return f"{PAGES}/{code}.md"
