"""Somebody listens to events and does not keep up: their queue grows on the broker."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, count, fact, listed
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding for all such queues."""
    backlog = seen.broker.event_backlog if seen.broker else {}
    deep = {name: number for name, number in backlog.items() if number >= seen.limits.event_backlog}
    if not deep:
        return []
    worst = max(deep, key=lambda name: deep[name])
    return [
        Finding(
            code="event-queue-backlog",
            severity="warning",
            title=f"{count(deep[worst], 'event', does='wait')} for a monitor that does not keep up.",
            subject=worst,
            kind="queue",
            evidence=[
                fact(f"{count(number, 'event')} in {name}", "broker", number) for name, number in deep.items()
            ],
            fix=f"Stop or restart the monitor behind {listed(list(deep))}; set event_queue_ttl and "
            "event_queue_expires, so that such queues empty themselves.",
        )
    ]


def blind(seen: Snapshot) -> str | None:
    """Events wait in queues on some brokers only."""
    if seen.broker is None or not seen.broker.tells_events:
        return "Events do not wait on this broker (Redis), or the management API that would tell is missing."
    return None


MODE = Mode("event-queue-backlog", check, blind)
