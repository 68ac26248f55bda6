"""`lazycelery purge`, `move`, `delete` and `restore`: a queue's messages, out and back in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lazycelery.cli.acting import carry_out
from lazycelery.cli.filters import FilterCommand
from lazycelery.cli.options import common
from lazycelery.cli.progress import growing
from lazycelery.cli.session import Session, one_shot
from lazycelery.errors import UsageError

if TYPE_CHECKING:
    from lazycelery.model.action import ActionName

_F = TypeVar("_F", bound=Callable[..., Any])


def _on_messages(command: _F) -> _F:
    """Decorator: what the commands share that take messages out of a queue."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Show the plan and do nothing."),
        click.option("--yes", "-y", is_flag=True, help="Do not ask."),
        click.option(
            "--backup", metavar="FILE", help="Where the messages are saved; by default beside the audit log."
        ),
        click.option(
            "--look", type=click.IntRange(1), metavar="N", help="Look at the first N messages only."
        ),
        click.option("--force", is_flag=True, help="Look where that disturbs the queue: RabbitMQ."),
        click.option("--limit", type=click.IntRange(1), metavar="N", help="N of those that match at most."),
        click.option(
            "--rate", type=click.FloatRange(0.001, 100_000), metavar="N", help="At most N messages a second."
        ),
        click.option("--tag", metavar="NAME", help="Find them by tag:NAME; without it, by the plan's id."),
    ):
        command = option(command)
    return command


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


@click.command(cls=FilterCommand)
@common
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
@click.argument("filter_", metavar="[FILTER…]", nargs=-1)
@_on_messages
@click.pass_context
def move(ctx: click.Context, /, source: str, target: str, filter_: tuple[str, ...], **options: Any) -> int:
    """Move waiting messages to the end of another queue: all of them, or those that match a filter.

    The filter is the one of `tasks`, over what a message tells: name, id, root, group, args, kwargs,
    retries, and paths such as kwargs.order.id:7. Bytes, headers, priority and order stay. Every message is
    in the backup before it is touched; `restore` takes back what still waits there.

    What was chosen by a filter is also written into a plan file, and taken page by page. Ctrl-C stops in
    between; `lazycelery plan resume` takes the rest.

    \b
    lazycelery move default low name:shop.report --allow move --dry-run
    lazycelery move default quarantine --allow move --yes
    """
    return _taken(ctx, "move", [source, target], filter_, **options)


@click.command(cls=FilterCommand)
@common
@click.argument("queue")
@click.argument("filter_", metavar="[FILTER…]", nargs=-1)
@_on_messages
@click.pass_context
def requeue(ctx: click.Context, /, queue: str, filter_: tuple[str, ...], **options: Any) -> int:
    """Dead letters back to the queue in which each died, as its header x-death tells (RabbitMQ).

    Bytes, headers, priority and order stay; `restore` takes back what still waits there. With a plan file,
    as `move`.

    \b
    lazycelery requeue dead --allow requeue --dry-run --force
    lazycelery requeue dead name:shop.charge --force --allow requeue
    """
    return _taken(ctx, "requeue", [queue], filter_, **options)


@click.command()
@common
@click.argument("queue")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--look", type=click.IntRange(1), metavar="N", help="The first N messages only.")
@click.option("--force", is_flag=True, help="Look where that disturbs the queue: RabbitMQ.")
@click.option("--dry-run", is_flag=True, help="Show the plan and do nothing.")
@click.pass_context
def export(ctx: click.Context, queue: str, file: Path, look: int | None, force: bool, dry_run: bool) -> int:
    """Write waiting messages to a file in the format of backups, to the byte. They stay in the queue.

    \b
    lazycelery export default messages.ndjson --allow export
    """
    params: dict[str, Any] = {"file": str(file.expanduser().absolute())}
    params |= {"look": True} if force else {}
    params |= {"most": look} if look else {}
    from lazycelery.model.action import Order

    order = Order(action="export", targets=[queue], params=params)

    async def body(session: Session) -> int:
        async with growing(Path(params["file"]), session.output):
            return await carry_out(session, order, dry_run=dry_run, yes=True)

    return one_shot(ctx, body)


@click.command(cls=FilterCommand)
@common
@click.argument("queue")
@click.argument("filter_", metavar="FILTER…", nargs=-1, required=True)
@_on_messages
@click.pass_context
def delete(ctx: click.Context, /, queue: str, filter_: tuple[str, ...], **options: Any) -> int:
    """Remove the waiting messages that match a filter. Each is in the backup before it is removed.

    \b
    lazycelery delete default name:shop.charge kwargs.customer:9 --allow delete --dry-run
    """
    return _taken(ctx, "delete", [queue], filter_, **options)


@click.command()
@common
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--dry-run", is_flag=True, help="Show the plan and do nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--queue", help="Into this queue instead of the one they came from.")
@click.option("--again", is_flag=True, help="Also when the file was restored before: its tasks run twice.")
@click.option("--orphans", is_flag=True, help="Unacknowledged messages that no living worker holds (Redis).")
@click.pass_context
def restore(
    ctx: click.Context,
    file: Path | None,
    dry_run: bool,
    yes: bool,
    queue: str | None,
    again: bool,
    orphans: bool,
) -> int:
    """Put the messages of a backup back, priority and order kept.

    Of a move it takes back what still waits at the target. A file that was restored before is refused.

    \b
    lazycelery restore low.backup --allow restore
    lazycelery restore low.backup --queue quarantine --allow restore
    lazycelery restore --orphans --allow restore --dry-run
    """
    if orphans == (file is not None):
        raise UsageError(
            "Give a backup file, or --orphans.", "`lazycelery audit action:purge` names backups."
        )
    if orphans:
        return _run(ctx, "restore", None, {"orphans": True}, dry_run, yes)
    params: dict[str, Any] = {"queue": queue} if queue else {}
    params |= {"again": True} if again else {}
    return _run(ctx, "restore", str(Path(str(file)).absolute()), params, dry_run, yes)


def _taken(
    ctx: click.Context,
    action: ActionName,
    queues: list[str],
    filter: tuple[str, ...],
    *,
    dry_run: bool,
    yes: bool,
    backup: str | None,
    look: int | None,
    force: bool,
    **bulk: Any,
) -> int:
    from lazycelery.model.action import Order

    params: dict[str, Any] = {"look": True} if force else {}
    params |= {name: value for name, value in bulk.items() if value}
    params |= {"backup": str(Path(backup).expanduser().absolute())} if backup else {}
    params |= {"most": look} if look else {}
    order = Order(action=action, targets=queues, filter=" ".join(filter) or None, params=params)

    async def body(session: Session) -> int:
        return await carry_out(session, order, dry_run=dry_run, yes=yes)

    return one_shot(ctx, body)


def _run(
    ctx: click.Context,
    action: ActionName,
    target: str | None,
    params: dict[str, Any],
    dry_run: bool,
    yes: bool,
) -> int:
    from lazycelery.model.action import Order

    order = Order(action=action, targets=[] if target is None else [target], params=params)

    async def body(session: Session) -> int:
        return await carry_out(session, order, dry_run=dry_run, yes=yes)

    return one_shot(ctx, body)
