"""Messages wait in a queue that nobody consumes, often because of a misspelt name."""

from __future__ import annotations

from lazycelery.insight.advice import let_consume, more_patience, word
from lazycelery.insight.doctor.mode import Mode, count, fact, listed, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.faces import by_face
from lazycelery.model.finding import Finding
from lazycelery.model.queue import Queue
from lazycelery.store.queues import near

UNNAMED = (
    "Without the management API nobody names all queues: one that no worker consumes is seen only where "
    "senders tell it (task_send_sent_event = True) or the profile does (queues)."
)


def check(seen: Snapshot) -> list[Finding]:
    """One finding a queue."""
    if not seen.settled or not seen.connected or not seen.alive or not seen.told:
        return []
    consumed = sorted({name for facts in seen.alive for name in facts.queues or ()})
    return [
        _finding(seen, queue, consumed)
        for queue in seen.queues
        if queue.messages
        and not queue.consumers
        and queue.name not in consumed
        and queue.held is None  # On purpose, and its page says so.
        and not queue.dead_letter_from  # Those are to be looked at by a person.
    ]


def _finding(seen: Snapshot, queue: Queue, consumed: list[str]) -> Finding:
    meant = near(queue.name, consumed)
    waiting = queue.messages or 0
    evidence = [
        fact(f"{count(waiting, 'message')} in {queue.name}", "broker", waiting),
        fact(f"none of {count(len(seen.alive), 'worker')} consumes it", "control", 0),
        fact(f"consumed are {listed(consumed, 6)}" if consumed else "workers consume nothing", "control"),
    ]
    if queue.oldest_age is not None:
        evidence.append(fact(f"the oldest waits for {span(queue.oldest_age)}", "broker", queue.oldest_age))
    if meant:
        fix = (
            "Correct the name where it is sent (task_routes, queue=), then "
            + by_face(
                f"`lazycelery move {word(queue.name)} {word(meant)} --allow move`", f"`:move` to {meant}"
            )
            + f"; or let a worker take it: {let_consume(queue.name)}."
        )
    else:
        take = f"Let a worker take it: {let_consume(queue.name)}"
        fix = f"{take}, or start one with `-Q {queue.name}`; or purge it."
    asked = f" Did you mean {meant}?" if meant else ""
    return Finding(
        code="queue-without-consumer",
        severity="warning",
        title=f"{count(waiting, 'message')} in {queue.name}, nobody consumes it.{asked}",
        subject=queue.name,
        kind="queue",
        evidence=evidence,
        fix=fix,
        actions=["peek", "consumers", "purge"],
    )


def blind(seen: Snapshot) -> str | None:
    """Queues of workers that do not answer are unknown."""
    silent = [facts.name for facts in seen.alive if facts.queues is None]
    if silent:
        return (
            f"{listed(silent)} did not tell what {'it consumes' if len(silent) == 1 else 'they consume'}."
            + more_patience(seen.replay)
        )
    if seen.broker is not None and not seen.broker.tells_queues:
        return UNNAMED
    return None


MODE = Mode("queue-without-consumer", check, blind, patience=1.0)
