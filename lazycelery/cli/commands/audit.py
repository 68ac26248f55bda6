"""`lazycelery audit [FILTER…]`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lazycelery.cli import exporting
from lazycelery.cli.commands.history import FORMATS
from lazycelery.cli.filters import FilterCommand
from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Cell, Column
from lazycelery.cli.words import date
from lazycelery.model.counting import count

if TYPE_CHECKING:
    from lazycelery.model.action import AuditEntry


SHOWN = 100
MOST = 100_000
"""Entries of a file, where nobody says how many."""
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
@click.option("--limit", type=click.IntRange(1), help=f"Entries at most; {SHOWN} unless they go to a file.")
@click.option("--format", "form", type=click.Choice(FORMATS), help="How it is printed; --json is json.")
@click.option(
    "--export",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Into a new file; its ending tells the format.",
)
@click.pass_context
def audit(
    ctx: click.Context, filter: tuple[str, ...], limit: int | None, form: str | None, target: Path | None
) -> int:
    """What was done, by whom, and the proof, newest first. Needs no connection. Ends with 1 when empty.

    \b
    lazycelery audit action:purge user:ada since:7d
    lazycelery audit origin:10.0.0.7 -outcome:refused
    lazycelery audit since:2026-11-01 --export november.csv
    """
    most = limit or (MOST if target else SHOWN)

    async def body(session: Session) -> int:
        output, utc = session.output, session.settings.ui.utc
        chosen = exporting.format_of(form, target, output.as_json)
        entries = await session.engine.audit(most + 1, " ".join(filter))
        more, entries = len(entries) > most, entries[:most]
        if chosen == "json" and target is None:
            output.json(entries)
        elif chosen != "table":
            with exporting.sink(chosen, target, exporting.ENTRIES) as sink:
                for entry in entries:
                    sink.add(entry)
        elif entries:
            output.table(_COLUMNS, [_row(entry, utc) for entry in entries])
        if target is not None:
            output.note(f"{count(len(entries), 'entry', 'entries')} in {target}.")
        if more:
            output.note(f"The newest {most:,}; --limit takes more.")
        if not entries:
            output.note("Nothing is in the audit log." if not filter else "No entry matches.")
        return 0 if entries else 1

    return one_shot(ctx, body, connect=False)


def _row(entry: AuditEntry, utc: bool) -> tuple[object, ...]:
    return (
        date(entry.time, utc),
        f"{entry.user}@{entry.host}" + (f" from {entry.origin}" if entry.origin else ""),
        entry.profile,
        entry.action,
        Cell("yes", "good") if entry.ok else Cell("no", "bad"),
        entry.title,
        entry.proof or entry.outcome,
    )
