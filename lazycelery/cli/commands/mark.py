"""`lazycelery mark NAME`: from now on errors count as new."""

from __future__ import annotations

import click

from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Column
from lazycelery.cli.words import date
from lazycelery.errors import UsageError


@click.command()
@common
@click.argument("name", nargs=-1)
@click.pass_context
def mark(ctx: click.Context, name: tuple[str, ...]) -> int:
    """Set a mark now, such as a release: `lazycelery errors --new` tells what fails only since.

    Without a NAME the last marks are listed; ends with 1 when there are none. Needs no connection, only to
    know whose mark it is: all sessions of this broker and profile see it.

    \b
    lazycelery mark "release 1.4"
    """
    text = " ".join(name).strip()

    async def body(session: Session) -> int:
        if not session.settings.profile.history:
            raise UsageError(
                "Marks are kept with the history, and none is kept: history = false in the profile.",
                "The screen keeps marks for as long as it runs.",
            )
        return await (_set(session, text) if text else _list(session))

    return one_shot(ctx, body, connect=False, broker=True)


async def _set(session: Session, text: str) -> int:
    made = await session.engine.mark(text)
    if session.output.as_json:
        session.output.json(made)
    else:
        session.output.line(f"Marked {made.name!r} at {date(made.at, session.settings.ui.utc)}.")
    return 0


async def _list(session: Session) -> int:
    from lazycelery.model.faults import ErrorQuery

    marks = (await session.engine.errors(ErrorQuery(limit=0))).marks
    output = session.output
    if output.as_json:
        output.json(marks)
    elif marks:
        columns = [Column("TIME"), Column("MARK", flexible=True), Column("BY")]
        rows = [(date(one.at, session.settings.ui.utc), one.name, one.user or one.by) for one in marks]
        output.table(columns, rows)
    else:
        output.note("No mark is set.")
    return 0 if marks else 1
