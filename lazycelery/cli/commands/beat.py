"""`lazycelery beat`: what is scheduled, its last and next run; `enable`, `disable`, `run`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from lazycelery.cli import unseen
from lazycelery.cli.acting import carry_out
from lazycelery.cli.options import common
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Cell, Column
from lazycelery.cli.words import UNKNOWN, date, duration, number, sentence

if TYPE_CHECKING:
    from lazycelery.model.action import ActionName
    from lazycelery.model.beat import Beat, BeatEntry, SchedulerState

LATE = 5.0
"""Seconds after which an entry is called late: beat itself looks every few seconds."""
_COLUMNS = [
    Column("NAME", flexible=True, least=12),
    Column("TASK", flexible=True, least=12),
    Column("SCHEDULE", flexible=True, least=14),
    Column("QUEUE", optional=True),
    Column("ON"),
    Column("LAST RUN"),
    Column("NEXT RUN"),
    Column("LATE", right=True),
    Column("RUNS", right=True),
    Column("FROM"),
]
NOTHING = (
    "Nothing is scheduled, as far as can be seen. Workers tell beat_schedule of their settings; RedBeat and "
    "django-celery-beat keep theirs elsewhere: --beat redis://… or --beat postgresql://… names the place."
)


_F = TypeVar("_F", bound=Callable[..., Any])


def _asks(command: _F) -> _F:
    """Decorator: the options of what changes something."""
    for option in (
        click.option("--yes", "-y", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Show the plan and do nothing."),
        common,
    ):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@common
@click.option(
    "--observe",
    type=click.FloatRange(0, 3600),
    default=0.0,
    metavar="SECONDS",
    help="Watch events for so long before answering.",
)
@click.pass_context
def beat(ctx: click.Context, observe: float) -> int:
    """What beat sends and when: entries of the workers' settings, of RedBeat, of django-celery-beat.

    Ends with 1 when nothing is scheduled.
    """
    if ctx.invoked_subcommand is not None:
        return 0

    async def body(session: Session) -> int:
        if observe:
            await session.engine.beat()  # Now its tasks are listened for.
            import asyncio

            await asyncio.sleep(observe)
        found, output = await session.engine.beat(), session.output
        if output.as_json:
            output.json(found.entries)
        elif found.entries:
            output.table(_COLUMNS, [_row(entry, session) for entry in found.entries])
        output.notes([*_remarks(found), *await unseen.remarks(session, results=False)])
        if not found.entries:
            output.note(NOTHING)
        return 0 if found.entries else 1

    return one_shot(ctx, body)


@beat.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@_asks
@click.pass_context
def enable(ctx: click.Context, /, names: tuple[str, ...], dry_run: bool, yes: bool) -> int:
    """Enable entries, where their scheduler has a switch: RedBeat, django-celery-beat.

    \b
    lazycelery beat enable nightly-report --allow beat
    """
    return _order(ctx, Switch("beat", list(names), {"do": "enable"}), dry_run, yes)


@beat.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME…")
@_asks
@click.pass_context
def disable(ctx: click.Context, /, names: tuple[str, ...], dry_run: bool, yes: bool) -> int:
    """Disable entries: beat sends them no more, until they are enabled again."""
    return _order(ctx, Switch("beat", list(names), {"do": "disable"}), dry_run, yes)


@beat.command()
@click.argument("name")
@click.option(
    "--queue", metavar="NAME", help="Its queue, where beat leaves that to the application's routes."
)
@_asks
@click.pass_context
def run(ctx: click.Context, /, name: str, queue: str | None, dry_run: bool, yes: bool) -> int:
    """Send now what an entry sends, once more; its schedule goes on as it is.

    \b
    lazycelery beat run nightly-report --allow send
    """
    params = {"entry": name, **({"queue": queue} if queue else {})}
    return _order(ctx, Switch("send", [], params), dry_run, yes)


class Switch(NamedTuple):
    """An order, before its class is loaded."""

    action: ActionName
    targets: list[str]
    params: dict[str, Any]


def _order(ctx: click.Context, wanted: Switch, dry_run: bool, yes: bool) -> int:
    async def body(session: Session) -> int:
        from lazycelery.model.action import Order

        order = Order(action=wanted.action, targets=wanted.targets, params=wanted.params)
        return await carry_out(session, order, dry_run=dry_run, yes=yes)

    return one_shot(ctx, body)


def _row(entry: BeatEntry, session: Session) -> tuple[object, ...]:
    utc = session.settings.ui.utc
    zone = entry.timing.zone if entry.timing.kind == "crontab" else None
    late = entry.late is not None and entry.late >= LATE
    return (
        entry.name,
        entry.task or UNKNOWN,
        f"{entry.schedule} ({zone})" if zone else entry.schedule,
        entry.queue or "",
        {True: "yes", False: Cell("no", "dim"), None: UNKNOWN}[entry.enabled],
        date(entry.last_run, utc),
        date(entry.next_run, utc),
        Cell(duration(entry.late), "bad") if late else UNKNOWN if entry.late is None else "",
        number(entry.runs),
        entry.scheduler,
    )


def _remarks(found: Beat) -> list[str]:
    """What could not be seen of a scheduler, and why single values are missing: each reason once."""
    told = [text for state in found.schedulers if (text := _of(state))]
    reasons: dict[str, list[str]] = {}
    for entry in found.entries:
        for field in ("task", "last_run", "next_run"):
            if (why := entry.unknown.get(field)) and entry.enabled is not False:
                reasons.setdefault(why, []).append(entry.name)
    for why, names in reasons.items():
        several = f"{len(set(names)):,} entries"
        told.append(f"{names[0] if len(set(names)) == 1 else several}: {why}")
    told += [text for entry in found.entries if (text := _runs(entry))]
    return [*told, *found.notes]


def _runs(entry: BeatEntry) -> str:
    """What was wrong with its runs, as far as events prove it."""
    runs = entry.seen
    if runs is None or not (runs.left_out or runs.twice):
        return ""
    wrong = [f"{number(runs.left_out)} missing"] if runs.left_out else []
    wrong += [f"{number(runs.twice)} sent twice, by {', '.join(runs.by)}"] if runs.twice else []
    return (
        f"{entry.name}: due {number(runs.due)} times in {duration(runs.until - runs.since)}, "
        f"sent {number(runs.seen)}: {', '.join(wrong)}."
    )


def _of(state: SchedulerState) -> str:
    if state.state != "connected":
        return f"Not seen: entries of {state.name}. {sentence(state.reason)} {state.hint}".rstrip()
    if state.cut:
        return f"{state.name} at {state.place} has more entries: the first {state.entries:,} are shown."
    return ""
