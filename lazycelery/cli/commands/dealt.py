"""`lazycelery dealt ID… | FILTER…`: failed tasks that a person has dealt with."""

from __future__ import annotations

import click

from lazycelery.cli.filters import FilterCommand
from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot
from lazycelery.errors import UsageError
from lazycelery.model.counting import count as plural


@click.command(cls=FilterCommand)
@click.argument("targets", nargs=-1, metavar="(ID… | FILTER…)")
@click.option("--note", default="", metavar="TEXT", help="Why, or how; it is kept with the mark.")
@click.option("--undo", is_flag=True, help="Not dealt with after all.")
@common
@click.pass_context
def dealt(ctx: click.Context, /, targets: tuple[str, ...], note: str, undo: bool) -> int:
    """Mark failed tasks as dealt with: a note of yours, or of the team whose history is shared.

    `dealt:no` in a filter leaves them out. One that fails again is not dealt with any more.

    \b
    lazycelery dealt 9f3c21ab --note "refunded by hand"
    lazycelery dealt state:failure name:shop.charge until:1h
    """
    if not targets:
        raise UsageError("Which tasks?", "Give ids, or a filter like state:failure.")
    matching = " ".join(targets) if any(":" in target for target in targets) else None

    async def body(session: Session) -> int:
        ids = await session.engine.deal([] if matching else list(targets), matching, note, undo)
        if session.output.as_json:
            session.output.json(ids)
        else:
            state = "not dealt with any more" if undo else "dealt with"
            session.output.line(f"{plural(len(ids), 'task')} {state}")
        return 0

    return one_shot(ctx, body)
