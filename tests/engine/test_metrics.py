"""Numbers over time."""

from __future__ import annotations

import pytest

from lazycelery.engine.metrics import FINE, Levels, Meter
from lazycelery.model.event import Event

UNKNOWN = Levels(None, None, None, None, None)


def test_a_second_counts_what_came_within_it() -> None:
    meter = Meter(lambda id: 2.0)
    meter.count([Event(type="task-started", uuid="a"), Event(type="task-succeeded", uuid="a", runtime=0.5)])
    meter.tick(10.0, Levels(7, 1, 2, 3, 0.1))
    meter.tick(11.0, UNKNOWN)
    fine = meter.read().fine
    assert fine.end == 11.0
    assert fine.values["succeeded"] == [1.0, 0.0]
    assert fine.values["backlog"] == [7, None]
    assert fine.values["runtime_p50"][0] == pytest.approx(0.5, rel=0.05)
    assert fine.values["wait_p95"][0] == pytest.approx(2.0, rel=0.05)
    assert fine.values["runtime_p50"][1] is None


def test_a_minute_is_the_mean_of_its_seconds() -> None:
    meter = Meter(lambda id: None)
    for second in range(60):
        meter.count([Event(type="task-failed", uuid="a")] * (second % 2))
        meter.tick(second, UNKNOWN)
    assert meter.read().coarse.values["failed"] == [0.5]


def test_the_rings_are_bounded() -> None:
    meter = Meter(lambda id: None)
    for second in range(FINE + 50):
        meter.tick(second, UNKNOWN)
    assert {len(values) for values in meter.read().fine.values.values()} == {FINE}
