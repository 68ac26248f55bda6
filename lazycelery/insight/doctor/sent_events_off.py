"""Senders do not tell what they send: waiting times are unknown."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, fact
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding for all senders."""
    started, sent = seen.tasks.received, seen.tasks.sent
    if not seen.connected or started < seen.limits.sent_events or sent:
        return []
    return [
        Finding(
            code="sent-events-off",
            severity="info",
            title="Senders do not tell what they send: waiting times are not known.",
            evidence=[fact(f"{started:,} tasks started, and of none the sending was told", "event", started)],
            fix="Set task_send_sent_event = True where tasks are sent (web application, beat, workers).",
        )
    ]


def blind(seen: Snapshot) -> str | None:
    """Only running tasks show it."""
    if seen.tasks.received < seen.limits.sent_events and not seen.tasks.sent:
        return (
            f"{seen.tasks.received} tasks started while we watched, and {seen.limits.sent_events} "
            "are needed. "
            "--observe 60 waits longer."
        )
    return None


MODE = Mode("sent-events-off", check, blind, patience=2.0)
