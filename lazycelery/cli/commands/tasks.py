"""`lazycelery tasks [FILTER…]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast, get_args

import click

from lazycelery.cli import unseen
from lazycelery.cli.filters import FilterCommand
from lazycelery.cli.options import common, observing
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Cell, Column
from lazycelery.cli.words import ago, duration
from lazycelery.errors import NothingFound
from lazycelery.model.counting import count as plural

if TYPE_CHECKING:
    from lazycelery.model.cluster import Overview
    from lazycelery.model.task import Task, TaskPage, TaskQuery, TaskRow

Sort = Literal["newest", "runtime", "wait", "name", "state", "worker", "queue", "retries"]
PAGE = 1_000
"""Rows that are asked for at once."""

STATE_STYLES = {
    **dict.fromkeys(("failure", "lost", "rejected"), "bad"),
    **dict.fromkeys(("retry", "revoked"), "warn"),
    "success": "good",
    "started": "run",
}
_FOUND = ("waiting", "received", "scheduled", "unknown")
"""States that are also found by looking: nobody tells since when."""
_COLUMNS = [
    Column("ID"),
    Column("STATE"),
    Column("TASK", flexible=True, least=16),
    Column("AGE", right=True),
    Column("RUNTIME", right=True),
    Column("WAIT", right=True),
    Column("TRIES", right=True),
    Column("QUEUE", flexible=True),
    Column("WORKER", flexible=True),
    Column("ARGS", flexible=True, least=12),
    Column("ERROR OR RESULT", flexible=True, least=12),
]


@click.command(cls=FilterCommand)
@common
@click.argument("filter", nargs=-1)
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Tasks at most.")
@click.option("--sort", type=click.Choice(get_args(Sort)), default="newest", show_default=True)
@click.option("--reverse", is_flag=True, help="The other way round.")
@observing
@click.pass_context
def tasks(
    ctx: click.Context,
    filter: tuple[str, ...],
    limit: int,
    sort: str,
    reverse: bool,
    observe: float,
) -> int:
    """Tasks that match a FILTER, newest first. Ends with 1 when none does.

    Words are free text; field:value narrows down. Fields: state name worker queue id root group error
    error_group args kwargs result retries runtime wait age since until source. A leading - negates;
    a negated word without a field comes after --.

    \b
    lazycelery tasks state:failure,retry since:1h
    lazycelery tasks name:shop.* 'runtime:>5s' -queue:low
    """

    async def body(session: Session) -> int:
        from lazycelery.model.task import TaskQuery

        query = TaskQuery(filter=" ".join(filter), sort=cast(Sort, sort), reverse=reverse)
        return await _tasks(session, query, limit, observe)

    return one_shot(ctx, body, observe)


async def _tasks(session: Session, query: TaskQuery, limit: int, observe: float) -> int:
    rows, page = await _rows(session, query, limit)
    output = session.output
    if output.as_json:
        output.json(await _full(session, rows))
    elif rows:
        output.table(_COLUMNS, [_line(row, session.overview) for row in rows])
    output.notes([*await _remarks(session, query, rows, page), await unseen.past(session, observe)])
    return 0 if rows else 1


async def _rows(session: Session, query: TaskQuery, limit: int) -> tuple[list[TaskRow], TaskPage]:
    """Page by page until the limit; a page never holds more than `PAGE` rows."""
    rows: list[TaskRow] = []
    while True:
        query.offset, query.limit = len(rows), min(PAGE, limit - len(rows))
        page = await session.engine.tasks(query)
        rows += page.rows
        if not page.rows or len(rows) >= min(limit, page.matched):
            return rows, page


async def _full(session: Session, rows: list[TaskRow]) -> list[Task]:
    """The whole tasks; one that left the store meanwhile is left out."""
    found = []
    for row in rows:
        try:
            found.append(await session.engine.task(row.id, fetch=False))
        except NothingFound:
            continue
    return found


async def _remarks(session: Session, query: TaskQuery, rows: list[TaskRow], page: TaskPage) -> list[str]:
    told = await unseen.remarks(session)
    if not rows:
        told.append(
            f"No task matches {query.filter!r}; {plural(page.known, 'task')} known."
            if query.filter
            else "No task is known: nothing that waits or runs was found, and no result."
        )
    if page.matched > len(rows):
        told.append(f"Showing {len(rows):,} of {page.matched:,}. --limit {page.matched} shows all.")
    if page.evicted:
        told.append(f"{plural(page.evicted, 'older task')} no longer remembered (max_tasks).")
    return told


def _line(row: TaskRow, overview: Overview) -> tuple[object, ...]:
    return (
        row.id[:8] if len(row.id) == 36 else row.id,
        Cell("never ran", "dim") if row.never_ran else Cell(row.state, STATE_STYLES.get(row.state, "")),
        row.name,
        _age(row, overview),
        duration(row.runtime),
        duration(row.wait),
        row.retries,
        row.queue,
        row.worker,
        row.args,
        row.error,
    )


def _age(row: TaskRow, overview: Overview) -> str:
    """Since its present state; `>` where it was so already when we first looked."""
    age = ago(row.since, overview.now)
    began = overview.first_seen
    found = row.state in _FOUND and began is not None and row.since is not None and row.since >= began
    return f">{age}" if found or row.at_least else age
