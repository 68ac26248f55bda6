"""`lazycelery queues`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lazycelery.cli import unseen
from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Cell, Column
from lazycelery.cli.words import UNKNOWN, duration, number, rate

if TYPE_CHECKING:
    from lazycelery.model.queue import Queue


_COLUMNS = [
    Column("QUEUE", flexible=True, least=12),
    Column("WAITING", right=True),
    Column("UNACKED", right=True),
    Column("CONSUMERS", right=True),
    Column("OLDEST", right=True),
    Column("IN", right=True),
    Column("OUT", right=True),
    Column("EMPTY IN", right=True),
    Column("PRIORITIES", flexible=True, least=10),
    Column("WORKERS", flexible=True, least=10),
]


@click.command()
@common
@click.pass_context
def queues(ctx: click.Context) -> int:
    """Queues: depth, age, rates, consumers. Ends with 1 when none is known."""
    return one_shot(ctx, _queues)


async def _queues(session: Session) -> int:
    found, output = await session.engine.queues(), session.output
    if output.as_json:
        output.json(found)
    elif found:
        output.table(_COLUMNS, [_row(queue) for queue in found])
        for queue in found:
            if remark := queue.error or queue.why:
                output.line(f"{queue.name}: {remark}")
    output.notes(await unseen.remarks(session, results=False))
    if not found:
        output.note(
            "No queue is known: no worker has bound one in this database, and none is named in the profile. "
            "Is it the right database? redis://host:6379/1 is another than …/0."
        )
    return 0 if found else 1


def _row(queue: Queue) -> tuple[object, ...]:
    alone = queue.consumers == 0 and bool(queue.messages) and queue.folded is None
    return (
        queue.name,
        number(queue.messages),
        number(queue.unacked),
        Cell(number(queue.consumers), "bad" if alone else ""),
        duration(queue.oldest_age),
        rate(queue.in_rate),
        rate(queue.out_rate),
        duration(queue.drain_time),
        " ".join(f"{step}:{count:,}" for step, count in queue.priorities.items() if count) or UNKNOWN,
        ", ".join(queue.workers) or UNKNOWN,
    )
