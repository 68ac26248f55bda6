"""`lazycelery stats`: what is usual, by task name, worker or queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from lazycelery.cli import unseen
from lazycelery.cli.options import common, not_empty, said
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Cell, Column
from lazycelery.cli.words import date, duration, number, rate, share
from lazycelery.errors import UsageError
from lazycelery.model.counting import count as plural
from lazycelery.model.statistics import BY_MINUTES

if TYPE_CHECKING:
    from lazycelery.model.sla import Objective
    from lazycelery.model.statistics import Comparison, Kind, Statistics, StatisticsRow

HOUR, DAY = 3600.0, 86_400.0
_WHEN = {"now": "now", "hour": "an hour ago", "day": "a day ago", "week": "a week ago"}
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY}
_TITLES = {"task": "TASK", "worker": "WORKER", "queue": "QUEUE"}


@click.command()
@common
@click.option("--by", type=click.Choice(tuple(_TITLES)), default="task", show_default=True)
@click.option(
    "--window",
    metavar="SPAN",
    callback=not_empty,
    help="30s, 15m, 6h, 2d at most (24h); with --usual 1m to 1h (1h).",
)
@click.option("--sla", is_flag=True, help="The profile's targets, and what is left of their budgets.")
@click.option("--usual", is_flag=True, help="Now against an hour, a day and a week ago.")
@click.option(
    "--observe",
    type=click.FloatRange(0, 3600),
    default=0.0,
    metavar="SECONDS",
    help="Watch events for so long before answering.",
)
@click.option("--enable-events", is_flag=True, help="Switch task events on meanwhile (--allow events).")
@click.pass_context
def stats(
    ctx: click.Context,
    by: str,
    window: str | None,
    usual: bool,
    sla: bool,
    observe: float,
    enable_events: bool,
) -> int:
    """Runs, rates, shares of failures and retries, run and wait times, the busiest first.

    Rates are per second that was watched. Percentiles are 2.5 % off at most, so one may be above the longest.

    Counted from the recorded history and from the events of --observe SECONDS. Ends with 1 when there
    are none.
    """
    said(ctx).take("enable_events", enable_events)
    if sla:
        return _budgets(ctx, observe)
    if usual:
        return _compared(ctx, cast("Kind", by), _span(window or "1h", HOUR, 60.0), observe)
    seconds = _span(window or "24h", 2 * DAY)

    async def body(session: Session) -> int:
        found = await session.engine.statistics(cast("Kind", by), seconds)
        if session.output.as_json:
            session.output.json(found)
        elif found.rows:
            session.output.table(_columns(by), [_row(row) for row in found.rows])
        session.output.notes(
            [*_remarks(session, found, observe), *await unseen.remarks(session, results=False)]
        )
        return 0 if found.rows else 1

    return one_shot(ctx, body, observe)


def _budgets(ctx: click.Context, observe: float) -> int:
    async def body(session: Session) -> int:
        found = await session.engine.sla()
        if session.output.as_json:
            session.output.json(found)
        elif found:
            session.output.table(_BUDGET, [_budget(one) for one in found])
        session.output.notes([SEEN if found else NO_TARGETS, *await unseen.remarks(session, results=False)])
        return 0 if found else 1

    return one_shot(ctx, body, observe)


RECORDED = "The recorded history's figures"
WHOLE_HOURS = f"{RECORDED} are of whole hours: only a --window of more than 2h counts them."
MINUTE = (
    "Its monitor writes them within seconds, a minute at most; `lazycelery history` has what ended since."
)
SEEN = "SEEN is how much of the budget's window was watched. Burn rate 1 spends the budget just in time."
NO_TARGETS = (
    "The profile has no targets. For example, in the configuration: "
    '[profiles.NAME.sla."shop.*"] wait = "5s", success = 0.999.'
)
_BUDGET = [
    Column("TASKS", flexible=True, least=12),
    Column("TARGET"),
    *(Column(title, right=True) for title in ("OF", "KEPT", "COUNTED", "BUDGET LEFT", "WINDOW", "SEEN")),
    *(Column(title, right=True) for title in ("BURN 5m", "30m", "1h", "6h")),
]


def _budget(one: Objective) -> tuple[object, ...]:
    left = "-" if one.budget_left is None else f"{one.budget_left:.0%}"
    return (
        one.pattern,
        one.aim if one.target is None else f"{one.aim} {duration(one.target)}",
        f"{one.share:.6g}",
        "-" if one.kept is None else f"{one.kept:.5g}",
        number(one.events),
        Cell(left, "bad") if one.budget_left is not None and one.budget_left <= 0 else left,
        duration(one.window),
        duration(one.seen),
        *("-" if burn.rate is None else f"{burn.rate:.1f}" for burn in one.burn.values()),
    )


def _compared(ctx: click.Context, by: Kind, seconds: float, observe: float) -> int:
    async def body(session: Session) -> int:
        found = await session.engine.compared(by, seconds)
        if session.output.as_json:
            session.output.json(found)
        elif found.rows:
            session.output.table([_columns(by)[0], Column("WHEN"), *_columns(by)[1:]], _lines(found))
        known = [
            f"{_WHEN[span.when].capitalize()}: since {date(span.since, session.settings.ui.utc)}, "
            f"{duration(span.seen)} of it were watched."
            if span.seen
            else f"{_WHEN[span.when].capitalize()}: {span.why}."
            for span in found.spans
        ]
        session.output.notes(
            [*known, *_left_out(found.left_out), *await unseen.remarks(session, results=False)]
        )
        return 0 if found.rows else 1

    return one_shot(ctx, body, observe)


def _lines(found: Comparison) -> list[tuple[object, ...]]:
    told: list[tuple[object, ...]] = []
    for one in found.rows:
        known = [(when, row) for when, row in one.rows.items() if row is not None]
        for place, (when, row) in enumerate(known):
            told.append((one.key if place == 0 else "", _WHEN[when], *_row(row)[1:]))
    return told


def _span(text: str, most: float, least: float = 0.0) -> float:
    unit = _UNITS.get(text[-1:].lower())
    try:
        seconds = float(text[:-1]) * unit if unit else float(text)
    except ValueError:
        seconds = 0.0
    if not least <= seconds <= most or not seconds:
        if least:
            raise UsageError(f"--window {text} is no span of a minute to an hour.", "For example 5m, 1h.")
        raise UsageError(f"--window {text} is no span up to two days.", "For example 30s, 15m, 6h, 2d.")
    return seconds


def _columns(by: str) -> list[Column]:
    numbers = ("RUNS", "RATE", "FAILED", "RETRIED", "RUN P50", "P95", "P99", "WAIT P50", "P95", "P99")
    return [Column(_TITLES[by], flexible=True, least=16), *(Column(title, right=True) for title in numbers)]


def _row(row: StatisticsRow) -> tuple[object, ...]:
    failed = share(row.failure_share)
    return (
        row.key,
        number(row.ended),
        rate(row.rate),
        Cell(failed, "bad") if row.failed else failed,
        share(row.retry_share),
        *(duration(value) for value in (row.runtime_p50, row.runtime_p95, row.runtime_p99)),
        *(duration(value) for value in (row.wait_p50, row.wait_p95, row.wait_p99)),
    )


def _remarks(session: Session, found: Statistics, observe: float) -> list[str]:
    told = []
    if found.rows:
        since = date(found.since, session.settings.ui.utc)
        told.append(f"Counted since {since}, {duration(found.seen)} of it were watched.")
    elif session.overview.reel is not None:
        told.append("Nothing is recorded in that time.")
    elif not observe:
        told.append("Nothing is recorded in that time. --observe 10 watches events for ten seconds.")
    past = session.overview.history
    if past.recorded and past.state == "reading" and found.window <= BY_MINUTES:
        told.append(WHOLE_HOURS)
    elif found.recorded_until is not None:
        told.append(
            f"{RECORDED} reach to about {date(found.recorded_until, session.settings.ui.utc)}. {MINUTE}"
        )
    elif past.recorded and past.state == "reading":
        told.append(f"{RECORDED} are not there yet. {MINUTE}")
    return [*told, *_left_out(found.left_out)]


def _left_out(events: int) -> list[str]:
    if not events:
        return []
    return [f"{plural(events, 'event')} of more names than are counted one by one are missing."]
