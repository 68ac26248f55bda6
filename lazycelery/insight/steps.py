"""Nobody answers: every step from the broker to a busy pool, each checked, ending in the likely cause."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.insight.doctor.broker_unreachable import REFUSED
from lazycelery.insight.doctor.mode import count, listed, short, span
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.facts import WorkerFacts
from lazycelery.model.finding import Evidence, Finding, Step

LAST = "what it looks like"
"""The name of the last step: the likely cause."""
STEP = "step"
TELLING = ("auth-failed", "broker-unreachable", "broker-memory", "no-workers", "worker-busy-control")
"""Findings that say that nobody answers, the first cause first."""
HEARD = 10.0
"""Seconds since a heartbeat within which a worker beats."""


def nobody_answers(seen: Snapshot) -> bool:
    """Whether no worker lives, or each that does was asked and is silent."""
    return all(
        facts.silent is not None and seen.now - facts.silent >= seen.limits.silent for facts in seen.alive
    )


def refused(seen: Snapshot) -> str:
    """Why the broker takes none of our questions; empty when it does."""
    control = seen.source("control")
    blocked = seen.broker.blocked if seen.broker else None
    if blocked:
        return f"It takes none now: {blocked}."
    return control.reason if control.state in ("lost", "refused") else ""


def steps(seen: Snapshot) -> list[Step]:
    """The steps in order. After the first that fails the others tell what they can."""
    broker = seen.source("broker")
    if not seen.connected:
        return [
            Step(name="broker reachable", ok=False, text=broker.reason),
            Step(name=LAST, ok=None, text=_away(seen)),
        ]
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
    return [*made, Step(name=LAST, ok=None, text=_cause(seen))]


def with_steps(findings: Sequence[Finding], made: Sequence[Step]) -> None:
    """Let the finding that says that nobody answers show the steps, as evidence of the source `step`."""
    for finding in findings:
        finding.evidence = [fact for fact in finding.evidence if fact.source != STEP]
    told = next((one for code in TELLING for one in findings if one.code == code), None)
    if told is not None:
        words = {True: "yes", False: "no", None: "not known"}
        told.evidence += [
            Evidence(
                text=step.text if step.name == LAST else f"{step.name}: {words[step.ok]}. {step.text}",
                source=STEP,
            )
            for step in made
        ]


def _away(seen: Snapshot) -> str:
    broker = seen.source("broker")
    if broker.code == REFUSED:
        return f"The broker is there and does not let us in. {broker.hint}".strip()
    return f"The broker is not there, or this machine cannot reach it. {broker.hint}".strip()


def _accepts(seen: Snapshot) -> Step:
    if why := refused(seen):
        return Step(name="broker takes messages", ok=False, text=why)
    return Step(name="broker takes messages", ok=True, text="Our questions were published.")


def _bindings(seen: Snapshot) -> Step:
    if seen.queues:
        names = listed([queue.name for queue in seen.queues], 4)
        return Step(name="Celery was here", ok=True, text=f"{count(len(seen.queues), 'queue')}: {names}.")
    return Step(
        name="Celery was here",
        ok=False,
        text=f"No queue of Celery is bound{_elsewhere(seen)}. {_prefixes(seen)}".strip(),
    )


def _mailboxes(seen: Snapshot) -> Step:
    known = [facts for facts in seen.workers if facts.worker.state != "unknown"]
    if seen.workers:
        names = listed([short(facts.name) for facts in known or seen.workers])
        return Step(name="mailboxes", ok=True, text=f"Known by name: {names}.")
    if refused(seen):
        return Step(name="mailboxes", ok=None, text="Whoever is there cannot be asked.")
    return Step(
        name="mailboxes",
        ok=False,
        text="No worker's mailbox is there: none ever started here with remote control "
        "(worker_enable_remote_control), or its control_exchange is another.",
    )


def _heartbeats(seen: Snapshot) -> Step:
    beating = [facts for facts in seen.workers if beats(facts)]
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
    if refused(seen):
        return Step(name="answers to ping", ok=None, text="Nobody was asked: no question went out.")
    listening = [facts for facts in seen.workers if facts.listening]
    if listening:
        names = listed([short(facts.name) for facts in listening])
        told = f"None, though the broker counts a listener for {names}."
        return Step(name="answers to ping", ok=False, text=told)
    return Step(name="answers to ping", ok=False, text="None, and no mailbox has a listener.")


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


def why_silent(facts: WorkerFacts) -> str:
    """Why a worker that lives does not answer, as far as its signs tell it apart."""
    name = short(facts.name)
    if facts.answered is None and beats(facts):
        # Its loop goes on, as it beats; and it has never answered.
        if facts.listening:
            return (
                f"{name} beats, listens and never answered: it accepts only pickle (accept_content without "
                "json), and refuses our questions."
            )
        return f"{name} beats and has no mailbox: remote control is off (worker_enable_remote_control)."
    if facts.worker.pool == "solo":
        return f"{name} has a solo pool: its only thread is inside a task, and answers when that ends."
    if not beats(facts):
        return (
            f"{name} listens, and neither beats nor answers: a solo worker inside a task, or a process that "
            "is stopped or hangs."
        )
    return f"{name} beats and does not answer: its main process is held up, or just too busy."


def beats(facts: WorkerFacts) -> bool:
    """Whether its heartbeats are heard."""
    age = facts.worker.heartbeat_age
    return age is not None and age < HEARD


def _elsewhere(seen: Snapshot) -> str:
    places = seen.broker.elsewhere if seen.broker else []
    here = f" in this {_realm(seen)}"
    return f"{here}; {_others(seen, places)}" if places else here


def _realm(seen: Snapshot) -> str:
    return seen.realm.removesuffix(" number")


def _others(seen: Snapshot, places: list[str]) -> str:
    if seen.realm == "virtual host":
        return f"there are others: {listed(places, 5)}"
    return f"keys are in {listed(places, 5)}"


def _prefixes(seen: Snapshot) -> str:
    return " ".join(note for note in seen.notes if "prefix" in note)


def _cause(seen: Snapshot) -> str:
    if why := refused(seen):
        return f"The broker takes no messages, neither ours nor those of senders: {why.rstrip('.')}."
    silent = [facts for facts in seen.workers if facts.alive and facts.silent is not None]
    if silent:
        causes = [why_silent(facts) for facts in silent]
        more = f" And {len(causes) - 3:,} more are silent." if len(causes) > 3 else ""
        return " ".join(causes[:3]) + more
    lost = [facts for facts in seen.workers if facts.worker.lost]
    if lost:
        return (
            f"The workers are gone without goodbye ({listed([short(one.name) for one in lost])}): start them."
        )
    if any(facts.worker.stopped is not None for facts in seen.workers):
        return "The workers were stopped: start them."
    if not seen.queues:
        prefixes = _prefixes(seen)
        if "Other applications" in prefixes:
            return f"Another key prefix: {prefixes}"
        places = seen.broker.elsewhere if seen.broker else []
        if places:
            return f"Probably another {_realm(seen)}: this one is empty, and {_others(seen, places)}."
        return "Nothing of Celery is here: compare host, database or virtual host, and prefix with the app's."
    counted = sum(queue.consumers or 0 for queue in seen.queues if queue.sources.get("consumers") == "broker")
    if counted:
        return (
            f"Workers are there ({count(counted, 'consumer')}) and hide: they run without remote control and "
            "heartbeats (worker_enable_remote_control = False, --without-heartbeat)."
        )
    return "No worker is started on this broker, or they run without remote control and heartbeats."
