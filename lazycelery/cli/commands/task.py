"""`lazycelery task ID`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lazycelery.cli import unseen
from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Cell, Column
from lazycelery.cli.words import clock, date, duration, short
from lazycelery.errors import NothingFound
from lazycelery.model.doubts import doubt

if TYPE_CHECKING:
    from lazycelery.model.task import Task


_FIELDS = (
    *("state", "worker", "queue", "retries", "priority", "eta", "expires"),
    *("sent", "received", "started", "finished", "wait", "runtime"),
    *("args", "kwargs", "result", "error"),
    *("root_id", "parent_id", "group_id", "pid", "progress"),
)
_MOMENTS = frozenset({"sent", "received", "started", "finished"})
_DURATIONS = frozenset({"wait", "runtime"})


@click.command()
@common
@click.argument("id")
@click.pass_context
def task(ctx: click.Context, id: str) -> int:
    """Everything that is known of one task, by id or a unique beginning of it (4 characters or more).

    Result backend, broker and workers are asked. Each value shows its source.
    """

    async def body(session: Session) -> int:
        try:
            found = await session.engine.task(id, fetch=True)
        except NothingFound:
            session.output.notes(await unseen.remarks(session))
            raise
        if session.output.as_json:
            session.output.json(found)
        else:
            _print(session, found)
        session.output.notes([*_doubts(found), *await unseen.remarks(session)])
        return 0

    return one_shot(ctx, body)


def _print(session: Session, found: Task) -> None:
    output, utc = session.output, session.settings.ui.utc
    output.line(f"{found.name or 'unknown task'}  {found.id}")
    for name in _FIELDS:
        value = getattr(found, name)
        if value is not None:
            output.line(f"{name:<11}{_text(name, value, utc)}{_origin(found, name)}")
        elif name in found.not_kept:
            output.line(f"{name:<11}not kept under load")
    if found.traceback:
        output.line(f"traceback{_origin(found, 'traceback')}")
        output.block(found.traceback)
    if len(found.attempts) > 1:
        output.line("attempts")
        _attempts(session, found)


def _doubts(found: Task) -> list[str]:
    told = [doubt(mark) for mark in found.marks]
    if found.args is None and found.kwargs is None and not found.not_kept:
        told.append("Its arguments are not known: with result_extended = True the result backend keeps them.")
    return told


def _text(name: str, value: object, utc: bool) -> str:
    if name in _MOMENTS and isinstance(value, float):
        return f"{date(value, utc)}.{clock(value, utc).rpartition('.')[2]}"
    if name in _DURATIONS and isinstance(value, (int, float)):
        return duration(value)
    return short(value)


def _origin(found: Task, name: str) -> str:
    source = found.sources.get(name)
    parts = [*([source] if source else []), *(["cut at its source"] if name in found.truncated else [])]
    return f"  [{', '.join(parts)}]" if parts else ""


def _attempts(session: Session, found: Task) -> None:
    utc = session.settings.ui.utc
    columns = [
        Column("TRY", right=True),
        Column("STATE"),
        Column("RECEIVED"),
        Column("STARTED"),
        Column("FINISHED"),
        Column("WORKER", flexible=True),
        Column("ERROR", flexible=True, least=16),
    ]
    rows = [
        (
            attempt.number,
            Cell(attempt.state, ""),
            clock(attempt.received, utc),
            clock(attempt.started, utc),
            clock(attempt.finished, utc),
            attempt.worker,
            attempt.error,
        )
        for attempt in found.attempts
    ]
    session.output.table(columns, rows)
