"""`lazycelery errors [FILTER…]`: failures that are the same but for ids and numbers, counted together."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

from lazycelery.cli import unseen
from lazycelery.cli.filters import FilterCommand
from lazycelery.cli.options import common, not_empty, observing
from lazycelery.cli.session import Session, one_shot
from lazycelery.cli.table import Cell, Column
from lazycelery.cli.words import ago, date, number, rate, share
from lazycelery.model.counting import agreed
from lazycelery.model.counting import count as plural

if TYPE_CHECKING:
    from lazycelery.model.faults import Difference, ErrorGroup, ErrorPage, ErrorSort, HeatBy, HeatMap, Share

SHOWN = 20
BARS = "▁▂▃▄▅▆▇█"
_COLUMNS = [
    Column("GROUP"),
    Column("COUNT", right=True),
    Column("RATE", right=True),
    Column("FIRST", right=True),
    Column("LAST", right=True),
    Column("NEW", optional=True),
    Column("ERROR", flexible=True, least=20),
    Column("WHERE", flexible=True, least=12),
    Column("TASKS", flexible=True, least=10),
    Column("WORKERS", flexible=True, least=8),
]


@click.command(cls=FilterCommand)
@common
@click.argument("filter", nargs=-1)
@click.option("--since", metavar="TIME", callback=not_empty, help="Not before: 2h, 3d, or 2026-11-25T10:00.")
@click.option("--sort", type=click.Choice(("count", "last", "first")), default="count", show_default=True)
@click.option("--new", is_flag=True, help="Only what was not seen before the last mark.")
@click.option("--mark", "name", default="", metavar="NAME", help="New since this mark instead.")
@click.option("--group", "one", metavar="ID", help="One group: what its tasks have in common.")
@click.option("--heat", type=click.Choice(("worker", "hour")), help="Where failures come together.")
@click.option("--limit", type=click.IntRange(1), default=SHOWN, show_default=True, help="Groups at most.")
@observing
@click.pass_context
def errors(
    ctx: click.Context,
    filter: tuple[str, ...],
    since: str | None,
    sort: str,
    new: bool,
    name: str,
    one: str | None,
    heat: str | None,
    limit: int,
    observe: float,
) -> int:
    """Failures in groups that are the same but for ids and numbers. Ends with 1 when there are none.

    The tasks of a group are those that match error_group:ID, for tasks, retry and every other command.

    \b
    lazycelery errors --since 1h
    lazycelery errors --new --mark "release 1.4"
    lazycelery errors --group 3fa91b22c0
    lazycelery errors name:shop.* --heat hour
    """
    wanted = " ".join(filter)

    async def body(session: Session) -> int:
        from lazycelery.model.faults import ErrorQuery

        if one is not None:
            return await _one(session, one, wanted)
        if heat is not None:
            hot = await session.engine.heat(cast("HeatBy", heat), wanted, since or "")
            return _heat(session, hot)
        query = ErrorQuery(
            filter=wanted,
            since=since or "",
            sort=cast("ErrorSort", sort),
            new=new,
            limit=limit,
            mark=name,
        )
        page = await session.engine.errors(query)
        if session.output.as_json:
            session.output.json(page)
        elif page.groups:
            session.output.table(_COLUMNS, [_row(group, page) for group in page.groups])
        told = [*await unseen.remarks(session), *_remarks(session, page, new)]
        session.output.notes([*told, await unseen.past(session, observe)])
        return 0 if page.groups else 1

    return one_shot(ctx, body, observe)


def error_line(group: ErrorGroup) -> str:
    """`ValueError: card declined for order <n>`."""
    return ": ".join(part for part in (group.type, group.message) if part)


def _row(group: ErrorGroup, page: ErrorPage) -> tuple[object, ...]:
    return (
        group.id,
        number(group.count),
        rate(group.rate),
        ago(group.first, page.now),
        ago(group.last, page.now),
        Cell("new", "warn") if group.new else "",
        Cell(error_line(group), "bad"),
        group.place,
        _names(group.tasks),
        _names(group.workers),
    )


def _names(shares: list[Share]) -> str:
    """The most frequent, and how many more."""
    if not shares:
        return "-"
    return shares[0].value if len(shares) == 1 else f"{shares[0].value} +{len(shares) - 1}"


def _remarks(session: Session, page: ErrorPage, new: bool) -> list[str]:
    utc, told = session.settings.ui.utc, []
    if not (page.groups or page.failures or new):
        told.append("No failure is known.")
    if page.mark is not None:
        told.append(f"New means: first seen after {page.mark.name!r}, {date(page.mark.at, utc)}.")
        if page.since is None or page.since > page.mark.at:
            told.append("Nothing is known of the time before that mark: what is new cannot be told.")
    elif new:
        told.append("No mark is set, so nothing counts as new: lazycelery mark NAME sets one.")
    if page.matched > len(page.groups):
        told.append(f"Showing {len(page.groups):,} of {plural(page.matched, 'group')}. --limit shows more.")
    if page.cut:
        told.append(f"{plural(page.cut, 'older failure')} left out: more are known than are looked at.")
    if page.since is not None:
        older = any(group.first is not None and group.first < page.since for group in page.groups)
        more = "; before it only results tell" if older else ""
        told.append(f"Known since {date(page.since, utc)}{more}.")
    return told


async def _one(session: Session, id: str, filter: str) -> int:
    detail, output = await session.engine.error_group(id, filter), session.output
    if output.as_json:
        output.json(detail)
        return 0
    group, utc = detail.group, session.settings.ui.utc
    output.line(f"{error_line(group)}")
    if group.place:
        output.line(f"  in {group.place}" + (f":  {group.code}" if group.code else ""))
    output.line(
        f"  {plural(group.count, 'task')} ({group.failed:,} failed, {group.retrying:,} "
        f"{agreed(group.retrying, 'wait')} for a retry"
        f"{f', {group.dealt:,} dealt with' if group.dealt else ''}), "
        f"first {date(group.first, utc)}, last {date(group.last, utc)}"
    )
    output.line(f"  {bars(group.history)}")
    output.line()
    rows = [_difference(each, utc) for each in detail.differences]
    output.table(
        [Column("FIELD"), Column("ALL", right=True), Column("VALUES", flexible=True, least=30)], rows
    )
    output.note(
        f"Compared: the newest {plural(detail.looked_at, 'task')}. lazycelery tasks error_group:{group.id} "
        f"lists them, lazycelery task {group.sample} shows the newest."
    )
    return 0


def bars(history: list[int]) -> str:
    """Counts as levels."""
    top = max(history, default=0)
    return "".join(BARS[value * (len(BARS) - 1) // top] if top else BARS[0] for value in history)


def _difference(one: Difference, utc: bool) -> tuple[object, ...]:
    said = [
        f"{date(float(each.value), utc)[:13]}h" if one.field == "hour" else each.value for each in one.values
    ]
    if one.same:
        return one.field, "same", said[0]
    if one.distinct > len(one.values) and all(each.count == 1 for each in one.values):
        return one.field, f"{one.distinct:,}", "another one each time"
    shown = ", ".join(
        f"{text} {share(each.count / one.known)}" for text, each in zip(said, one.values, strict=True)
    )
    more = one.distinct - len(said)
    return one.field, f"{one.distinct:,}", f"{shown}, {more:,} more" if more > 0 else shown


def _heat(session: Session, hot: HeatMap) -> int:
    output, utc = session.output, session.settings.ui.utc
    if output.as_json:
        output.json(hot)
    elif hot.rows:
        heads = [
            date(float(each), utc)[5:13] + "h"
            if hot.by == "hour"
            else each.removeprefix("celery@") or "(not seen)"
            for each in hot.columns
        ]
        columns = [Column("TASK", flexible=True, least=12), *(Column(each, right=True) for each in heads)]
        output.table(columns, [(name or "(not seen)", *_cells(hot, at)) for at, name in enumerate(hot.rows)])
    output.notes(heat_remarks(hot, date(hot.since, utc)))
    return 0 if hot.rows else 1


def _cells(hot: HeatMap, row: int) -> list[object]:
    return [
        Cell(f"{failed:,} {share(failed / max(failed, ended))}", "bad" if failed * 2 >= ended else "warn")
        if failed
        else ("0" if ended else "-")
        for failed, ended in zip(hot.failed[row], hot.ended[row], strict=True)
    ]


def heat_remarks(hot: HeatMap, since: str) -> list[str]:
    """What the numbers are, and what was left out."""
    if not hot.rows:
        return ["No failure is known."]
    told = [f"Failures, and their share of the tasks that ended there, as far as known: since {since}."]
    if hot.rows_left_out:
        told.append(f"{plural(hot.rows_left_out, 'task name')} with fewer failures left out.")
    if hot.columns_left_out:
        left = "older hour" if hot.by == "hour" else "worker"
        told.append(f"{plural(hot.columns_left_out, left)} left out.")
    return told
