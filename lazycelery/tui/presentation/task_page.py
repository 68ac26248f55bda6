"""A task as a page: where it is and why, what it was given, what it gave, how it went."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.model.task import Attempt, Task
from lazycelery.model.text import clean, short_value
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import Joined, Text, wrapped
from lazycelery.tui.presentation.fields import LEGEND, LETTERS, field_lines
from lazycelery.tui.presentation.line import Line, Span, merge
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.page import Page
from lazycelery.tui.presentation.signs import of_task
from lazycelery.tui.presentation.values import value_body
from lazycelery.tui.presentation.workers import short_name

TABS = ("Summary", "Args", "Result", "Traceback", "Timeline")
FULL_ID = 36


def page(task: Task, tab: int, look: Look, width: int) -> Page:
    """All about one task."""
    body = (_summary, _args, _result, _traceback, _timeline)[tab](task, look, width)
    title: Line = (
        (clean(task.name or "name not seen", 200), "title"),
        (f" {clean(task.id, FULL_ID)}", "dim"),
    )
    return Page(title, TABS, tab, body)


def waiting_page(name: str | None, id: str, problem: str | None, width: int) -> Page:
    """While the task's details are awaited, or why there are none."""
    title: Line = ((clean(name or "task", 200), "title"), (f" {clean(id, FULL_ID)}", "dim"))
    text = wrapped(problem, width, "warn") if problem else [(("Asking for the details …", "dim"),)]
    return Page(title, TABS, 0, text)


def verdict(task: Task, look: Look) -> Span:
    """Where the task is, and why it is not done, in one sentence."""
    sign, token = of_task(task.state, look.signs)
    return f"{sign} {_sentence(task, look)}", token


def _sentence(task: Task, look: Look) -> str:
    where = f" on {short_name(task.worker)}" if task.worker else ""
    after = f" after {q.duration(task.runtime)}" if task.runtime is not None else ""
    if task.state == "waiting":
        since = f" since {q.age(look.now - task.sent)}" if task.sent else ""
        return f"waits in {clean(task.queue or 'a queue', 80)}{since}"
    if task.state == "scheduled":
        return f"held{where} until {clean(task.eta or 'its time', 40)}"
    if task.state == "received":
        since = f" since {q.age(look.now - task.received)}" if task.received else ""
        return f"reserved{where}{since}, not started"
    if task.state == "started":
        return f"runs{where}" + (f" since {q.age(look.now - task.started)}" if task.started else "")
    if task.state == "retry":
        return (
            f"failed{where}, will run again (try {(task.retries or 0) + 1}): {clean(task.error or '', 200)}"
        )
    if task.state == "failure":
        return f"failed{where}{after}: {clean(task.error or 'no reason was told', 300)}"
    if task.state == "lost":
        return f"lost: its worker{where} is gone and its message is nowhere"
    words = {"success": "succeeded", "revoked": "revoked", "rejected": "rejected"}
    return f"{words.get(task.state, 'not seen yet: ' + task.state)}{where}{after}"


def _summary(task: Task, look: Look, width: int) -> list[Line]:
    text, token = verdict(task, look)
    lines = [*wrapped(text, width, token), ()]
    lines += field_lines(_fields(task, look), task.sources, width, task.truncated)
    lines.append(())
    for label, field, value in (
        ("args", "args", task.args),
        ("kwargs", "kwargs", task.kwargs),
        ("result", "result", task.result),
    ):
        if value is not None:
            lines.append(_short(label, field, value, task, width))
    if task.error and task.state not in ("failure", "retry"):  # There the verdict tells it.
        lines += [(), *wrapped(task.error, width, "fail", limit=4)]
    if task.traceback:
        lines.append(())
        lines += _last_frames(task.traceback, width)
    for mark in task.marks:
        lines.append(((f"{look.signs.warning} {clean(mark, 80)}", "warn"),))
    return [*lines, (), ((LEGEND if width >= len(LEGEND) else "letters: the source of a value", "dim"),)]


def _fields(task: Task, look: Look) -> list[tuple[str, str, str]]:
    tries = q.UNKNOWN if task.retries is None else str(task.retries)
    fields = [
        ("state", "state", task.state),
        ("queue", "queue", clean(task.queue or q.UNKNOWN, 80)),
        ("worker", "worker", clean(task.worker or q.UNKNOWN, 80)),
        ("retries", "retries", tries),
        ("sent", "sent", q.moment(task.sent, look.now, look.utc)),
        ("wait", "wait", q.duration(task.wait)),
        ("started", "started", q.moment(task.started, look.now, look.utc)),
        ("runtime", "runtime", q.duration(task.runtime)),
        ("finished", "finished", q.moment(task.finished, look.now, look.utc)),
        ("priority", "priority", q.count(task.priority)),
    ]
    for label, name in (
        ("eta", "eta"),
        ("expires", "expires"),
        ("root", "root_id"),
        ("parent", "parent_id"),
        ("group", "group_id"),
    ):
        value = getattr(task, name)
        if value and value != task.id:
            fields.append((label, name, clean(str(value), FULL_ID)))
    if task.progress is not None:
        fields.append(("progress", "progress", short_value(task.progress, 120)))
    return fields


def _text(value: object, limit: int) -> str:
    """Publishers' repr texts stand as they are; real values are written out."""
    return clean(value, limit) if isinstance(value, str) else short_value(value, limit)


def _short(label: str, field: str, value: object, task: Task, width: int) -> Line:
    letter = LETTERS.get(task.sources.get(field, ""), "")
    cut = "…" if field in task.truncated else ""
    room = max(8, width - 16)
    text = _text(value, room)
    cut = "" if text.endswith("…") and cut else cut
    return merge([(f"{label:<10} ", "dim"), (text, ""), (cut, "warn"), (f" {letter}", "dim")])


def _last_frames(traceback: str, width: int) -> list[Line]:
    tail = traceback.rstrip()[-4000:].split("\n")
    return [((clean(line, width), "dim"),) for line in tail[-6:]]


def _told(task: Task, field: str) -> list[Line]:
    source = task.sources.get(field)
    lines: list[Line] = [((f"told by {source}" if source else "source unknown", "dim"),)]
    if field in task.truncated:
        lines.append((("… was cut before it reached us", "warn"),))
    return lines


def _args(task: Task, look: Look, width: int) -> Sequence[Line]:
    if task.args is None and task.kwargs is None:
        return [(("No source has told the arguments.", "dim"),)]
    return Joined(
        [(("args", "head"),), *_told(task, "args")],
        value_body(task.args, "  "),
        [(), (("kwargs", "head"),), *_told(task, "kwargs")],
        value_body(task.kwargs, "  "),
    )


def _result(task: Task, look: Look, width: int) -> Sequence[Line]:
    if task.result is None:
        if task.state == "success":
            return [(("None, or kept nowhere: no source has told a result.", "dim"),)]
        why = "It failed; see Traceback." if task.error else f"The task is in state {clean(task.state)}."
        return [((f"There is no result. {why}", "dim"),)]
    return Joined(_told(task, "result"), [()], value_body(task.result))


def _traceback(task: Task, look: Look, width: int) -> Sequence[Line]:
    error = wrapped(task.error, width, "fail") if task.error else []
    if task.traceback:
        return Joined(error, [()], Text(task.traceback))
    why = "No source has told a traceback." if task.error else "The task has not failed."
    return [*error, ((why, "dim"),)]


def _timeline(task: Task, look: Look, width: int) -> list[Line]:
    lines = [_moment("sent", task.sent, task.queue and f"to {task.queue}", "", look)] if task.sent else []
    attempts = task.attempts or [
        Attempt(
            number=1,
            worker=task.worker,
            received=task.received,
            started=task.started,
            finished=task.finished,
            state=task.state,
            error=task.error,
        )
    ]
    for attempt in attempts:
        lines += _attempt(attempt, look)
    return lines or [(("No moment of it has been seen.", "dim"),)]


def _attempt(attempt: Attempt, look: Look) -> list[Line]:
    worker = short_name(attempt.worker) if attempt.worker else "an unknown worker"
    pid = f" pid {attempt.pid}" if attempt.pid else ""
    lines: list[Line] = [((f"try {attempt.number}", "head"),)]
    if attempt.received is not None:
        lines.append(_moment("received", attempt.received, worker, "", look))
    if attempt.started is not None:
        gap = None if attempt.received is None else attempt.started - attempt.received
        lines.append(_moment("started", attempt.started, worker + pid, _gap("reserved for", gap), look))
    if attempt.finished is not None or attempt.state in ("failure", "retry"):
        gap = (
            None
            if None in (attempt.started, attempt.finished)
            else (attempt.finished or 0) - (attempt.started or 0)
        )
        lines.append(_moment(attempt.state, attempt.finished, attempt.error or "", _gap("ran", gap), look))
    if attempt.inferred:
        lines.append(((f"  inferred: {clean(', '.join(attempt.inferred), 100)}", "dim"),))
    return lines


def _gap(word: str, seconds: float | None) -> str:
    return "" if seconds is None else f"  {word} {q.duration(max(0.0, seconds))}"


def _moment(word: str, at: float | None, text: str | None, gap: str, look: Look) -> Line:
    sign, token = of_task({"sent": "waiting"}.get(word, word), look.signs)
    when = q.clock(at, look.utc, millis=True) if at is not None else f"{q.UNKNOWN:<12}"
    return ((f"  {sign} {word:<9} ", token), (f"{when}  ", ""), (clean(text or "", 200), ""), (gap, "dim"))
