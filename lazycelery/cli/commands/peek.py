"""`lazycelery peek QUEUE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Column
from lazycelery.cli.words import duration, number, short, size

if TYPE_CHECKING:
    from lazycelery.model.message import Message, PeekPage
    from lazycelery.model.queue import Queue


_COLUMNS = [
    Column("#", right=True),
    Column("ID"),
    Column("TASK", flexible=True, least=16),
    Column("PRIO", right=True),
    Column("AGE", right=True),
    Column("TRIES", right=True),
    Column("SIZE", right=True),
    Column("ETA", flexible=True, least=10),
    Column("DIED", flexible=True, least=10, optional=True),
    Column("ARGS", flexible=True, least=16),
]


@click.command()
@common
@click.argument("queue")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="Messages at most."
)
@click.option("--offset", type=click.IntRange(0), default=0, help="Skip so many that run before.")
@click.option("--force", is_flag=True, help="Look where that disturbs the queue: RabbitMQ.")
@click.pass_context
def peek(ctx: click.Context, queue: str, limit: int, offset: int, force: bool) -> int:
    """Waiting messages of a queue, next to run first, without consuming them. Ends with 1 when empty."""

    async def body(session: Session) -> int:
        page = await session.engine.peek(queue, offset, limit, force)
        if session.output.as_json:
            session.output.json(page.messages)
        elif page.messages:
            session.output.table(_COLUMNS, [_row(message) for message in page.messages])
        session.output.notes(await _remarks(session, page, offset))
        return 0 if page.messages else 1

    return one_shot(ctx, body)


async def _remarks(session: Session, page: PeekPage, offset: int) -> list[str]:
    told = [page.note] if page.note else []
    shown = len(page.messages)
    if not page.total:
        told.append(_empty(page.queue, await session.engine.queues()))
    elif not shown:
        told.append(f"Nothing from position {offset:,} on: {page.queue} holds {page.total:,}.")
    elif shown < page.total:
        told.append(
            f"Showing {shown:,} of {page.total:,} from position {offset:,}; --offset and --limit show others."
        )
    return told


def _empty(name: str, queues: list[Queue]) -> str:
    known = {queue.name: queue for queue in queues}
    names = ", ".join(known) or "none"
    if name not in known:
        return f"Nothing waits in {name}, and no such queue is known. Known queues: {names}."
    held = known[name].unacked
    text = f"{name} is empty. Known queues: {names}."
    return f"{text} Workers hold {number(held)} of its messages: see lazycelery tasks." if held else text


def _row(message: Message) -> tuple[object, ...]:
    whole = message.id or ""
    return (
        message.position,
        (whole[:8] if len(whole) == 36 else whole) or None,
        message.task,
        message.priority,
        duration(message.age),
        message.retries,
        size(message.size),
        message.eta,
        _died(message),
        "  ".join(part for part in (message.problem, _call(message)) if part),
    )


def _died(message: Message) -> str | None:
    """Why and where it was dead-lettered."""
    death = message.death
    if death is None:
        return None
    times = f" x{death.count}" if death.count is not None else ""
    return f"{death.reason}{times} in {death.queue}"


def _call(message: Message) -> str:
    parts = [short(part) for part in (message.args, message.kwargs) if part not in (None, {}, [], "{}")]
    return " ".join(parts)
