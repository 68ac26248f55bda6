"""A queue sends what it gives up to an exchange from which no queue gets it: it is gone without a trace."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, fact
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Finding
from lazycelery.model.queue import Queue


def check(seen: Snapshot) -> list[Finding]:
    """One finding a queue."""
    if not seen.settled or not seen.connected:
        return []
    return [_finding(queue, queue.dead_letter_lost) for queue in seen.queues if queue.dead_letter_lost]


def _finding(queue: Queue, why: str) -> Finding:
    exchange = queue.dead_letter_exchange or "the default exchange"
    return Finding(
        code="dead-letters-lost",
        severity="warning",
        title=f"Dead letters of {queue.name} are lost: {why}.",
        subject=queue.name,
        kind="queue",
        evidence=[
            fact(f"x-dead-letter-exchange of {queue.name} is {exchange}", "broker"),
            fact(f"{why}, as the management API tells", "broker"),
        ],
        fix="Declare the exchange, and bind a queue to it for that routing key; nothing is to be changed at "
        f"{queue.name}. What is rejected or expires there until then is gone.",
    )


def blind(seen: Snapshot) -> str | None:
    """Only RabbitMQ has dead letters."""
    if seen.broker is None or not seen.broker.tells_letters:
        return "This broker has no dead letters, or the management API that would tell of them is missing."
    return None


MODE = Mode("dead-letters-lost", check, blind, patience=1.0)
