"""Where a task is, and why it is not done: one sentence, from the task and what surrounds it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lazycelery.model.queue import Queue
from lazycelery.model.task import Task, TaskRow, next_try
from lazycelery.model.text import clean
from lazycelery.model.worker import Worker
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.line import Span
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.signs import of_task
from lazycelery.tui.presentation.workers import short_name


@dataclass(frozen=True)
class Surroundings:
    """What else is known where a task is. All of it may be unknown."""

    queue: Queue | None = None
    worker: Worker | None = None
    running: Sequence[TaskRow] = ()
    """What runs on its worker."""
    gives_back: str = ""
    """What the broker does with a message that was held by a lost worker."""

    @property
    def lost(self) -> bool:
        """Whether its worker went without goodbye."""
        return self.worker is not None and self.worker.lost


def verdict(task: Task, look: Look, around: Surroundings | None = None) -> Span:
    """Where the task is, and why it is not done, in one sentence."""
    sign, token = of_task(task.state, look.signs)
    return f"{sign} {_sentence(task, look, around or Surroundings())}", token


def _sentence(task: Task, look: Look, around: Surroundings) -> str:
    if task.state == "waiting":
        return _waiting(task, look, around.queue)
    if task.state == "received":
        return _reserved(task, look, around)
    where = f" on {short_name(task.worker)}" if task.worker else ""
    after = f" after {q.duration(task.runtime)}" if task.runtime is not None else ""
    if task.state == "scheduled":
        return f"held{where} until {_eta(task.eta, look)}"
    if task.state == "started" and around.lost:
        return f"ran{where} when that was lost{_since(around, look)}; whether it ended is not known"
    if task.state == "started":
        return f"runs{where}" + (f" since {q.age(look.now - task.started)}" if task.started else "")
    if task.state == "retry":
        number = next_try(task)
        which = f" (try {number})" if number is not None else ""
        return f"failed{where}, will run again{which}: {clean(task.error or '', 200)}"
    if task.state == "failure":
        return f"failed{where}{after}: {clean(task.error or 'no reason was told', 300)}"
    if task.state == "lost":
        worker = f"{short_name(task.worker)}, which ran it," if task.worker else "the worker that ran it"
        nowhere = "the broker does not hold its message any more"
        return f"lost: {worker} is gone, and {nowhere}. {look.key('retry')} runs it again"
    words = {"success": "succeeded", "revoked": "revoked", "rejected": "rejected"}
    return f"{words.get(task.state, 'not seen yet: ' + task.state)}{where}{after}"


def _since(around: Surroundings, look: Look) -> str:
    stopped = around.worker.stopped if around.worker is not None else None
    return "" if stopped is None else f" {q.age(look.now - stopped)} ago"


def _waiting(task: Task, look: Look, queue: Queue | None) -> str:
    since = f" since {q.age(look.now - task.sent)}" if task.sent else ""
    text = f"waits in {clean(task.queue or 'a queue', 80)}{since}"
    if queue is None or not queue.messages:
        return text
    if queue.consumers == 0:
        return f"{text}; nobody consumes it"
    speed = f", which takes {q.rate(queue.out_rate)}" if queue.out_rate else ""
    return f"{text}, one of {q.count(queue.messages)} there{speed}"


def _reserved(task: Task, look: Look, around: Surroundings) -> str:
    worker = around.worker
    where = f" on {short_name(task.worker)}" if task.worker else ""
    since = f" since {q.age(look.now - task.received)}" if task.received else ""
    text = f"reserved{where}{since}, not started"
    if around.lost:
        return f"{text}; that worker is lost. {around.gives_back}".rstrip()
    if worker is not None and worker.state == "offline":
        return f"{text}; that worker is gone"
    runs = Counter(row.name or "tasks not named" for row in around.running)
    if not runs:
        return text
    what = ", ".join(f"{number} × {clean(name, 60)}" for name, number in runs.most_common(2))
    slots = "it runs"
    if worker and worker.concurrency:
        slots = f"its {worker.concurrency} slots run" if worker.concurrency > 1 else "its only slot runs"
    more = f" and {len(runs) - 2} other kinds" if len(runs) > 2 else ""
    return f"{text}: {slots} {what}{more}"


def _eta(eta: str | None, look: Look) -> str:
    if eta is None:
        return "its time"
    try:
        at = datetime.fromisoformat(eta.replace("Z", "+00:00")).timestamp()
    except ValueError:
        return clean(eta, 40)
    left = at - look.now
    when = q.moment(at, look.now, look.utc)
    return f"{when}, in {q.age(left)}" if left > 0 else f"{when}, which was {q.age(-left)} ago"
