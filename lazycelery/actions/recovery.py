"""Finding what a task was called with: its true message, else its real arguments, else a faithful repr."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lazycelery.actions import literal
from lazycelery.actions.arrival import cut_off
from lazycelery.actions.context import Context
from lazycelery.errors import LazyCeleryError
from lazycelery.model.action import Grade
from lazycelery.model.message import StoredMessage
from lazycelery.model.reports import ResultReport, TaskReport
from lazycelery.model.states import LABELS, OF_RESULT, State
from lazycelery.model.task import Task

REAL = {"broker": "broker", "result": "result", "control": "control"}
"""Sources of a task's fields that hold real values."""
SETTLED = 1.5
"""Seconds after which who ended has acknowledged his message."""
ADVICE = (
    "Set result_extended = True on the workers, so that the result backend keeps the arguments, or raise "
    "app.amqp.argsrepr_maxsize and kwargsrepr_maxsize for longer texts in events."
)


@dataclass(kw_only=True)
class Evidence:
    """What every source says of one task."""

    id: str
    task: Task | None = None
    seen: StoredMessage | None = None
    """Its message as it was seen before."""
    held: StoredMessage | None = None
    """Its message, on the broker now: waiting, or delivered and not acknowledged."""
    report: TaskReport | None = None
    """What a worker holds of it now."""
    result: ResultReport | None = None

    @property
    def known(self) -> bool:
        """Any source knows it."""
        return any((self.task, self.seen, self.held, self.report, self.result))

    @property
    def name(self) -> str | None:
        """The task's name, from whoever tells it."""
        return next((each.name for each in (self.task, self.report, self.result) if each and each.name), None)

    @property
    def finished(self) -> State | None:
        """The state it ended in, or `None`."""
        if self.task is not None and (state := LABELS.get(self.task.state)) and state.finished:
            return state
        state = OF_RESULT.get(self.result.status) if self.result else None
        return state if state and state.finished else None


@dataclass(kw_only=True)
class Recovered:
    """How a task can be sent again, and how faithfully."""

    grade: Grade
    source: str | None = None
    message: StoredMessage | None = None
    args: Any = None
    kwargs: Any = None
    why: str = ""
    """Why it is unsafe, or where the arguments come from."""
    warnings: list[str] = field(default_factory=list)


async def gather(
    context: Context, ids: Sequence[str], *, settled: bool = False
) -> tuple[list[Evidence], list[str]]:
    """Ask all sources about these tasks; also says which of them could not be asked. `settled`: the
    message of a task that ended within the last second and a half is looked for twice.

    Raises what the broker raises: without it nothing can be sent anyway.
    """
    every = [Evidence(id=each, task=context.task(each), seen=context.store.raw.get(each)) for each in ids]
    results, problem = await _results(context, ids)
    for each in every:
        each.result = results.get(each.id)
    open_ids = [each.id for each in every if each.finished is None]
    held, (reports, silent) = await asyncio.gather(context.queues.find(ids), _reports(context, open_ids))
    for each in every:
        each.held, each.report = held.get(each.id), reports.get(each.id)
    if settled:
        await _look_again(context, every)
    cut = cut_off(held) if len(held) < len(every) else ""
    short = f"Their messages may still wait: {cut}." if cut else ""
    return every, [text for text in (problem, silent, short) if text]


async def _look_again(context: Context, every: Sequence[Evidence]) -> None:
    """Look once more for the messages of tasks that ended just now, where a look costs nothing.

    A pool of threads acknowledges when its worker's loop turns again: up to a second after the task's end.
    """
    since = context.clock() - SETTLED
    fresh = [
        each
        for each in every
        if each.held and each.finished and each.task and each.task.finished and each.task.finished > since
    ]
    if not fresh or not context.queues.free_looks:
        return
    await asyncio.sleep(SETTLED)
    held = await context.queues.find([each.id for each in fresh])
    for each in fresh:
        if each.id in held or not cut_off(held):  # Else it may still be there.
            each.seen, each.held = each.seen or each.held, held.get(each.id)


async def _results(context: Context, ids: Sequence[str]) -> tuple[dict[str, ResultReport], str]:
    if context.results is None:
        return {}, ""
    try:
        return await context.results.get(ids), ""
    except LazyCeleryError as error:
        return {}, f"The result backend was not asked: {error.title}"


async def _reports(context: Context, ids: Sequence[str]) -> tuple[dict[str, TaskReport], str]:
    if not ids:
        return {}, ""
    try:
        reports = await context.remote.query_tasks(ids, timeout=context.profile.timeout)
    except LazyCeleryError as error:
        return {}, f"The workers were not asked: {error.title}"
    return {report.id: report for report in reports if report.phase != "revoked"}, ""


def whereabouts(evidence: Evidence) -> str:
    """`waiting`, `reserved`, `scheduled`, `running`, a terminal state's label, or `unknown`."""
    if evidence.report is not None:
        return {"active": "running"}.get(evidence.report.phase, evidence.report.phase)
    if evidence.finished is not None:
        return evidence.finished.label
    state = evidence.task.state if evidence.task else "unknown"
    if state in _WHERE:
        return _WHERE[state]
    return "waiting" if evidence.held is not None else "unknown"


_WHERE = {
    "waiting": "waiting",
    "received": "reserved",
    "scheduled": "scheduled",
    "started": "running",
    "retry": "waiting",
    "lost": "lost",
}


def recover(evidence: Evidence) -> Recovered:
    """The most faithful way there is."""
    if message := evidence.held or evidence.seen:
        return Recovered(grade="exact", source="broker", message=message, why="its true message")
    for source, args, kwargs in _values(evidence):
        if isinstance(args, (list, tuple)) and isinstance(kwargs, dict):
            return Recovered(
                grade="arguments", source=source, args=list(args), kwargs=kwargs, why=_WHENCE[source]
            )
    return _from_text(evidence.task)


_WHENCE = {
    "broker": "its arguments as seen in its message",
    "control": "its arguments as a worker told them",
    "result": "its arguments from the result backend",
}


def _values(evidence: Evidence) -> list[tuple[str, Any, Any]]:
    """Real arguments by source, most trusted first; texts of reprs are sorted out by their type."""
    found: list[tuple[str, Any, Any]] = []
    if report := evidence.report:
        found += [] if report.safe else [("control", report.args, report.kwargs)]
    if result := evidence.result:
        found.append(("result", result.args, result.kwargs))
    if (task := evidence.task) and not {"args", "kwargs"} & set(task.truncated):
        source = REAL.get(task.sources.get("args", ""))
        if source and task.sources.get("kwargs") in REAL:
            found.append((source, task.args, task.kwargs))
    return found


def _from_text(task: Task | None) -> Recovered:
    if task is None or not isinstance(task.args, str) or not isinstance(task.kwargs, str):
        return Recovered(grade="unsafe", why="no source knows its arguments")
    if {"args", "kwargs"} & set(task.truncated):
        return Recovered(grade="unsafe", source="event", why="the event's text was cut")
    try:
        args, kwargs = literal.arguments(task.args, task.kwargs)
    except literal.Lossy as error:
        return Recovered(grade="unsafe", source="event", why=str(error))
    warning = "Arguments read from the text of events, which can hide what does not show in a repr."
    return Recovered(
        grade="arguments",
        source="event",
        args=args,
        kwargs=kwargs,
        why="its arguments as the text of its event shows them",
        warnings=[warning],
    )
