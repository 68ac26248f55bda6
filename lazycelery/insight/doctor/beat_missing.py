"""There is a schedule, and nobody sends what is due."""

from __future__ import annotations

from lazycelery.insight.doctor.mode import Mode, count, fact, span
from lazycelery.insight.doctor.schedule import Entry, entries
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.finding import Finding


def check(seen: Snapshot) -> list[Finding]:
    """One finding when every task that had to come by now is overdue."""
    if not seen.connected or _unheard(seen):
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
                    f"{first.name}: every {span(first.every)}, by the workers' beat_schedule",
                    "control",
                    first.every,
                ),
                fact(
                    f"not one was sent or received for {span(seen.now - _last(seen, first))}",
                    "event",
                    round(seen.now - _last(seen, first), 1),
                ),
                fact(
                    f"{count(len(overdue), 'entry').replace('entrys', 'entries')} overdue, none on time",
                    "inferred",
                    len(overdue),
                ),
            ],
            fix="Start it: `celery -A yourapp beat`, exactly one; with a database scheduler look whether the "
            "entries are enabled.",
        )
    ]


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
        return (
            f"Watched for {seen.watched:.0f} s; the shortest interval needs {need:.0f}: --observe {need:.0f}."
        )
    return None


MODE = Mode("beat-missing", check, blind, lingers=3.0)
