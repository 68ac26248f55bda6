"""A task's moments in order, with what happened between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lazycelery.model.task import Attempt, Task
from lazycelery.model.text import clean
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.line import Line, fit, width_of
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.signs import of_task
from lazycelery.tui.presentation.workers import short_name

ONE_LINE = 84
"""Cells from which on a gap stands beside its moment."""
WORDS = {"success": "succeeded", "failure": "failed", "retry": "retried"}


@dataclass
class Moment:
    """One thing that happened, and what filled the time until the next."""

    word: str
    state: str
    at: float | None
    who: str = ""
    gap: str = ""


def timeline(task: Task, look: Look, width: int) -> list[Line]:
    """All runs of a task, oldest first."""
    moments = _moments(task, look)
    if not moments:
        return [(("No moment of it has been seen.", "dim"),)]
    lines: list[Line] = []
    for at, moment in enumerate(moments):
        joint = 0 if at == 0 else 2 if at == len(moments) - 1 else 1
        lines += _lines(moment, look.signs.joints[joint], look, width)
    inferred = sorted({name for attempt in task.attempts for name in attempt.inferred})
    if inferred:
        lines += [(), ((f"Inferred, not told: {clean(', '.join(inferred), 200)}", "dim"),)]
    return lines


def _lines(moment: Moment, joint: str, look: Look, width: int) -> list[Line]:
    sign, token = of_task(moment.state, look.signs)
    when = q.clock(moment.at, look.utc, millis=True) if moment.at is not None else q.UNKNOWN
    head: Line = ((f"{sign} {moment.word:<9} ", token), (f"{when:<12}  ", ""))
    if width >= ONE_LINE:
        room = max(width_of(moment.gap), 26)
        who = fit(moment.who, max(8, min(46, width - 26 - room - 3)))
        return [(*head, (f"{who} ", ""), (f"{joint} ", "dim"), (moment.gap, "dim"))]
    lines: list[Line] = [(*head, (moment.who, ""))]
    if moment.gap:
        lines.append(((f"  {look.signs.upright} ", "dim"), (moment.gap, "dim")))
    return lines


def _moments(task: Task, look: Look) -> list[Moment]:
    attempts = task.attempts or [_whole(task)]
    moments: list[Moment] = []
    for place, attempt in enumerate(attempts):
        sent = attempt.sent if attempt.sent is not None else task.sent if place == 0 else None
        own = _of_attempt(attempt, sent, task)
        if moments and own:
            moments[-1].gap = " ".join(
                part for part in (moments[-1].gap, _again(moments[-1], own[0], attempt)) if part
            )
        moments += own
    if moments and task.state in ("waiting", "received", "started"):
        last = moments[-1]
        if last.at is not None and not last.gap:
            word = {"sent": "waiting", "received": "prefetched", "started": "running"}.get(last.word, "")
            last.gap = f"{word} since {q.age(look.now - last.at)}" if word else ""
    return moments


def _whole(task: Task) -> Attempt:
    return Attempt(
        number=1,
        worker=task.worker,
        pid=task.pid,
        received=task.received,
        started=task.started,
        finished=task.finished,
        state=task.state,
        error=task.error,
    )


def _of_attempt(attempt: Attempt, sent: float | None, task: Task) -> list[Moment]:
    worker = clean(attempt.worker, 80) if attempt.worker else ""
    pid = f" pid {attempt.pid}" if attempt.pid else ""
    queue = clean(task.queue, 60) if task.queue else ""
    moments: list[Moment] = []
    if sent is not None:
        moments.append(Moment("sent", "waiting", sent, f"to {queue}" if queue else ""))
    if attempt.received is not None:
        _close(moments, attempt.received, "waited", f" in {queue}" if queue else "")
        moments.append(Moment("received", "received", attempt.received, worker))
    if attempt.started is not None:
        word = "prefetched" if attempt.received is not None else "waited"
        _close(moments, attempt.started, word, f" on {short_name(worker)}" if worker else "")
        moments.append(Moment("started", "started", attempt.started, worker + pid))
    if attempt.finished is not None or attempt.state in ("failure", "retry"):
        if attempt.started is not None:
            _close(moments, attempt.finished, "ran")
        word = WORDS.get(attempt.state, attempt.state)
        moments.append(
            Moment(clean(word, 9), attempt.state, attempt.finished, clean(attempt.error or "", 200))
        )
    return moments


def _close(moments: Sequence[Moment], at: float | None, word: str, where: str = "") -> None:
    """Say what filled the time from the last moment to this one."""
    if moments and at is not None and moments[-1].at is not None:
        moments[-1].gap = f"{word} {q.duration(max(0.0, at - moments[-1].at))}{where}"


def _again(last: Moment, first: Moment, attempt: Attempt) -> str:
    if last.at is None or first.at is None:
        return f"try {attempt.number}"
    return f"try {attempt.number} after {q.duration(max(0.0, first.at - last.at))}"
