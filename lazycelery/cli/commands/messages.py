"""`lazycelery purge` and `restore`: a queue's messages, out and back in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lazycelery.cli.acting import carry_out
from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot

if TYPE_CHECKING:
    from lazycelery.model.action import ActionName


@click.command()
@common
@click.argument("queue")
@click.option("--dry-run", is_flag=True, help="Show the plan and do nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option(
    "--backup", metavar="FILE", help="Where the messages are saved; by default beside the audit log."
)
@click.pass_context
def purge(ctx: click.Context, queue: str, dry_run: bool, yes: bool, backup: str | None) -> int:
    """Empty a queue, all priorities. Every message is in the backup file before it is removed.

    \b
    lazycelery purge low --allow purge --dry-run
    lazycelery purge low --allow purge --yes --backup low.backup
    """
    params: dict[str, Any] = {"backup": str(Path(backup).expanduser().absolute())} if backup else {}
    return _run(ctx, "purge", queue, params, dry_run, yes)


@click.command()
@common
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show the plan and do nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--queue", help="Into this queue instead of the one they came from.")
@click.pass_context
def restore(ctx: click.Context, file: Path, dry_run: bool, yes: bool, queue: str | None) -> int:
    """Put the messages of a backup back, priority and order kept.

    \b
    lazycelery restore low.backup --allow restore
    """
    params: dict[str, Any] = {"queue": queue} if queue else {}
    return _run(ctx, "restore", str(file.absolute()), params, dry_run, yes)


def _run(
    ctx: click.Context, action: ActionName, target: str, params: dict[str, Any], dry_run: bool, yes: bool
) -> int:
    from lazycelery.model.action import Order

    order = Order(action=action, targets=[target], params=params)

    async def body(session: Session) -> int:
        return await carry_out(session, order, dry_run=dry_run, yes=yes)

    return one_shot(ctx, body)
