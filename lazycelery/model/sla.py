"""Targets of a profile, and how they are kept: budgets, and how fast they burn."""

from __future__ import annotations

from typing import Literal

import msgspec

Aim = Literal["wait", "runtime", "success"]
BURNS: dict[str, float] = {"5m": 300.0, "30m": 1800.0, "1h": 3600.0, "6h": 21_600.0}
"""Windows in which the burn rate is told, seconds."""
SHARE, WINDOW = 0.99, 604_800.0
"""Of the tasks that must keep `wait` and `runtime`, and the seconds of a budget, where a target says none."""


class Burn(msgspec.Struct, kw_only=True):
    """How fast a budget burns within one window."""

    rate: float | None = None
    """1 uses up the budget exactly at the end of its window; `None` where nothing was counted."""
    events: int = 0
    bad: int = 0
    seen: float = 0.0
    """Seconds of the window that were watched."""


class Objective(msgspec.Struct, kw_only=True):
    """One aim of one target, as it is kept. Field names are the JSON contract of `stats --sla`."""

    pattern: str
    """Of task names."""
    aim: Aim
    target: float | None = None
    """Seconds that `wait` or `runtime` may take."""
    share: float
    """Of the tasks that must keep it, 0 to 1."""
    window: float
    """Seconds of the budget's window."""
    seen: float = 0.0
    """Seconds of it that were watched."""
    since: float | None = None
    """From when on tasks are counted, epoch seconds."""
    events: int = 0
    """Tasks that were counted in it."""
    bad: int = 0
    """Those of them that missed the target; for `wait` and `runtime` off by what lies within 2.5 % of it."""
    kept: float | None = None
    """Share that kept it; `None` where nothing was counted."""
    budget_left: float | None = None
    """Share of the budget, 1 to below 0: spent more than there is."""
    burn: dict[str, Burn] = {}
    """By the names of `BURNS`."""
    names: list[str] = []
    """Task names that missed it most within the last five minutes."""
