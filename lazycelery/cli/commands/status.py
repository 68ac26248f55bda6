"""`lazycelery status`: the cluster at a glance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from lazycelery.cli import several, unseen
from lazycelery.cli.not_kept import not_kept
from lazycelery.cli.options import common, said
from lazycelery.cli.session import Session, each_of, one_shot
from lazycelery.cli.table import Cell, Column
from lazycelery.cli.words import UNKNOWN, duration, number, share, size
from lazycelery.errors import ConnectionProblem, PartlyDone
from lazycelery.model.counting import count as plural

if TYPE_CHECKING:
    from lazycelery.cli.output import Output
    from lazycelery.model.cluster import Overview, SourceHealth
    from lazycelery.model.history import HistoryStatus
    from lazycelery.model.queue import Queue
    from lazycelery.model.relief import Relief


_COLUMNS = [
    Column("CLUSTER", flexible=True, least=10),
    Column("", optional=True),
    Column("LINK"),
    Column("WORKERS", right=True),
    Column("WAITING", right=True),
    Column("FOUND", right=True),
    Column("WORST", flexible=True, least=20),
]
_SEVERITY = {"critical": "bad", "warning": "warn", "info": ""}


@click.command()
@common
@click.pass_context
def status(ctx: click.Context) -> int:
    """The cluster at a glance. Ends with 1 when no worker is online, where the broker shows workers.

    With --profile several times, a line for each; ends with 5 when some of them cannot be reached.
    """
    names = several.named(said(ctx))
    return each_of(ctx, names, _statuses) if names else one_shot(ctx, _status)


def _statuses(overviews: list[Overview], output: Output) -> int:
    if output.as_json:
        output.json(overviews)
    else:
        output.table(_COLUMNS, [_row(overview) for overview in overviews])
    reached = [overview for overview in overviews if overview.connected]
    if not reached:
        return ConnectionProblem.exit_code
    if len(reached) < len(overviews):
        return PartlyDone.exit_code
    return 0 if all(map(_alive, overviews)) else 1


def _alive(overview: Overview) -> bool:
    """A worker is online, or the broker shows none."""
    return bool(overview.workers_online) or "control" in overview.lacks


def _count(overview: Overview) -> str:
    known = overview.connected and "control" not in overview.lacks
    return f"{overview.workers_online}/{overview.workers_total}" if known else UNKNOWN


def _row(overview: Overview) -> tuple[object, ...]:
    found = [notice for notice in overview.notices if notice.severity != "info"]
    worst = found[0] if found else None  # The most severe is first.
    return (
        overview.profile,
        "production" if overview.production else "",
        Cell("connected", "good") if overview.connected else Cell("not connected", "bad"),
        _count(overview),
        number(overview.backlog),
        number(len(found)),
        Cell(worst.title, _SEVERITY[worst.severity]) if worst else "",
    )


async def _status(session: Session) -> int:
    overview, output = session.overview, session.output
    if output.as_json:
        output.json({**msgspec.to_builtins(overview), "workers": await _per_worker(session)})
    else:
        _print(session, await session.engine.queues())
    output.notes(await unseen.remarks(session))
    if overview.tasks_total and overview.reel is None:
        output.note(_seen(overview.history))
    if gone := not_kept(overview.history.not_kept, session.settings.ui.utc):
        output.note(gone)
    return 0 if _alive(overview) else 1


async def _per_worker(session: Session) -> list[dict[str, object]]:
    """How well we see each worker."""
    wanted = ("name", "state", "lag", "loss", "clock_skew", "heartbeat_age")
    return [{name: getattr(one, name) for name in wanted} for one in await session.engine.workers()]


def _print(session: Session, queues: list[Queue]) -> None:
    overview, output = session.overview, session.output
    rows = [
        ("broker", f"{overview.broker} ({_links(overview)})"),
        ("profile", f"{overview.profile}{', production' if overview.production else ''}, {_mode(overview)}"),
        ("workers", _workers(overview)),
        ("queues", _queues(queues)),
        ("tasks", _tasks(overview)),
        ("monitor", _monitor(overview)),
    ]
    if history := _history(overview.history):
        rows.append(("history", history))
    if (tape := overview.recording) is not None:
        rows.append(("recorded", "no more" if tape.problem else f"in {tape.path}"))
    for name, text in rows:
        output.line(f"{name:<9}{text}")
    notices = [notice for notice in overview.notices if not unseen.is_told(notice, overview)]
    if notices:
        output.line()
        columns = [
            Column("SEVERITY"),
            Column("NOTICE", flexible=True, least=20),
            Column("HINT", flexible=True, least=20),
        ]
        output.table(columns, [(Cell(n.severity, _SEVERITY[n.severity]), n.title, n.hint) for n in notices])


def _history(known: HistoryStatus) -> str:
    if known.state == "broken" and known.recorded is None:
        return "not known: it cannot be read"
    more = "more than " if known.more_recorded else ""
    recorded = f"{more}{plural(known.recorded, 'task')} recorded" if known.recorded else ""
    return f"{recorded or 'recorded'}, not all of it can be read" if known.unread else recorded


def _links(overview: Overview) -> str:
    return ", ".join(f"{source.name} {_link(source)}" for source in overview.sources) or "connected"


def _link(source: SourceHealth) -> str:
    """Who looks once may have read results before it is told of new ones."""
    return "read" if source.state == "connecting" and source.last is not None else source.state


def _mode(overview: Overview) -> str:
    return "read-only" if overview.read_only else f"allowed: {', '.join(overview.allowed)}"


def _workers(overview: Overview) -> str:
    if not overview.workers_total:
        return "not seen through this broker" if "control" in overview.lacks else "none seen"
    return f"{overview.workers_online} of {overview.workers_total} online"


def _queues(queues: list[Queue]) -> str:
    if not queues:
        return "none known"
    known = [queue.messages for queue in queues if queue.messages is not None]
    flying = [queue.unacked for queue in queues if queue.unacked is not None]
    waiting = f"{number(sum(known))} waiting" if known else "depth unknown"
    return f"{len(queues)}, {waiting}" + (f", {number(sum(flying))} unacked" if flying else "")


def _monitor(overview: Overview) -> str:
    """How well we see, and what we cost."""
    load = overview.load
    told = [
        f"events {duration(overview.lag)} late" if overview.lag is not None else "no event yet",
        f"{share(overview.loss)} lost" if overview.loss is not None else "",
        f"{load.commands_per_second:g} broker commands/s" if load.commands_per_second is not None else "",
        f"{share(load.cpu)} of a core" if load.cpu is not None else "",
        size(load.rss) if load.rss is not None else "",
        _relief(overview.relief),
    ]
    return ", ".join(filter(None, told))


def _relief(relief: Relief) -> str:
    """What is let go under load, and what was."""
    parts = []
    if relief.active:
        kept = f"keeps 1 in {relief.one_in} successes" if relief.one_in > 1 else "keeps no long texts"
        parts.append(f"overloaded: {kept}")
    gone = ((relief.texts, "long text"), (relief.successes, "success"), (relief.waiting, "waiting task"))
    if any(number for number, _ in gone):
        parts.append("let go " + ", ".join(_many(number, what) for number, what in gone if number))
    if relief.cut_off:
        parts.append(f"{relief.missed:.1f} s of events not heard in {plural(relief.cut_off, 'cut')}")
    return "; ".join(parts)


def _many(number: int, what: str) -> str:
    return f"{number:,} successes" if what == "success" and number != 1 else plural(number, what)


def _seen(known: HistoryStatus) -> str:
    """Which tasks a command that looks once has seen: a number of them is none of all that there are."""
    recorded = f", and {known.loaded:,} of the recorded history" if known.loaded else ""
    return (
        "Tasks seen are those that workers hold, the first messages of queues and the newest results"
        f"{recorded}: not all that there are."
    )


def _tasks(overview: Overview) -> str:
    if not overview.tasks_total:
        return "none seen"
    states = ", ".join(
        f"{number(count)} {state}" for state, count in overview.tasks_by_state.items() if count
    )
    return f"{plural(overview.tasks_total, 'task')} seen: {states}"
