"""`lazycelery worker events on|off`: what workers can be told."""

from __future__ import annotations

import click

from lazycelery.cli.acting import carry_out
from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot


@click.group()
@common
def worker() -> None:
    """Tell workers something. Without names, all of them."""


@worker.command()
@common
@click.argument("state", type=click.Choice(["on", "off"]))
@click.argument("workers", nargs=-1, metavar="[WORKER…]")
@click.option("--dry-run", is_flag=True, help="Show the plan and do nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_context
def events(ctx: click.Context, state: str, workers: tuple[str, ...], dry_run: bool, yes: bool) -> int:
    """Task events on or off, until the worker ends. One that was started with -E cannot be silenced.

    \b
    lazycelery worker events on --allow events
    lazycelery worker events off w1@host --allow events
    """
    from lazycelery.model.action import Order

    params = {"on": state == "on", "stay": True}
    order = Order(action="events", targets=list(workers), params=params)

    async def body(session: Session) -> int:
        return await carry_out(session, order, dry_run=dry_run, yes=yes)

    return one_shot(ctx, body)
