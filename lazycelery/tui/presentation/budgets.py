"""Targets of the profile, what is left of their budgets, and how fast they burn."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.model.sla import Objective
from lazycelery.model.text import clean
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.line import Column, Line, choose, row

COLUMNS = (
    Column("TASKS", 12, grow=1, cut="name"),
    Column("TARGET", 14),
    Column("BUDGET LEFT", 11, right=True),
    Column("BURN 5m", 8, right=True),
    Column("1h", 6, right=True),
    Column("SEEN", 6, rank=1, right=True),
    Column("OF", 5, rank=2, right=True),
    Column("KEPT", 8, rank=3, right=True),
    Column("COUNTED", 10, rank=4, right=True),
    Column("BURN 30m", 8, rank=5, right=True),
    Column("6h", 6, rank=5, right=True),
)
WIDEST = 140
NONE = (
    "The profile has no targets. For example, in the configuration: "
    '[profiles.NAME.sla."shop.*"] wait = "5s", success = 0.999.'
)
NOTE = (
    "SEEN is how much of the budget's window (OF) was watched. Burn rate 1 spends the budget just in time; "
    "beyond it the budget will not last."
)


def budgets(found: Sequence[Objective], width: int) -> list[Line]:
    """A line an aim of a target."""
    if not found:
        return wrapped(NONE, width, "dim")
    shown = choose(COLUMNS, min(width, WIDEST))
    head = row([(column.title, "head") for column in COLUMNS], COLUMNS, shown)
    rows = [row(_cells(one), COLUMNS, shown) for one in found]
    return [head, *rows, (), *wrapped(NOTE, width, "dim")]


def _cells(one: Objective) -> list[tuple[str, str]]:
    left = one.budget_left
    aim = f"{one.aim} {q.duration(one.target)}" if one.target is not None else f"{one.aim} {one.share:.6g}"
    burns = {
        name: (q.UNKNOWN if burn.rate is None else f"{burn.rate:.1f}", "warn" if (burn.rate or 0) > 1 else "")
        for name, burn in one.burn.items()
    }
    return [
        (clean(one.pattern, 200), "title"),
        (aim, ""),
        (q.UNKNOWN if left is None else f"{left:.0%}", "fail" if left is not None and left <= 0 else ""),
        burns["5m"],
        burns["1h"],
        (q.rough_age(one.seen), "dim"),
        (q.rough_age(one.window), "dim"),
        (q.UNKNOWN if one.kept is None else f"{one.kept:.5g}", ""),
        (q.count(one.events), ""),
        burns["30m"],
        burns["6h"],
    ]
