"""`lazycelery audit [FILTER…]`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lazycelery.cli.filters import FilterCommand
from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Cell, Column
from lazycelery.cli.words import date

if TYPE_CHECKING:
    from lazycelery.model.action import AuditEntry


_COLUMNS = [
    Column("TIME"),
    Column("WHO", flexible=True, least=8),
    Column("PROFILE"),
    Column("ACTION"),
    Column("OK"),
    Column("WHAT", flexible=True, least=20),
    Column("PROOF", flexible=True, least=20),
]


@click.command(cls=FilterCommand)
@common
@click.argument("filter", nargs=-1)
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="Entries at most.")
@click.pass_context
def audit(ctx: click.Context, filter: tuple[str, ...], limit: int) -> int:
    """What was done, by whom, and the proof, newest first. Needs no connection. Ends with 1 when empty."""

    async def body(session: Session) -> int:
        entries = await session.engine.audit(limit, " ".join(filter))
        if session.output.as_json:
            session.output.json(entries)
        elif entries:
            session.output.table(_COLUMNS, [_row(entry, session.settings.ui.utc) for entry in entries])
        if not entries:
            session.output.note("Nothing is in the audit log." if not filter else "No entry matches.")
        return 0 if entries else 1

    return one_shot(ctx, body, connect=False)


def _row(entry: AuditEntry, utc: bool) -> tuple[object, ...]:
    return (
        date(entry.time, utc),
        f"{entry.user}@{entry.host}",
        entry.profile,
        entry.action,
        Cell("yes", "good") if entry.ok else Cell("no", "bad"),
        entry.title,
        entry.proof or entry.outcome,
    )
