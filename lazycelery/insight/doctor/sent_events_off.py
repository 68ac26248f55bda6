"""Senders do not tell what they send: waiting times are unknown."""

from __future__ import annotations

from lazycelery.insight.advice import later, longer
from lazycelery.insight.doctor.mode import Mode, fact
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.counting import count
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding for all senders."""
    started = seen.tasks.received
    if not seen.connected or blind(seen) is not None or seen.tasks.sent:
        return []
    return [
        Finding(
            code="sent-events-off",
            severity="info",
            title="Senders do not tell what they send: waiting times are not known.",
            evidence=[
                fact(f"{count(started, 'task')} started, and of none the sending was told", "event", started)
            ],
            fix="Set task_send_sent_event = True where tasks are sent (web application, beat, workers).",
        )
    ]


def blind(seen: Snapshot) -> str | None:
    """Only running tasks show it."""
    if seen.tasks.sent:
        return None
    if seen.tasks.received < seen.limits.sent_events:
        return (
            f"{count(seen.tasks.received, 'task')} started meanwhile, and {seen.limits.sent_events} "
            f"are needed." + later(60, seen.replay, " There are no more in this recording.")
        )
    # What starts now may have been sent before we came: as long ago as a message waits.
    waits = [queue.wait_estimate for queue in seen.queues if queue.wait_estimate is not None]
    need = max([seen.limits.sent_watched, *waits])
    if seen.watched < need:
        return f"Watched for {seen.watched:.0f} s, and {need:.0f} are needed" + longer(need, seen.replay)
    return None


MODE = Mode("sent-events-off", check, blind, patience=2.0)
