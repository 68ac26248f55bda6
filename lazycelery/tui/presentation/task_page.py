"""A task as a page: where it is and why, what it was given, what it gave, how it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lazycelery.model.cluster import LogPage
from lazycelery.model.doubts import doubt
from lazycelery.model.message import Message
from lazycelery.model.moments import epoch
from lazycelery.model.task import NEVER_RAN, Task
from lazycelery.model.text import clean, short_value
from lazycelery.model.verdict import Verdict
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import Joined, wrapped
from lazycelery.tui.presentation.family import Family, family_lines, family_verdict
from lazycelery.tui.presentation.fields import LEGEND, LETTERS, field_lines
from lazycelery.tui.presentation.line import Line, merge
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.message import message_lines
from lazycelery.tui.presentation.page import Page
from lazycelery.tui.presentation.signs import of_task
from lazycelery.tui.presentation.sources_tab import source_lines
from lazycelery.tui.presentation.task_events import event_lines
from lazycelery.tui.presentation.tasks import NOT_KEPT
from lazycelery.tui.presentation.timeline import timeline
from lazycelery.tui.presentation.traceback import traceback_body
from lazycelery.tui.presentation.values import value_body
from lazycelery.tui.presentation.verdict import verdict_lines

DetailKind = Literal["family", "events", "message", "pulse", "log"]
NOT_KEPT_WHY = "more events came than this monitor could take, and long texts go first"
TABS = ("Summary", "Args", "Result", "Timeline", "Family", "Events", "Message", "Sources")
ASKED: Mapping[str, DetailKind] = {"Family": "family", "Events": "events", "Message": "message"}
"""Tabs that need an answer of their own."""
AGEING = ("Summary", "Timeline")
"""Tabs that tell ages."""
FULL_ID = 36


@dataclass(frozen=True)
class Detail:
    """What a tab had to ask for: the answer, or why there is none."""

    answer: object = None
    problem: str | None = None


def page(
    task: Task,
    tab: int,
    look: Look,
    width: int,
    told: Verdict | None = None,
    detail: Detail | None = None,
) -> Page:
    """All about one task."""
    name = TABS[tab]
    title: Line = (
        (clean(task.name or "name not seen", 200), "title"),
        (f" {clean(task.id, FULL_ID)}", "dim"),
    )
    tabs = tuple("Error" if each == "Result" and failed(task) else each for each in TABS)
    return Page(title, tabs, tab, _body(name, task, look, width, told, detail or Detail()))


def _body(
    name: str, task: Task, look: Look, width: int, told: Verdict | None, detail: Detail
) -> Sequence[Line]:
    if name in ASKED and detail.problem is not None:
        return wrapped(detail.problem, width, "warn")
    if name == "Summary":
        return _summary(task, look, width, told)
    if name == "Family":
        return _family(detail.answer, task, look, width)
    if name == "Events":
        return _events(detail.answer, look, width)
    if name == "Message":
        return _message(detail.answer, width)
    if name == "Sources":
        return source_lines(task, look, width)
    return {"Args": _args, "Result": _result, "Timeline": timeline}[name](task, look, width)


def waiting_page(name: str | None, id: str, problem: str | None, width: int) -> Page:
    """While the task's details are awaited, or why there are none."""
    title: Line = ((clean(name or "task", 200), "title"), (f" {clean(id, FULL_ID)}", "dim"))
    text = wrapped(problem, width, "warn") if problem else [(("Asking for the details …", "dim"),)]
    return Page(title, TABS, 0, text)


def _summary(task: Task, look: Look, width: int, told: Verdict | None) -> list[Line]:
    said = NEVER_RAN if task.never_ran is not None else task.state
    lines = [*verdict_lines(told, said, of_task(said, look.signs), look, width), ()]
    lines += field_lines(_fields(task, look), task.sources, width, task.truncated)
    lines.append(())
    for label, field, value in (
        ("args", "args", task.args),
        ("kwargs", "kwargs", task.kwargs),
        ("result", "result", task.result),
    ):
        if field in task.not_kept:
            lines.append(((f"{label:<10} ", "dim"), (NOT_KEPT, "warn")))
        elif value is not None:
            lines.append(_short(label, field, value, task, width))
    if task.error and task.state not in ("failure", "retry"):  # There the verdict tells it.
        lines += [(), *wrapped(task.error, width, "fail", limit=4)]
    if task.traceback:
        lines.append(())
        lines += _last_frames(task.traceback, width)
    if task.dealt is not None:
        note = f": {task.dealt.note}" if task.dealt.note else ""
        when = q.moment(task.dealt.at, look.now, look.utc)
        lines += wrapped(f"dealt with by {task.dealt.by}, {when}{note}", width, "ok")
    for mark in task.marks:
        if mark == "history":
            since = q.moment(task.seen, look.now, look.utc)
            lines += wrapped(f"from the recorded history, last seen {since}", width, "dim")
            continue
        if mark != "ended-unseen":  # The verdict tells it, and why.
            lines += wrapped(f"{look.signs.warning} {clean(doubt(mark), 120)}", width, "warn")
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
    fields += [(name, name, _due(told, look)) for name in ("eta", "expires") if (told := getattr(task, name))]
    for label, name in (
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


def _due(told: str, look: Look) -> str:
    """A time as Celery writes it, for people; as it stands when it is none."""
    at = epoch(told)
    if at is None:
        return clean(told, FULL_ID)
    ahead = at - look.now
    return (
        f"{q.moment(at, look.now, look.utc)}, {f'in {q.age(ahead)}' if ahead > 0 else f'{q.age(-ahead)} ago'}"
    )


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
    if field in task.not_kept:
        return [((f"{NOT_KEPT}: {NOT_KEPT_WHY}", "warn"),)]
    source = task.sources.get(field)
    lines: list[Line] = [((f"told by {source}" if source else "source unknown", "dim"),)]
    if field in task.truncated:
        lines.append((("… was cut before it reached us", "warn"),))
    return lines


def _args(task: Task, look: Look, width: int) -> Sequence[Line]:
    if task.args is None and task.kwargs is None and not task.not_kept:
        return [(("No source has told the arguments.", "dim"),)]
    return Joined(
        [(("args", "head"),), *_told(task, "args")],
        [] if "args" in task.not_kept else value_body(task.args, "  "),
        [(), (("kwargs", "head"),), *_told(task, "kwargs")],
        [] if "kwargs" in task.not_kept else value_body(task.kwargs, "  "),
    )


def _result(task: Task, look: Look, width: int) -> Sequence[Line]:
    if failed(task):
        return _error(task, width)
    if "result" in task.not_kept:
        return _told(task, "result")
    if task.result is None:
        if task.state == "success":
            return [(("None, or kept nowhere: no source has told a result.", "dim"),)]
        return [((f"There is no result. The task is in state {clean(task.state)}.", "dim"),)]
    return Joined(_told(task, "result"), [()], value_body(task.result))


def failed(task: Task) -> bool:
    """Whether it gave an error instead of a result."""
    return task.result is None and bool(task.error or task.traceback) and task.state != "success"


def _error(task: Task, width: int) -> Sequence[Line]:
    error = wrapped(task.error, width, "fail") if task.error else []
    if task.traceback:
        return Joined(error, [()], traceback_body(task.traceback))
    return [*error, (), (("No source has told a traceback.", "dim"),)]


def _family(detail: object, task: Task, look: Look, width: int) -> Sequence[Line]:
    if isinstance(detail, Family):
        text, token = family_verdict(detail, look)
        return [*wrapped(text, width, token), (), *family_lines(detail, task.id, look)]
    return [(("Looking for its relatives …", "dim"),)]


def _events(detail: object, look: Look, width: int) -> Sequence[Line]:
    return (
        event_lines(detail, look, width)
        if isinstance(detail, LogPage)
        else [(("Reading its events …", "dim"),)]
    )


def _message(detail: object, width: int) -> Sequence[Line]:
    return (
        message_lines(detail, width)
        if isinstance(detail, Message)
        else [(("Looking for its message …", "dim"),)]
    )
