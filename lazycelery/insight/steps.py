"""Nobody answers: every step from the broker to a busy pool, each checked, ending in the likely cause."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import count, listed, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Step


def steps(seen: Snapshot) -> list[Step]:
    """The steps in order. After the first that fails the others tell what they can."""
    broker = seen.source("broker")
    if not seen.connected:
        return [Step(name="broker reachable", ok=False, text=f"{broker.reason} {broker.hint}".strip())]
    made = [
        Step(name="broker reachable", ok=True, text="It answers and lets us in."),
        _accepts(seen),
        _bindings(seen),
        _mailboxes(seen),
        _heartbeats(seen),
        _answers(seen),
        _consume(seen),
        _busy(seen),
    ]
    return [*made, Step(name="what it looks like", ok=None, text=_cause(seen))]


def _accepts(seen: Snapshot) -> Step:
    blocked = seen.broker.blocked if seen.broker else None
    if blocked:
        return Step(name="broker takes messages", ok=False, text=f"It takes none now: {blocked}.")
    return Step(name="broker takes messages", ok=True, text="Our questions were published.")


def _bindings(seen: Snapshot) -> Step:
    if seen.queues:
        names = listed([queue.name for queue in seen.queues], 4)
        return Step(name="Celery was here", ok=True, text=f"{count(len(seen.queues), 'queue')}: {names}.")
    return Step(
        name="Celery was here",
        ok=False,
        text=f"No queue of Celery is bound: another {seen.realm}, or another global_keyprefix? "
        + " ".join(note for note in seen.notes if "prefix" in note),
    )


def _mailboxes(seen: Snapshot) -> Step:
    known = [facts for facts in seen.workers if facts.worker.state != "unknown"]
    if seen.workers:
        names = listed([short(facts.name) for facts in known or seen.workers])
        return Step(name="mailboxes", ok=True, text=f"Known by name: {names}.")
    return Step(
        name="mailboxes",
        ok=False,
        text="No worker's mailbox is there: none ever started here with remote control "
        "(worker_enable_remote_control), or its control_exchange is another.",
    )


def _heartbeats(seen: Snapshot) -> Step:
    beating = [facts for facts in seen.workers if (facts.worker.heartbeat_age or 1e9) < 10]
    if beating:
        return Step(name="heartbeats", ok=True, text=f"From {listed([short(one.name) for one in beating])}.")
    gone = [facts for facts in seen.workers if facts.worker.stopped is not None]
    if gone:
        last = max(gone, key=lambda facts: facts.worker.stopped or 0.0)
        how = "was lost" if last.worker.lost else "stopped"
        ago = span(seen.now - (last.worker.stopped or seen.now))
        return Step(name="heartbeats", ok=False, text=f"None; the last, {short(last.name)}, {how} {ago} ago.")
    return Step(name="heartbeats", ok=False, text=f"None in {seen.watched:.0f} s; they come every 2 s.")


def _answers(seen: Snapshot) -> Step:
    listening = [facts for facts in seen.workers if facts.listening]
    if listening:
        names = listed([short(facts.name) for facts in listening])
        return Step(
            name="answers to ping",
            ok=False,
            text=f"None, though the broker counts a listener for {names}: a solo worker inside a task, or "
            "one that accepts only pickle.",
        )
    return Step(name="answers to ping", ok=False, text="None.")


def _consume(seen: Snapshot) -> Step:
    told = [facts for facts in seen.alive if facts.queues]
    if told:
        return Step(name="queues consumed", ok=True, text=listed(_queues(told), 5) + ".")
    counted = sum(queue.consumers or 0 for queue in seen.queues if queue.sources.get("consumers") == "broker")
    if counted:
        return Step(name="queues consumed", ok=True, text=f"The broker counts {count(counted, 'consumer')}.")
    return Step(name="queues consumed", ok=None, text="Only workers tell, and none does.")


def _busy(seen: Snapshot) -> Step:
    active = sum(facts.worker.active or 0 for facts in seen.alive)
    if active:
        return Step(name="pool busy", ok=True, text=f"{count(active, 'task', does='run')}.")
    return Step(name="pool busy", ok=None, text="No task is seen running.")


def _queues(told: list[WorkerFacts]) -> list[str]:
    return sorted({name for facts in told for name in facts.queues or ()})


def _cause(seen: Snapshot) -> str:
    if any(facts.listening for facts in seen.workers):
        return (
            "A worker is there and answers nobody: its solo pool is inside a task, or it accepts only pickle."
        )
    lost = [facts for facts in seen.workers if facts.worker.lost]
    if lost:
        return (
            f"The workers are gone without goodbye ({listed([short(one.name) for one in lost])}): start them."
        )
    if any(facts.worker.stopped is not None for facts in seen.workers):
        return "The workers were stopped: start them."
    if not seen.queues:
        return "Nothing of Celery is here: compare host, database or virtual host, and prefix with the app's."
    return "No worker is started on this broker, or they run without remote control and heartbeats."
