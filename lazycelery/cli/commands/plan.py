"""`lazycelery plan list|show|resume|discard`: bulk actions that stopped in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lazycelery.cli.acting import carry_out, confirmed
from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Cell, Column
from lazycelery.cli.words import UNKNOWN, date, number
from lazycelery.errors import Refused

if TYPE_CHECKING:
    from lazycelery.model.bulk import Bulk

_PLANS = [
    Column("ID"),
    Column("BEGUN"),
    Column("STATE"),
    Column("DONE", right=True),
    Column("WAITING", right=True),
    Column("IN DOUBT", right=True),
    Column("TAG", optional=True),
    Column("WHAT", flexible=True, least=20),
    Column("BROKER", flexible=True, least=12),
]
_ITEMS = [
    Column("TARGET"),
    Column("STATE"),
    Column("NAME", flexible=True, least=12),
    Column("QUEUE", optional=True),
    Column("NEW ID", optional=True),
]
_STATES = {
    "done": "good",
    "running": "good",
    "stopped": "warn",
    "doubt": "bad",
    "waiting": "warn",
    "damaged": "bad",
    "cut off": "warn",
}


@click.group()
@common
def plan() -> None:
    """Plan files: what is done to several tasks or messages, page by page, and what is left of it.

    A retry or revoke of several tasks, and a move, deletion or requeue of several messages by a filter, is
    written down before it begins. When it was stopped, met a surprise, or its program was killed, the rest
    can be done later.
    """


@plan.command("list")
@common
@click.pass_context
def list_(ctx: click.Context, /) -> int:
    """The plans that are there, newest first, of all brokers. Needs no connection. Ends with 1 when none."""

    async def body(session: Session) -> int:
        plans = await session.engine.bulks(everywhere=True)
        if session.output.as_json:
            session.output.json(plans)
        elif plans:
            session.output.table(_PLANS, [_row(each, session.settings.ui.utc) for each in plans])
        if not plans:
            session.output.note("There is no plan.")
        return 0 if plans else 1

    return one_shot(ctx, body, connect=False)


@plan.command()
@click.argument("plan_id", metavar="ID")
@common
@click.pass_context
def show(ctx: click.Context, /, plan_id: str) -> int:
    """What became of each target of a plan. Needs no connection."""

    async def body(session: Session) -> int:
        output = session.output
        found = await session.engine.bulk(plan_id)
        if output.as_json:
            output.json(found)
            return 0
        output.line(found.title)
        if found.state == "cut off":
            output.line(
                f"It was cut off. Its backup has {found.total:,}, the last {found.doubtful:,} in doubt:"
            )
            output.line(found.path)
            output.line(
                f"`lazycelery plan resume {found.id}` goes on with it; `lazycelery restore` on that file"
            )
            output.line("takes back what was done.")
            return 0
        if found.state == "damaged":
            output.line(found.why)
            output.line(f"`lazycelery plan discard {found.id}` keeps the file aside.")
            return 0
        output.line(
            f"{found.state}: {found.done:,} of {found.total:,} done, {found.waiting:,} waiting, "
            f"{found.doubtful:,} in doubt, {found.dropped:,} dropped"
        )
        for said in (found.why and f"It stopped: {found.why}", found.tag and f"Tag: {found.tag}"):
            if said:
                output.line(said)
        output.line(f"File: {found.path}")
        rows = [
            (
                item.target,
                Cell(item.state, _STATES[item.state]) if item.state in _STATES else item.state,
                item.name or UNKNOWN,
                item.queue or "",
                item.new_id or "",
            )
            for item in found.items
        ]
        if found.backup:
            output.line(f"Backup: {found.backup}")
        output.table(_ITEMS, rows)
        return 0

    return one_shot(ctx, body, connect=False)


@plan.command()
@click.argument("plan_id", metavar="ID")
@click.option("--rate", type=click.FloatRange(0.001, 100_000), metavar="N", help="At most N a second.")
@click.option(
    "--doubtful",
    type=click.Choice(["ask", "send", "drop"]),
    default="ask",
    show_default=True,
    help="What is in doubt and seen nowhere: leave it, send it under the same id, or forget it.",
)
@click.option("--force", is_flag=True, help="Look for it in the queues where that disturbs them: RabbitMQ.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show the plan and do nothing.")
@common
@click.pass_context
def resume(
    ctx: click.Context,
    /,
    plan_id: str,
    rate: float | None,
    doubtful: str,
    force: bool,
    yes: bool,
    dry_run: bool,
) -> int:
    """Do what is left of a plan.

    What may have been sent already is looked for first: in queues, at workers, in the result backend. What
    is seen nowhere stays in doubt and is not sent again, unless --doubtful send says so.

    \b
    lazycelery plan resume 7f3a1c20 --allow retry --dry-run
    """
    params: dict[str, Any] = {"doubtful": doubtful}
    params |= {"rate": rate} if rate else {}
    params |= {"look": True} if force else {}

    async def body(session: Session) -> int:
        from lazycelery.model.action import Order

        found = await session.engine.bulk(plan_id)
        order = Order(action=found.action, params={**params, "resume": found.id})
        return await carry_out(session, order, dry_run=dry_run, yes=yes)

    return one_shot(ctx, body)


@plan.command()
@click.argument("plan_id", metavar="ID")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@common
@click.pass_context
def discard(ctx: click.Context, /, plan_id: str, yes: bool) -> int:
    """Remove a plan: what is left of it is not done any more. Nothing is sent. Needs no connection.

    A damaged file is kept aside, under another name.
    """

    async def body(session: Session) -> int:
        found = await session.engine.bulk(plan_id)
        if found.state == "cut off":
            raise Refused(
                f"{found.id} is no plan file, but the backup of what was cut off: {found.path}.",
                "`lazycelery restore` on it mends what it left behind; or move it away.",
                nothing_done=True,
            )
        left = f"{found.waiting:,} waiting and {found.doubtful:,} in doubt"
        left = "whatever is left in it: the file is damaged, and kept aside" if _broken(found) else left
        confirmed(f"Discard plan {found.id} with {left}?", yes)
        gone = await session.engine.discard(found.id)
        if session.output.as_json:
            session.output.json(gone)
        else:
            aside = f" It is kept as {gone.path}." if _broken(gone) else ""
            session.output.line(f"Discarded plan {gone.id}: {gone.title}{aside}")
        return 0

    return one_shot(ctx, body, connect=False)


def _broken(one: Bulk) -> bool:
    return one.state == "damaged"


def _row(one: Bulk, utc: bool) -> tuple[object, ...]:
    lost = one.state in ("damaged", "cut off")
    return (
        one.id,
        date(one.created, utc),
        Cell(one.state, _STATES[one.state]),
        UNKNOWN if lost else f"{one.done:,}/{one.total:,}",
        number(None if lost else one.waiting),
        number(None if lost else one.doubtful),
        one.tag,
        one.why if _broken(one) else one.title,
        one.broker,
    )
