"""`lazycelery retry|revoke|terminate`: on ids, or on all tasks that match a filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lazycelery.cli.acting import carry_out
from lazycelery.cli.filters import FilterCommand
from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot
from lazycelery.errors import UsageError

if TYPE_CHECKING:
    from lazycelery.model.action import ActionName

_F = TypeVar("_F", bound=Callable[..., Any])
MOST = 1000
"""Tasks that one plan takes."""


def _on_tasks(command: _F) -> _F:
    """Decorator: the arguments and options that the three share."""
    for option in (
        click.option(
            "--observe",
            type=click.FloatRange(0, 3600),
            default=0.0,
            metavar="SECONDS",
            help="Watch events first.",
        ),
        click.option(
            "--limit", type=click.IntRange(1, MOST), default=MOST, show_default=True, help="Tasks at most."
        ),
        click.option("--yes", "-y", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Show the plan and do nothing."),
        click.option("--filter", "filter_", metavar="FILTER", help="All tasks that match, newest first."),
        click.argument("targets", nargs=-1, metavar="(ID… | FILTER…)"),
        common,
    ):
        command = option(command)
    return command


_RATE = click.option(
    "--rate", type=click.FloatRange(0.001, 100_000), metavar="N", help="At most N tasks a second."
)

_CANVAS = click.option(
    "--canvas", is_flag=True, help="The whole chain, group or chord of one task: its members are shown."
)


@click.command(cls=FilterCommand)
@_on_tasks
@_RATE
@_CANVAS
@click.option("--tag", metavar="NAME", help="Find the new tasks by tag:NAME; without it, by the plan's id.")
@click.option("--queue", help="Send to this queue instead of the task's own.")
@click.option(
    "--without-canvas", is_flag=True, help="Arguments only: leave out its chain, group, chord and callbacks."
)
@click.option("--force", is_flag=True, help="Also what still waits or runs: it runs twice.")
@click.pass_context
def retry(
    ctx: click.Context,
    /,
    queue: str | None,
    without_canvas: bool,
    canvas: bool,
    force: bool,
    rate: float | None,
    tag: str | None,
    **common_options: Any,
) -> int:
    """Send tasks again, as new tasks.

    The plan shows how true the copy is: exact (the message itself), arguments (from a worker or the
    result backend), or unsafe (only a cut text is known: refused). An exact copy continues the chain or
    chord of the old task; --without-canvas sends the call alone. --canvas looks for all members of a canvas
    and sends the steps that failed, so that what follows them runs: see docs/canvas.md.

    Several are written into a plan file first, and sent page by page. Ctrl-C stops in between, the first
    surprise too; `lazycelery plan resume` sends the rest.

    \b
    lazycelery retry 9f3c21ab --allow retry
    lazycelery retry state:failure name:shop.charge since:1h --allow retry --dry-run
    lazycelery retry 9f3c21ab --canvas --allow retry
    """
    if canvas and without_canvas:
        raise UsageError("Both --canvas and --without-canvas are given.", "Give one of them.")
    params: dict[str, Any] = {"queue": queue} if queue else {}
    params |= _whole(canvas)
    params |= {"keep_canvas": False} if without_canvas else {}
    params |= {"tag": tag} if tag else {}
    return _run(ctx, "retry", params | _forced(force) | _paced(rate), **common_options)


@click.command(cls=FilterCommand)
@_on_tasks
@_RATE
@_CANVAS
@click.option("--force", is_flag=True, help="Tell the workers also of ids that no source knows.")
@click.option("--stamp", "stamps", multiple=True, metavar="NAME=VALUE", help="All with this stamped header.")
@click.pass_context
def revoke(
    ctx: click.Context,
    /,
    force: bool,
    canvas: bool,
    stamps: tuple[str, ...],
    rate: float | None,
    **common_options: Any,
) -> int:
    """Tell the workers to discard tasks that have not begun.

    \b
    lazycelery revoke 9f3c21ab --allow revoke
    lazycelery revoke state:waiting queue:low --allow revoke
    lazycelery revoke 9f3c21ab --canvas --allow revoke
    """
    return _run(
        ctx,
        "revoke",
        {**_forced(force), **_whole(canvas), **_stamped(stamps), **_paced(rate)},
        **common_options,
    )


@click.command(cls=FilterCommand)
@_on_tasks
@_CANVAS
@click.option(
    "--signal", default="SIGTERM", show_default=True, help="Signal for the process that runs the task."
)
@click.pass_context
def terminate(ctx: click.Context, /, signal: str, canvas: bool, **common_options: Any) -> int:
    """End running tasks: the processes that run them get a signal (prefork pools only).

    TERM, KILL, INT, QUIT or USR1; the plan says what it does. With --canvas what does not run is revoked.

    \b
    lazycelery terminate 9f3c21ab --allow terminate --signal SIGKILL
    """
    name = signal.upper() if signal.upper().startswith("SIG") else f"SIG{signal.upper()}"
    return _run(ctx, "terminate", {"signal": name, **_whole(canvas)}, **common_options)


def _stamped(given: tuple[str, ...]) -> dict[str, Any]:
    stamps: dict[str, list[str]] = {}
    for stamp in given:
        name, _, value = stamp.partition("=")
        stamps.setdefault(name, []).append(value)
    return {"stamps": stamps} if stamps else {}


def _whole(canvas: bool) -> dict[str, Any]:
    return {"canvas": True} if canvas else {}


def _forced(force: bool) -> dict[str, Any]:
    return {"force": True} if force else {}


def _paced(rate: float | None) -> dict[str, Any]:
    return {"rate": rate} if rate else {}


def _run(
    ctx: click.Context,
    action: ActionName,
    params: dict[str, Any],
    targets: tuple[str, ...],
    filter_: str | None,
    dry_run: bool,
    yes: bool,
    limit: int,
    observe: float,
) -> int:
    from lazycelery.model.action import Order

    ids, matching = (
        ([], None) if "stamps" in params and not targets and not filter_ else _meant(targets, filter_)
    )
    order = Order(action=action, targets=ids, filter=matching, limit=limit, params=params)

    async def body(session: Session) -> int:
        return await carry_out(session, order, dry_run=dry_run, yes=yes)

    return one_shot(ctx, body, observe)


def _meant(targets: tuple[str, ...], filter: str | None) -> tuple[list[str], str | None]:
    """Ids or one filter: an argument with a colon makes a filter of all of them."""
    matching = filter
    if filter and targets:
        raise UsageError("Both ids and --filter are given.", "Give one of them.")
    if any(":" in target for target in targets):
        matching, targets = " ".join(targets), ()
    if not matching and not targets:
        raise UsageError("Which tasks?", "Give ids, or a filter like state:failure.")
    return list(targets), matching or None
