"""Reply queues of clients that never came back pile up on the broker."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, count, fact
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding for all of them."""
    facts = seen.broker
    if facts is None or facts.reply_queues is None or facts.reply_queues < seen.limits.reply_queues:
        return []
    number = facts.reply_queues
    return [
        Finding(
            code="reply-queue-leak",
            severity="warning",
            title=f"{count(number, 'reply queue', does='are')} bound: "
            "clients ask workers and never clean up.",
            evidence=[
                fact(f"{count(number, 'binding')} of reply.celery.pidbox", "broker", number),
                fact("each of them gets a copy of nothing, and is walked through by every reply", "inferred"),
            ],
            fix="Find who calls `inspect` or `control` in a loop with a new app or process each "
            "time; stale bindings "
            "can be removed with SREM while no such client runs.",
        )
    ]


def blind(seen: Snapshot) -> str | None:
    """Only some brokers can count them."""
    if seen.broker is None or seen.broker.reply_queues is None:
        return "This broker removes reply queues with their connection, or does not count them."
    return None


MODE = Mode("reply-queue-leak", check, blind)
