"""Messages were given up and put aside: rejected, expired, or delivered too often."""

from __future__ import annotations

from lazycelery.insight.advice import word
from lazycelery.insight.doctor.mode import Mode, count, fact, listed
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.faces import by_face
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding a queue of dead letters that nobody consumes."""
    if not seen.settled or not seen.connected:
        return []
    return [
        Finding(
            code="dead-letters",
            severity="warning",
            title=f"{count(queue.messages, 'dead message')} in {queue.name}, from "
            f"{listed(queue.dead_letter_from)}.",
            subject=queue.name,
            kind="queue",
            evidence=[
                fact(f"{count(queue.messages, 'message')} in {queue.name}", "broker", queue.messages),
                fact(f"{listed(queue.dead_letter_from)} put what they give up here", "broker"),
            ],
            fix="Their header x-death tells why: mend that, then "
            + by_face(
                f"`lazycelery requeue {word(queue.name)} --allow requeue`.", "`:move` brings them home."
            ),
            actions=["peek", "purge"],
        )
        for queue in seen.queues
        if queue.dead_letter_from and queue.messages and not queue.consumers
    ]


MODE = Mode("dead-letters", check)
