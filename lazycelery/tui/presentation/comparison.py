"""Statistics now and before, as a table: a block of lines a task name, worker or queue."""

from __future__ import annotations

from lazycelery.model.statistics import Comparison, Span, StatisticsRow, When
from lazycelery.model.text import clean
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.line import Column, Line, choose, row
from lazycelery.tui.presentation.look import Look

COLUMNS = (
    Column("NAME", 14, grow=1, cut="name"),
    Column("WHEN", 8),
    Column("RATE", 7, right=True),
    Column("FAILED", 7, right=True),
    Column("RUN P50", 8, right=True),
    Column("P95", 7, right=True),
    Column("WAIT P50", 9, rank=2, right=True),
    Column("P95", 7, rank=1, right=True),
    Column("RUNS", 9, rank=3, right=True),
    Column("RETRIED", 8, rank=4, right=True),
    Column("RUN P99", 8, rank=5, right=True),
)
WHEN: dict[When, str] = {"now": "now", "hour": "hour ago", "day": "day ago", "week": "week ago"}
WIDEST = 140


def compared(found: Comparison, look: Look, width: int) -> list[Line]:
    """What is known of each time first, then the rows, the busiest first."""
    lines: list[Line] = []
    for span in found.spans:
        lines += wrapped(_known(span, look), width, "dim" if span.seen else "warn")
    lines.append(())
    if not found.rows:
        told = "No task event of any of these times. Workers that were started with -E send them."
        return [*lines, *wrapped(told, width, "dim")]
    shown = choose(COLUMNS, min(width, WIDEST))
    lines.append(row([(column.title, "head") for column in COLUMNS], COLUMNS, shown))
    for one in found.rows:
        name = clean(one.key, 200)
        for when, figures in one.rows.items():
            if figures is not None:
                lines.append(row(_cells(name, when, figures), COLUMNS, shown))
                name = ""
    return lines


def _cells(name: str, when: When, one: StatisticsRow) -> list[tuple[str, str]]:
    token = "" if when == "now" else "dim"
    failed = "fail" if when == "now" and one.failed else token
    return [
        (name, "title"),
        (WHEN[when], token),
        (q.rate(one.rate) if one.ended else "0/s", token),
        (q.share(one.failure_share), failed),
        (q.duration(one.runtime_p50), token),
        (q.duration(one.runtime_p95), token),
        (q.duration(one.wait_p50), token),
        (q.duration(one.wait_p95), token),
        (q.count(one.ended), token),
        (q.share(one.retry_share), token),
        (q.duration(one.runtime_p99), token),
    ]


def _known(span: Span, look: Look) -> str:
    if not span.seen:
        return f"{WHEN[span.when]}: {span.why}."
    since = q.moment(span.since, look.now, look.utc)
    return f"{WHEN[span.when]}: since {since}, {q.age(span.seen)} of it were watched."
