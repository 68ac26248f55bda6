"""`lazycelery workers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lazycelery.cli import unseen
from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Cell, Column
from lazycelery.cli.words import UNKNOWN, duration, names, number, share, size

if TYPE_CHECKING:
    from lazycelery.model.worker import Worker


_COLUMNS = [
    Column("WORKER", flexible=True, least=16),
    Column("STATE"),
    Column("POOL"),
    Column("ACTIVE", right=True),
    Column("RESERVED", right=True),
    Column("ETA", right=True),
    Column("DONE", right=True),
    Column("LOAD", right=True),
    Column("RSS", right=True),
    Column("UP", right=True),
    Column("LOSS", right=True),
    Column("QUEUES", flexible=True, least=8),
]
_STYLES = {
    "online": "good",
    "busy": "run",
    "silent": "warn",
    "deaf": "warn",
    "offline": "bad",
    "unknown": "dim",
}


@click.command()
@common
@click.pass_context
def workers(ctx: click.Context) -> int:
    """Workers: state, pool, load, queues. Ends with 1 when none is known."""
    return one_shot(ctx, _workers)


async def _workers(session: Session) -> int:
    found, output = await session.engine.workers(), session.output
    if output.as_json:
        output.json(found)
    elif found:
        output.table(_COLUMNS, [_row(worker) for worker in found])
        for worker in found:
            if worker.why:
                output.line(f"{worker.name}: {worker.why}")
    output.notes(await unseen.remarks(session, results=False))
    return 0 if found else 1


def _row(worker: Worker) -> tuple[object, ...]:
    return (
        worker.name,
        Cell(worker.word, _STYLES[worker.word]),
        worker.pool,
        f"{number(worker.active)}/{number(worker.concurrency)}",
        number(worker.reserved),
        number(worker.scheduled),
        number(worker.processed),
        f"{worker.loadavg[0]:.1f}" if worker.loadavg else UNKNOWN,
        size(worker.rss),
        duration(worker.uptime),
        share(worker.loss),
        names(worker.queues),
    )
