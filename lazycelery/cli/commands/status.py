"""`lazycelery status`: the cluster at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lazycelery.cli import unseen
from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Cell, Column
from lazycelery.cli.words import number, plural

if TYPE_CHECKING:
    from lazycelery.model.cluster import Overview
    from lazycelery.model.queue import Queue


_SEVERITY = {"critical": "bad", "warning": "warn", "info": ""}


@click.command()
@common
@click.pass_context
def status(ctx: click.Context) -> int:
    """The cluster at a glance. Ends with 1 when no worker is online."""
    return one_shot(ctx, _status)


async def _status(session: Session) -> int:
    overview, output = session.overview, session.output
    if output.as_json:
        output.json(overview)
    else:
        _print(session, await session.engine.queues())
    output.notes(await unseen.remarks(session))
    return 0 if overview.workers_online else 1


def _print(session: Session, queues: list[Queue]) -> None:
    overview, output = session.overview, session.output
    rows = [
        ("broker", f"{overview.broker} ({_links(overview)})"),
        ("profile", f"{overview.profile}{', production' if overview.production else ''}, {_mode(overview)}"),
        ("workers", _workers(overview)),
        ("queues", _queues(queues)),
        ("tasks", _tasks(overview)),
    ]
    for name, text in rows:
        output.line(f"{name:<9}{text}")
    notices = [notice for notice in overview.notices if not unseen.is_told(notice, overview)]
    if notices:
        output.line()
        columns = [
            Column("SEVERITY"),
            Column("NOTICE", flexible=True, least=20),
            Column("HINT", flexible=True, least=20),
        ]
        output.table(columns, [(Cell(n.severity, _SEVERITY[n.severity]), n.title, n.hint) for n in notices])


def _links(overview: Overview) -> str:
    return ", ".join(f"{source.name} {source.state}" for source in overview.sources) or "connected"


def _mode(overview: Overview) -> str:
    return "read-only" if overview.read_only else f"allowed: {', '.join(overview.allowed)}"


def _workers(overview: Overview) -> str:
    if not overview.workers_total:
        return "none seen"
    return f"{overview.workers_online} of {overview.workers_total} online"


def _queues(queues: list[Queue]) -> str:
    if not queues:
        return "none known"
    known = [queue.messages for queue in queues if queue.messages is not None]
    flying = [queue.unacked for queue in queues if queue.unacked is not None]
    waiting = f"{number(sum(known))} waiting" if known else "depth unknown"
    return f"{len(queues)}, {waiting}" + (f", {number(sum(flying))} unacked" if flying else "")


def _tasks(overview: Overview) -> str:
    if not overview.tasks_total:
        return "none seen"
    states = ", ".join(
        f"{number(count)} {state}" for state, count in overview.tasks_by_state.items() if count
    )
    return f"{plural(overview.tasks_total, 'task')} seen: {states}"
