"""What is out of the ordinary, by robust statistics: medians, their spread, and chances. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

from lazycelery.store.ago import DAY
from lazycelery.store.habits import Habit, StepFacts, Usual
from lazycelery.store.rings import Cell
from lazycelery.store.sketch import Buckets, bucket, quantiles

UNLIKELY = 1e-6
"""By chance alone: one in a million looks."""
SCALE = 1.4826
"""From a median absolute deviation to the standard deviation of a normal distribution."""
NEAR = 5400.0
"""Seconds: hours of other days this near to this time of the day are like it."""
FEW_STEPS = 10
"""Steps below which their highest counts, and not the highest but a tenth."""


def deviation(values: Sequence[float]) -> float:
    """The spread around the median that single outliers do not move."""
    middle = median(values)
    return SCALE * median(abs(value - middle) for value in values)


def at_least(habit: Habit, rate: float, share: float) -> bool:
    """Whether a key ran at this time of the day, and in the hour after it, at a share of a rate (runs a
    second) a day ago, and a week ago where that is known: else each evening, or Saturday, is out of the
    ordinary."""
    week = [one for one in habit.week if one is not None]
    then = [one for one in habit.day if one is not None]
    return len(then) == 2 and min(then + week) >= share * rate


def highest(usual: Usual, now: float, of: Callable[[StepFacts], float | None], times: float = 4.0) -> float:
    """How high a figure usually goes: over the spread of the hours, over nine tenths of them, and over
    what hours at this time of the day had."""
    known = [(step.at, value) for step in usual.steps if (value := of(step)) is not None]
    if not known:
        return 0.0
    values = sorted(value for _, value in known)
    near = [value for at, value in known if _alike(now, at)] if len(values) > FEW_STEPS else values
    most = values[int(0.9 * (len(values) - 1))]
    return max(median(values) + times * deviation(values), most, *near)


def _alike(now: float, at: float) -> bool:
    """Whether a time of another day is near to this time of the day. What was a moment ago is not: else what
    lasts would be usual by itself."""
    apart = abs(now - at)
    return apart > DAY / 2 and min(apart % DAY, -apart % DAY) <= NEAR


def above(buckets: Buckets, seconds: float) -> int:
    """How many of the counted durations were longer; off by what lies within 2.5 percent."""
    place = bucket(seconds)
    return sum(count for at, count in buckets.items() if at > place)


def chance(found: int, of: int, share: float) -> float:
    """An upper bound of the chance to find so many or more of so many, where each has this share
    (Chernoff): 1 where it is not more than expected."""
    part = found / of if of else 0.0
    if part <= share or not 0 < share < 1:
        return 1.0
    apart = part * math.log(part / share)
    if part < 1:
        apart += (1 - part) * math.log((1 - part) / (1 - share))
    return math.exp(-of * apart)


def freshest(habit: Habit, count: Callable[[Cell], int], least: int) -> tuple[Cell, str] | None:
    """The shortest recent time with enough in it, and its name."""
    for cell, name in ((habit.now, "the last half minute"), (habit.few, "the last five minutes")):
        if cell is not None and count(cell) >= least:
            return cell, name
    return None


def durations(buckets: Buckets) -> int:
    """How many were counted."""
    return sum(buckets.values())


def middle(buckets: Buckets) -> tuple[float, float]:
    """Half and 95 % took less; of a sketch that is not empty."""
    half, most = quantiles(buckets, (0.5, 0.95))
    return half or 0.0, most or 0.0


def silence(row: Sequence[int], least: int) -> tuple[int, int] | None:
    """Steps at the end of a row without a run, and the most steps in between that are usual; `None` where
    too few steps had any to tell. Steps that nobody watched are left out."""
    seen = [runs for runs in row if runs >= 0]
    active = [place for place, runs in enumerate(seen) if runs]
    if len(active) < least:
        return None
    gaps = [later - earlier - 1 for earlier, later in pairwise(active)]
    longest = max(gaps)
    mean = (active[-1] - active[0]) / (len(active) - 1)
    regular = longest + 1 <= 2 * (median(gaps) + 1)
    # Where runs come by chance, a pause of fifteen times the mean comes once in millions.
    usual = 3 * (longest + 1) if regular else max(3 * (longest + 1), round(15 * mean))
    return len(seen) - 1 - active[-1], usual
