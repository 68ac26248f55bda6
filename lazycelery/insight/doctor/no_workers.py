"""Nobody works: no answer, no heartbeat."""

from __future__ import annotations

from lazycelery.insight.advice import longer
from lazycelery.insight.doctor.mode import Mode, count, fact, listed, short
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Finding

HEARTBEAT = 2.5
"""Seconds of listening in which each worker beats once."""


def check(seen: Snapshot) -> list[Finding]:
    """One finding when not one worker lives."""
    if not seen.settled or not seen.connected or seen.alive or blind(seen) is not None:
        return []
    waiting = sum(queue.messages or 0 for queue in seen.queues)
    gone = [facts for facts in seen.workers if facts.worker.state == "offline"]
    evidence = [
        fact("no worker answered ping", "control", 0),
        fact(
            f"{count(waiting, 'message', does='wait')} in {count(len(seen.queues), 'queue')}",
            "broker",
            waiting,
        ),
    ]
    if gone:
        names = listed([short(facts.name) for facts in gone])
        evidence.append(fact(f"{count(len(gone), 'worker')} went: {names}", "event", len(gone)))
    stopped = [facts.worker.stopped for facts in gone if facts.worker.stopped is not None]
    return [
        Finding(
            code="no-workers",
            severity="critical",
            title="No worker answers, and no heartbeat is heard.",
            since=max(stopped, default=None),
            evidence=evidence,
            related=[facts.name for facts in gone],
            fix="Start one with `celery -A yourapp worker -E` on this broker, virtual host and "
            "database; with a global_keyprefix, set prefix in the profile.",
        )
    ]


def blind(seen: Snapshot) -> str | None:
    """Workers beat every two seconds."""
    if seen.watched < HEARTBEAT and not seen.workers:
        told = f"Heartbeats come every 2 s, and we listen for {seen.watched:.1f} s"
        return told + longer(5, seen.replay)
    return None


MODE = Mode("no-workers", check, blind, lingers=0.0)
