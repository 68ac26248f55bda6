"""The doctor: every failure mode that is looked for, one file each, most telling first."""

from __future__ import annotations

from lazycelery.insight.doctor import (
    auth_failed,
    backend_unreachable,
    backlog_growing,
    beat_duplicate,
    beat_missing,
    broker_memory,
    broker_unreachable,
    chord_stuck,
    clock_skew,
    config_drift,
    consumer_without_traffic,
    dead_letters,
    dead_letters_lost,
    duplicate_delivery,
    eta_beyond_visibility,
    event_queue_backlog,
    events_off,
    failure_spike,
    message_orphaned,
    monitor_behind,
    no_workers,
    pickle_accepted,
    poison_message,
    prefetch_hoarding,
    priority_starvation,
    queue_without_consumer,
    rate_limited_backlog,
    reply_queue_leak,
    results_off,
    results_without_expiry,
    retry_storm,
    sent_events_off,
    sla_burning,
    task_lost,
    task_silent,
    task_slow,
    task_stalled,
    task_unregistered,
    throughput_drop,
    tls_unverified,
    version_mixed,
    waiting_long,
    worker_busy_control,
    worker_deaf,
    worker_lost,
    worker_saturated,
)
from lazycelery.insight.doctor.mode import Mode

MODES: dict[str, Mode] = {
    module.MODE.code: module.MODE
    for module in (
        broker_unreachable,
        auth_failed,
        no_workers,
        worker_lost,
        worker_deaf,
        worker_busy_control,
        worker_saturated,
        queue_without_consumer,
        consumer_without_traffic,
        backlog_growing,
        task_stalled,
        task_lost,
        message_orphaned,
        duplicate_delivery,
        eta_beyond_visibility,
        prefetch_hoarding,
        poison_message,
        task_unregistered,
        retry_storm,
        failure_spike,
        task_slow,
        waiting_long,
        throughput_drop,
        task_silent,
        sla_burning,
        rate_limited_backlog,
        chord_stuck,
        priority_starvation,
        dead_letters,
        dead_letters_lost,
        events_off,
        sent_events_off,
        results_off,
        clock_skew,
        monitor_behind,
        backend_unreachable,
        results_without_expiry,
        version_mixed,
        config_drift,
        tls_unverified,
        pickle_accepted,
        broker_memory,
        reply_queue_leak,
        event_queue_backlog,
        beat_missing,
        beat_duplicate,
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
    "dead-letters-lost",
    "backend-unreachable",
    "broker-memory",
    "tls-unverified",
)
"""What can be told on a transport that shows no workers."""


def page(code: str) -> str:
    """The command that prints the page of a failure mode."""
    return f"lazycelery explain {code}"
