"""Numbers over time."""

from __future__ import annotations

import pytest

from lazycelery.engine.metrics import FINE, Levels, Meter
from lazycelery.store.columns import Columns
from lazycelery.store.rings import Cell
from lazycelery.store.statistics import COUNTED, Figures

UNKNOWN = Levels(None, None, None, None, None)


def test_a_second_counts_what_came_within_it() -> None:
    meter, figures = Meter(), Figures(Columns(10))
    figures.named += [COUNTED["task-started"], 0, 0, 0, 2.0]
    figures.named += [COUNTED["task-succeeded"], 0, 0, 0, 0.5]
    meter.tick(10.0, figures.taken(), Levels(7, 1, 2, 3, 0.1))
    meter.tick(11.0, figures.taken(), UNKNOWN)
    fine = meter.read().fine
    assert fine.end == 11.0
    assert fine.values["succeeded"] == [1.0, 0.0]
    assert fine.values["backlog"] == [7, None]
    assert fine.values["runtime_p50"][0] == pytest.approx(0.5, rel=0.05)
    assert fine.values["wait_p95"][0] == pytest.approx(2.0, rel=0.05)
    assert fine.values["runtime_p50"][1] is None


def test_a_minute_is_the_mean_of_its_seconds() -> None:
    meter = Meter()
    for second in range(60):
        cell = Cell()
        cell.counts[COUNTED["task-failed"]] = second % 2
        meter.tick(second, cell, UNKNOWN)
    assert meter.read().coarse.values["failed"] == [0.5]


def test_the_rings_are_bounded() -> None:
    meter = Meter()
    for second in range(FINE + 50):
        meter.tick(second, Cell(), UNKNOWN)
    assert {len(values) for values in meter.read().fine.values.values()} == {FINE}
