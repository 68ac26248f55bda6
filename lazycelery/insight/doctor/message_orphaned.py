"""Messages were delivered to a worker that is gone: they come back, but late."""

from __future__ import annotations

from collections import defaultdict

from lazycelery.insight.doctor.mode import Mode, count, fact, listed, short_id, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.faces import by_face
from lazycelery.model.facts import Flight, WorkerFacts
from lazycelery.model.finding import Finding

LISTS = ("active", "reserved", "scheduled")
SWEEP = 100.0
"""Seconds between two sweeps of a worker, by Kombu's defaults: unacked_restore_interval x throttle."""

LEAVING = 60.0
"""Seconds that a worker which said goodbye may take to end."""


def check(seen: Snapshot) -> list[Finding]:
    """One finding a queue."""
    by_queue: dict[str, list[Flight]] = defaultdict(list)
    for flight in orphans(seen):
        by_queue[flight.queue].append(flight)
    return [_finding(seen, queue, flights) for queue, flights in by_queue.items()]


def orphans(seen: Snapshot) -> list[Flight]:
    """Messages that surely no living worker holds."""
    return [
        flight
        for flight in _unheld(seen)
        if all(_surely_not(seen, facts, flight) for facts in _holders(seen, flight))
    ]


def asks(seen: Snapshot) -> set[str]:
    """Workers that may hold what nobody is known to hold."""
    return {
        facts.name for flight in _unheld(seen) for facts in _holders(seen, flight) if facts.silent is None
    }


def held(seen: Snapshot) -> set[str]:
    """Ids of tasks that living workers hold, by lists that are of the process that lives."""
    return {
        task.id
        for facts in seen.alive
        for name in LISTS
        if facts.began is None or facts.at.get(name, 0.0) >= facts.began
        for task in getattr(facts, name) or ()
    }


def _unheld(seen: Snapshot) -> list[Flight]:
    if not seen.settled or not seen.connected or seen.flights is None:
        return []
    known, living = held(seen), {facts.name: facts for facts in seen.alive}
    leaving = {facts.name for facts in seen.workers if _leaves(seen, facts)}
    doubt = seen.limits.orphan_doubt
    return [
        flight
        for flight in seen.flights.messages
        if flight.id is not None
        and flight.id not in known
        and not flight.moved
        and flight.worker not in leaving
        and not _keeps(seen, living.get(flight.worker or ""), flight)
        and not _kept_back(seen, flight)
        # Somebody went, or came back as another process; that one does not hold it.
        and (len(living) < len(seen.workers) or flight.worker in living or _before_all(seen, flight))
        and (flight.delivered is None or seen.flights.at - flight.delivered > doubt)
    ]


def _leaves(seen: Snapshot, facts: WorkerFacts) -> bool:
    """Whether it said goodbye just now: it gives back what it holds at its very end."""
    stopped = facts.worker.stopped
    return not facts.worker.lost and stopped is not None and seen.now - stopped < LEAVING


def _keeps(seen: Snapshot, facts: WorkerFacts | None, flight: Flight) -> bool:
    """Whether its holder lives, as the process that took it: rate-limited ones are in none of its lists."""
    return facts is not None and facts.took(flight) and not seen.outlived(flight)


def _kept_back(seen: Snapshot, flight: Flight) -> bool:
    """Whether nobody told who took it, and one that lives may hold it for its rate limit: in no list."""
    untold = flight.worker is None and flight.task and not seen.outlived(flight)
    takers = seen.consumers(flight.queue) if untold else ()
    return any(facts.rate_of(flight.task) and facts.took(flight) for facts in takers)


def _before_all(seen: Snapshot, flight: Flight) -> bool:
    """Whether it was delivered before any that consumes its queue by now had started."""
    return seen.outlived(flight) or not any(facts.took(flight) for facts in seen.consumers(flight.queue))


def _holders(seen: Snapshot, flight: Flight) -> list[WorkerFacts]:
    """Living workers that may hold it: its queue's, and those whose queues are unknown."""
    return [facts for facts in seen.alive if facts.queues is None or flight.queue in facts.queues]


def _surely_not(seen: Snapshot, facts: WorkerFacts, flight: Flight) -> bool:
    """Asked after it was delivered, and before it was seen unacknowledged: the worker does not hold it."""
    whole = facts.whole
    if facts.silent is not None or seen.flights is None or flight.delivered is None or whole is None:
        return False
    if whole.at < (facts.began or 0.0) or flight.id in whole.ids:
        return False
    return flight.delivered + seen.limits.orphan_doubt < whole.at <= seen.flights.at


def _finding(seen: Snapshot, queue: str, flights: list[Flight]) -> Finding:
    number, timeout = len(flights), seen.visibility()
    times = [flight.delivered for flight in flights if flight.delivered is not None]
    oldest = min(times, default=seen.now)
    back = oldest + timeout
    left = max(0.0, back - seen.now)
    when = f"back in about {_minutes(left)}" if left else "due back, at the next sweep of a worker"
    if not seen.alive:
        when = "back only once a worker runs again"
    names = sorted({flight.task or "a task" for flight in flights})
    ids = listed([short_id(flight.id or "") for flight in flights], 5)
    left_at = min((_left_at(seen, flight) for flight in flights), default=oldest)
    noun = "message" if number == 1 else "messages"
    return Finding(
        code="message-orphaned",
        severity="critical" if left > 600 or not seen.alive else "warning",
        title=f"{number:,} {noun} of {queue} {'is' if number == 1 else 'are'} held by nobody, {when}.",
        subject=queue,
        kind="queue",
        since=left_at,
        follows=_left_by(seen, queue, flights),
        evidence=[
            fact(f"{count(number, 'unacknowledged message')} of {listed(names)}: {ids}", "broker", number),
            fact("no living worker has them active, reserved or scheduled", "control", 0),
            fact(f"the oldest was delivered {span(seen.now - oldest)} ago", "broker", oldest),
            fact(f"the visibility timeout is {span(timeout)}", "control", timeout),
            fact(
                f"it comes back then, at a worker's next sweep (every {span(SWEEP)} or so)", "inferred", back
            ),
        ],
        fix=by_face("`lazycelery restore --orphans --allow restore`", f"`:queue {queue}`, then `:orphans`,")
        + " puts them back now; else they come back by themselves. "
        "A lower visibility_timeout (above the longest task and ETA) makes that sooner.",
    )


def _left_at(seen: Snapshot, flight: Flight) -> float:
    """When nobody held it any more: its worker went, or began anew; of an unknown one, the last to go."""
    delivered = flight.delivered or seen.now
    if seen.outlived(flight) and seen.broker is not None:
        return seen.broker.began or delivered
    named = [facts for facts in seen.workers if facts.name == flight.worker]
    went = [
        at
        for facts in named or seen.workers
        for at in (facts.worker.stopped, facts.began if facts.alive and not facts.took(flight) else None)
        if at is not None and at >= delivered
    ]
    return min(went, default=delivered) if named else max(went, default=delivered)


def _left_by(seen: Snapshot, queue: str, flights: list[Flight]) -> list[str]:
    """Workers that held them; where nobody told, those that consumed the queue and were lost after that."""
    named = {flight.worker for flight in flights if flight.worker}
    first = min(flight.delivered or 0.0 for flight in flights)
    lost = {
        one.name
        for one in seen.workers
        if one.worker.lost and queue in (one.queues or ()) and (one.worker.stopped or seen.now) >= first
    }
    return sorted(named or lost)


def _minutes(seconds: float) -> str:
    return span(seconds) if seconds < 60 else span(60 * round(seconds / 60))


def blind(seen: Snapshot) -> str | None:
    """A recording has no messages."""
    return "Which messages are unacknowledged is not in a recording." if seen.replay else None


MODE = Mode("message-orphaned", check, blind, asks=asks, lingers=4.0)
