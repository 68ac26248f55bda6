"""Errors in groups, and heat maps, as lines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from lazycelery.model.counting import agreed
from lazycelery.model.faults import Difference, ErrorDetail, ErrorGroup, ErrorPage, HeatMap
from lazycelery.model.moments import calendar
from lazycelery.model.text import clean
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.line import Column, Line, Span, crop, fit, right
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.signs import Signs, sparkline
from lazycelery.tui.presentation.workers import short_name

COLUMNS = (
    Column("", 1),
    Column("COUNT", 6, right=True),
    Column("LAST", 6, rank=1, right=True),
    Column("FIRST", 6, rank=2, right=True),
    Column("RATE", 6, rank=5, right=True),
    Column("TREND", 15, rank=4),
    Column("ERROR", 20, grow=4),
    Column("WHERE", 12, grow=2, rank=3, cut="name"),
    Column("TASKS", 9, grow=1, rank=6, cut="name"),
    Column("WORKERS", 8, grow=1, rank=7, cut="name"),
    Column("QUEUES", 8, rank=8, cut="name"),
)
"""By rank: when it gets narrow they are dropped from the right."""
BARS = 15
FIELD, MANY = 14, 9
"""Cells of a field's name, and of how many values it has."""
CELL = 11
"""Cells of a heat map's cell: a level, a count, a share."""
NOTED = 2
"""Lines below a heat map, at most."""
NAME = 28
HOT, WARM = 0.5, 0.1
"""Shares from which on a cell is red, or yellow."""


def title_of(group: ErrorGroup) -> str:
    """`ValueError: card declined for order <n>`."""
    return clean(": ".join(part for part in (group.type, group.message) if part), 300)


def cells(group: ErrorGroup, look: Look) -> list[Span]:
    """A group in the order of `COLUMNS`."""
    return [
        (look.signs.warning if group.new else " ", "warn"),
        (q.short_count(group.count), "fail" if group.failed else "warn"),
        (q.rough_age(None if group.last is None else look.now - group.last), "dim"),
        (
            q.rough_age(None if group.first is None else look.now - group.first),
            "warn" if group.new else "dim",
        ),
        (q.rate(group.rate), "dim"),
        (sparkline(_halved(group.history), BARS, look.signs), "fail"),
        (title_of(group), "dim" if group.dealt >= group.count else "title" if group.new else ""),
        (clean(group.place or q.UNKNOWN, 120), "dim"),
        (_first([one.value for one in group.tasks]), "dim"),
        (_first([short_name(one.value) for one in group.workers]), "dim"),
        (_first([one.value for one in group.queues]), "dim"),
    ]


def _halved(history: Sequence[int]) -> list[int]:
    """Two steps as one: counts are added, so that none is lost."""
    return [sum(history[at : at + 2]) for at in range(0, len(history), 2)]


def _first(names: Sequence[str]) -> str:
    if not names:
        return q.UNKNOWN
    return clean(names[0], 80) + (f" +{len(names) - 1}" if len(names) > 1 else "")


def details(group: ErrorGroup, detail: ErrorDetail | None, look: Look, width: int) -> list[Line]:
    """What is known of a group, and what its tasks have in common."""
    lines = wrapped(title_of(group), width, "title", limit=2)
    if group.place:
        code = f"   {group.code}" if group.code else ""
        lines.append((("in ", "dim"), (clean(group.place, 120), "accent"), (clean(code, 200), "")))
    first = q.moment(group.first, look.now, look.utc)
    last = q.moment(group.last, look.now, look.utc)
    done = f"  {group.dealt:,} dealt with" if group.dealt else ""
    waiting = f", {group.retrying:,} {agreed(group.retrying, 'wait')} for a retry" if group.retrying else ""
    new = {True: "new since the mark", False: "known before the mark", None: ""}[group.new]
    lines.append(
        (
            (f"{q.counted(group.failed, 'failure')}{waiting}", "fail"),
            (done, "ok"),
            (f"  first {first}  last {last}  ", ""),
            (f"group {group.id}  ", "dim"),
            (new, "warn" if group.new else "dim"),
        )
    )
    if detail is None or detail.group.id != group.id:
        return [*lines, (), (("Comparing its tasks …", "dim"),)]
    return [*lines, (), *_compared(detail, look, width)]


def _compared(detail: ErrorDetail, look: Look, width: int) -> list[Line]:
    same = [one for one in detail.differences if one.same and one.known > 1]
    other = [one for one in detail.differences if not one.same]
    lines: list[Line] = []
    if same:
        text = ", ".join(f"{one.field} {_value(one, 0, look)}" for one in same)
        lines += wrapped(f"All have the same: {text}", width, "", limit=3)
    for one in other:
        shares = "  ".join(
            f"{_value(one, at, look)} {q.share(each.count / one.known)}"
            for at, each in enumerate(one.values)
            if each.count > 1 or one.distinct <= 3
        )
        lines.append(
            (
                (fit(clean(one.field, 60), FIELD, look.signs.more) + " ", "accent"),
                (fit(f"{one.distinct:,} differ", MANY + 3) + " ", "warn"),
                (shares or "another one each time", "" if shares else "dim"),
            )
        )
    if detail.looked_at < detail.group.count:
        lines.append(((f"Compared: the newest {detail.looked_at:,} of {detail.group.count:,}.", "dim"),))
    return lines


def _value(one: Difference, at: int, look: Look) -> str:
    text = one.values[at].value
    if one.field == "hour":
        return hour(text, look.utc)
    return clean(short_name(text) if one.field == "worker" else text, 60) or "''"


def hour(text: str, utc: bool) -> str:
    """The beginning of an hour: `25. 14h`."""
    day = calendar(float(text), utc)
    return q.UNKNOWN if day is None else f"{day.tm_mday:02}. {day.tm_hour:02}h"


def remarks(page: ErrorPage, look: Look) -> list[str]:
    """What new means, how far the numbers reach, and what was left out."""
    told = []
    if page.mark is not None:
        at = q.moment(page.mark.at, look.now, look.utc)
        told.append(f"{look.signs.warning} is new since {clean(page.mark.name, 60)}, {at}.")
        if page.since is None or page.since > page.mark.at:
            told.append("Nobody watched before that mark: what is new cannot be told.")
    else:
        told.append(f"{look.key('deploy')} sets a deploy mark: what fails first after it is new.")
    if page.since is not None:
        older = any(one.first is not None and one.first < page.since for one in page.groups)
        more = "; before it only results tell" if older else ""
        told.append(f"Known since {q.moment(page.since, look.now, look.utc)}{more}.")
    if page.cut:
        told.append(f"{q.counted(page.cut, 'older failure')} left out.")
    if page.matched > len(page.groups):
        told.append(f"{q.counted(page.matched - len(page.groups), 'more group')}.")
    return told


# ---- heat maps


def heat_lines(hot: HeatMap, top: int, cursor: int, room: int, look: Look, width: int) -> list[Line]:
    """A table: a line a task name, a cell for each worker or hour that fits."""
    fits = max(1, (width - NAME - 2) // CELL)
    columns = list(range(len(hot.columns)))
    shown = columns[-fits:] if hot.by == "hour" else columns[:fits]
    heads = [
        hour(hot.columns[at], look.utc)
        if hot.by == "hour"
        else clean(short_name(hot.columns[at]), 40) or "not seen"
        for at in shown
    ]
    lines: list[Line] = [
        ((fit("  TASK", NAME + 2), "head"), *((right(fit_end(head), CELL), "head") for head in heads))
    ]
    for at in range(top, min(top + room, len(hot.rows))):
        here = at == cursor
        mark = (look.signs.cursor + " " if here else "  ", "accent")
        line: Line = (
            mark,
            (fit(clean(hot.rows[at], 120) or "name not seen", NAME, look.signs.more), ""),
            *(_cell(hot.failed[at][each], hot.ended[at][each], look.signs) for each in shown),
        )
        line = crop(line, width, look.signs.more)
        lines.append(tuple((text, f"{token} cursor".strip()) for text, token in line) if here else line)
    hidden = len(columns) - len(shown)
    left = hidden + hot.columns_left_out
    notes = []
    if left:
        notes.append(q.counted(left, f"more {'hour' if hot.by == 'hour' else 'worker'}"))
    if hot.rows_left_out:
        notes.append(q.counted(hot.rows_left_out, "more task name"))
    left_out = f" Not shown: {', '.join(notes)}." if notes else ""
    note = f"Failures, and their share of what ended there.{left_out}"
    return [*lines, (), *wrapped(note, width - 2, "dim", lead=" ", limit=NOTED)]


def fit_end(text: str) -> str:
    """The end of a name that is too long for a cell: hosts differ there."""
    return text if len(text) < CELL else f"…{text[-(CELL - 2) :]}"


def _cell(failed: int, ended: int, signs: Signs) -> Span:
    if not failed:
        return right("0" if ended else signs.dot, CELL), "dim"
    share = failed / max(failed, ended)
    level = signs.levels[min(len(signs.levels) - 1, int(share * len(signs.levels)))]
    token = "fail" if share >= HOT else "warn" if share >= WARM else "run"
    return right(f"{level} {q.short_count(failed)} {_percent(share)}", CELL), token


def _percent(share: float) -> str:
    """Never 0 for what is more."""
    return "<1%" if share < 0.01 else f"{round(share * 100)}%"


def worst(hot: HeatMap) -> int:
    """Failures in all cells."""
    return sum(chain.from_iterable(hot.failed))
