"""There is a schedule, and nobody sends what is due."""

from __future__ import annotations

from lazycelery.insight.advice import longer
from lazycelery.insight.doctor.mode import Mode, count, fact, span
from lazycelery.insight.doctor.schedule import Entry, entries
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Finding

PATIENCE = {"redbeat": 300.0, "django": 260.0}
"""Seconds after which a scheduler that lives has sent what is due, and written it down: RedBeat looks every 5
minutes at least, Django's writes every 3."""
STALE = 120.0
"""Seconds after which what was read of a scheduler proves nothing."""


def check(seen: Snapshot) -> list[Finding]:
    """One finding when every task that had to come by now is overdue."""
    if not seen.connected:
        return []
    if kept := [finding for name in PATIENCE if (finding := _by_store(seen, name))]:
        return kept[:1]
    if _unheard(seen):
        return []
    judged = _judged(seen)
    overdue = [entry for entry in judged if seen.now - _last(seen, entry) > _patience(seen, entry)]
    if not overdue or len(overdue) < len(judged):
        return []
    first = min(overdue, key=lambda entry: entry.every)
    since = _last(seen, first) + first.every
    return [
        Finding(
            code="beat-missing",
            severity="critical",
            title=f"Nobody sends what is scheduled: {first.task} is due every {span(first.every)}.",
            subject=first.task,
            since=since,
            evidence=[
                fact(
                    f"{first.name}: every {span(first.every)}, by {first.by}",
                    "control",
                    first.every,
                ),
                fact(
                    f"not one was sent or received for {span(seen.now - _last(seen, first))}",
                    "event",
                    round(seen.now - _last(seen, first), 1),
                ),
                fact(
                    f"{count(len(overdue), 'entry')} overdue, none on time",
                    "inferred",
                    len(overdue),
                ),
            ],
            fix="Start it: `celery -A yourapp beat`, exactly one; with a database scheduler look whether the "
            "entries are enabled.",
        )
    ]


def _by_store(seen: Snapshot, name: str) -> Finding | None:
    """By a scheduler's own due times: the most overdue entry, when no other one was sent since."""
    own = [one for one in seen.schedule if one.scheduler == name and one.enabled and one.task]
    patience = PATIENCE[name] + seen.limits.beat_grace
    state = next((one for one in seen.schedulers if one.name == name), None)
    late = [one for one in own if one.next_run is not None and (one.late or 0.0) > patience]
    if not late or state is None or state.at is None or seen.now - state.at > STALE:
        return None
    first = min(late, key=lambda one: one.next_run or 0.0)
    due = first.next_run or 0.0
    ran = max((one.last_run for one in own if one.last_run is not None), default=None)
    renewed = state.locked is not None and seen.now - (state.renewed or seen.now) < patience
    if renewed or (ran is not None and ran > due + patience):
        return None  # A beat lives; why it leaves this one out, its page may tell.
    if name == "django" and not _silence(seen, first.task, patience):
        return None  # A database may write local times, which look late.
    words = {"redbeat": "RedBeat's", "django": "the database's"}[name]
    evidence = [
        fact(
            f"{first.name}: due {span(seen.now - due)} ago, by {words} schedule",
            "broker",
            round(seen.now - due),
        ),
        fact(f"{len(late):,} of {len(own):,} enabled entries are overdue", "inferred", len(late)),
    ]
    if ran is not None:
        evidence.append(
            fact(f"the last run of any was {span(seen.now - ran)} ago", "broker", round(seen.now - ran))
        )
    if name == "redbeat":
        held = "nobody holds its lock" if state.locked is None else "its lock is held, and not renewed"
        evidence.append(fact(held, "broker"))
    return Finding(
        code="beat-missing",
        severity="critical",
        title=f"Nobody sends what is scheduled: {first.task} was due {span(seen.now - due)} ago.",
        subject=first.task,
        since=due,
        evidence=evidence,
        fix="Start beat with this scheduler, exactly one; or look into its log.",
    )


def _silence(seen: Snapshot, task: str, patience: float) -> bool:
    """Whether events would have told of it, and did not."""
    heard = seen.watched > patience and _unheard(seen) is None and bool(seen.alive)
    return heard and not any(seen.now - at < patience for at, _ in seen.periodic.get(task, ()))


def _judged(seen: Snapshot) -> list[Entry]:
    """Entries that must have been sent at least once while we watched."""
    return [entry for entry in entries(seen) if seen.watched > _patience(seen, entry)]


def _patience(seen: Snapshot, entry: Entry) -> float:
    return 2 * entry.every + seen.limits.beat_grace


def _last(seen: Snapshot, entry: Entry) -> float:
    sent = seen.periodic.get(entry.task, ())
    return max([seen.now - seen.watched, *(at for at, _ in sent)])


def _unheard(seen: Snapshot) -> str | None:
    """Why what is sent may go unheard: unless beat tells it itself, only its reception is heard."""
    if any(sender for entry in entries(seen) for _, sender in seen.periodic.get(entry.task, ())):
        return None
    if any(facts.worker.events is False for facts in seen.alive):
        return "Beat does not tell what it sends, and some workers send no task events. Start them with -E."
    if any(queue.messages and not queue.dead_letter_from for queue in seen.queues):
        return (
            "Beat does not tell what it sends, and what it sent may be among the messages that wait: set "
            "task_send_sent_event = True."
        )
    return None


def blind(seen: Snapshot) -> str | None:
    """It needs a schedule with intervals, events, and time."""
    known = entries(seen)
    if not known:
        return "The workers' settings have no beat_schedule with plain intervals."
    if all(facts.worker.events is False for facts in seen.alive):
        return "Workers send no task events. Start them with -E."
    if why := _unheard(seen):
        return why
    if not _judged(seen):
        need = min(_patience(seen, entry) for entry in known)
        told = f"Watched for {seen.watched:.0f} s; the shortest interval needs {need:.0f}"
        return told + longer(need, seen.replay)
    return None


MODE = Mode("beat-missing", check, blind, lingers=3.0)
