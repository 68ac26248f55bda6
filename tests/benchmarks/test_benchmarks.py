"""The figures are kept, which needs a quiet machine; what breaks is said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.benchmarks.__main__ import LONG, MEASURES, measure
from tests.benchmarks.figure import Figure, guarded
from tests.benchmarks.pouring import Sent


@pytest.mark.soak
@pytest.mark.alone
@pytest.mark.broker
@pytest.mark.parametrize("name", [name for name in MEASURES if name not in LONG])
def test_figures_are_kept(name: str) -> None:
    missed = [figure.line() for figure in measure(name) if not figure.kept]
    assert missed == []


def test_what_breaks_is_a_figure_that_is_not_kept_beside_those_measured_before() -> None:
    def measured() -> Iterator[Figure]:
        yield Figure("first", 1.0, "ms", 2.0)
        raise ValueError("no page came")

    first, broken = guarded("second", measured)
    assert first.kept
    assert not broken.kept
    assert broken.line() == "BROKEN second: could not be measured: ValueError: no page came"


def test_an_aim_that_is_not_reached_is_told_apart_from_a_limit_that_is_not_kept() -> None:
    reached, short, missed = (
        Figure("it", value, "ms", 10.0, "a note", aim=5.0) for value in (4.0, 7.0, 12.0)
    )
    assert [each.line().split()[0] for each in (reached, short, missed)] == ["ok", "SHORT", "MISSED"]
    assert [each.kept for each in (reached, short, missed)] == [True, True, False]
    assert short.line().endswith("aim 5.00; a note")


def test_a_limit_of_cpu_time_is_wider_on_a_slower_machine_and_what_is_to_be_reached_is_not() -> None:
    figure = Figure("it, CPU", 7.0, "ms", 5.0)
    assert not figure.kept
    slower = figure.at(2.0)
    assert slower.kept and not slower.reached and (slower.limit, slower.aim) == (10.0, 5.0)
    assert slower.line().startswith("SHORT") and slower.line().endswith("this machine is 2.0 times slower")
    assert not figure.at(1.2).kept
    rate = Figure("taken whole", 30_000, "ev/s", 50_000, least=True)
    assert not rate.kept and rate.at(2.0).kept and not rate.at(2.0).reached
    assert rate._replace(value=60_000).at(2.0).reached
    for other in (
        figure._replace(name="it"),
        figure._replace(unit="%"),
        figure._replace(beside=True),
        figure._replace(value=1.0, limit=0.0, unit=""),
    ):
        assert other.at(2.0) == other
    assert figure.at(0.8) == figure


def test_a_generator_that_had_no_time_is_told_from_a_monitor_that_is_too_slow() -> None:
    assert Sent(messages=10, events=980, tasks=300, seconds=1.0).short(1000) == ""
    assert "came to 900 of 1,000" in Sent(messages=10, events=900, tasks=300, seconds=1.0).short(1000)
