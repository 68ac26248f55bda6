"""Workers run tasks and send no task events."""

from __future__ import annotations

from lazycelery.insight.advice import later
from lazycelery.insight.doctor.mode import Mode, count, fact, listed, short
from lazycelery.insight.doctor.snapshot import Snapshot
from lazycelery.model.counting import agreed
from lazycelery.model.faces import by_face
from lazycelery.model.finding import Finding
from lazycelery.model.reel import Replay


def check(seen: Snapshot) -> list[Finding]:
    """One finding for all silent workers: they are nearly always the same app."""
    online = seen.alive
    silent = [facts for facts in online if facts.worker.events is False]
    if not silent or not seen.connected:
        return []
    done = sum(facts.worker.processed or 0 for facts in silent)
    return [
        Finding(
            code="events-off",
            severity="warning",
            title=f"{len(silent)} of {count(len(online), 'worker')} {agreed(len(silent), 'send')} "
            f"no task events.",
            subject=silent[0].name,
            kind="worker",
            related=[facts.name for facts in silent[1:]],
            evidence=[
                fact(f"heartbeats count {count(done, 'task')}, and no event told of the last", "event", done),
                fact(f"silent: {listed([short(facts.name) for facts in silent])}", "event", len(silent)),
            ],
            fix=_fix(seen.replay),
            actions=["events"],
        )
    ]


def _fix(replay: Replay) -> str:
    if replay:
        return "Start workers with -E, or set worker_send_task_events = True."
    now = by_face(
        "`lazycelery worker events on --allow events` turns them on",
        "`:events` turns them on for this session",
    )
    return f"{now}; start workers with -E, or set worker_send_task_events = True, to keep them on."


def blind(seen: Snapshot) -> str | None:
    """A worker that runs nothing has nothing to tell."""
    if seen.alive and all(facts.worker.events is None for facts in seen.alive):
        reach = "this recording" if seen.replay == "whole" else f"{seen.watched:.0f} s"
        told = f"No task ran in {reach}, and only running ones show whether events are sent."
        return told + later(30, seen.replay, "")
    return None


MODE = Mode("events-off", check, blind)
