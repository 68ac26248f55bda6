"""Targets: what is counted, what is left of a budget, and when it is told. On a fake clock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from lazycelery.insight.sla import Book
from lazycelery.model.finding import Finding
from lazycelery.model.limits import Limits
from lazycelery.model.sla import Objective
from lazycelery.store.rings import Cell, Kept
from lazycelery.store.sketch import bucket
from lazycelery.store.statistics import FAILED, STARTED, SUCCEEDED
from lazycelery.store.store import Store
from tests.doctor.seen import found, seen, silent, texts
from tests.engine.test_comparing import NOW, engine_of, recorded

T0 = 1_800_000_000.0
HOUR = 3600.0
SUCCESS = {"shop.*": {"success": 0.999}}


class Shop:
    """A store whose tasks run at a pace."""

    def __init__(self, sla: dict[str, dict[str, float]]) -> None:
        self.store = Store(10)
        self.book = Book(sla, self.store.figures)
        self.now = T0

    def run(
        self, seconds: float, *, good: int = 10, failed: int = 0, runtime: float = 1.0, wait: float = 0.1
    ) -> Sequence[Objective]:
        """Time goes by; so many end each five seconds."""
        end = self.now + seconds
        while self.now < end:
            for name in ("shop.charge", "mail.send"):
                key = 3 * self.store.figures.words("task").code(name)
                cell = self.store.figures.seconds.step.setdefault(key, Cell())
                cell.counts[STARTED] += good + failed
                cell.counts[SUCCEEDED] += good
                cell.counts[FAILED] += failed
                cell.runtime[bucket(runtime)] = cell.runtime.get(bucket(runtime), 0) + good + failed
                cell.wait[bucket(wait)] = cell.wait.get(bucket(wait), 0) + good + failed
            self.now += 5
            self.store.second(self.now)
        return self.book.take(self.now)

    def load(self, hours: Sequence[Kept]) -> None:
        """Hours that were recorded, one a step: other work has its turn in between."""
        assert len(list(self.book.put_before(hours))) == len(hours)

    def findings(self, limits: Limits | None = None) -> list[Finding]:
        taken = self.book.take(self.now)
        return found("sla-burning", seen(now=self.now, sla=taken, limits=limits or Limits()))


def test_a_budget_and_its_burn_rates() -> None:
    shop = Shop(SUCCESS)
    shop.run(2 * HOUR)
    [one] = shop.run(60, good=5, failed=5)
    assert (one.pattern, one.aim, one.share, one.window) == ("shop.*", "success", 0.999, 604_800)
    assert one.events == 2 * 720 * 10 + 120 and one.bad == 60
    assert one.kept == pytest.approx(1 - 60 / 14_520)
    assert one.budget_left == pytest.approx(1 - 60 / 14_520 / 0.001)
    assert one.seen == pytest.approx(2 * HOUR + 60, abs=6)
    assert one.burn["5m"].rate == pytest.approx(60 / 600 / 0.001, rel=0.25)
    assert one.burn["1h"].rate == pytest.approx(60 / 7200 / 0.001, rel=0.05)
    assert one.names == ["shop.charge"]


@pytest.mark.parametrize(("aim", "slow"), [("wait", {"wait": 9.0}), ("runtime", {"runtime": 40.0})])
def test_waits_and_runs_beyond_the_target_are_missed(aim: str, slow: dict[str, float]) -> None:
    shop = Shop({"shop.*": {"wait": 5.0, "runtime": 30.0, "share": 0.9}})
    shop.run(600, wait=4.8, runtime=29.0)
    taken = {one.aim: one for one in shop.run(600, **slow)}
    other = "runtime" if aim == "wait" else "wait"
    assert taken[aim].kept == pytest.approx(0.5, abs=0.01) and taken[other].kept == 1.0  # type: ignore[index]
    assert taken[aim].budget_left == pytest.approx(-4, abs=0.1)  # type: ignore[index]


def test_a_fast_burn_is_critical_and_over_when_it_ends() -> None:
    shop = Shop(SUCCESS)
    shop.run(6 * HOUR)
    assert shop.findings() == []
    while not (told := shop.findings()):
        shop.run(5, good=5, failed=5)
    [finding] = told
    assert finding.severity == "critical" and finding.subject == "shop.* success"
    assert shop.now - T0 - 6 * HOUR < 240
    assert "in 1h" in texts(finding) and "in 5m" in texts(finding) and "shop.charge" in texts(finding)
    shop.run(330)
    assert shop.findings() == []


def test_a_slow_burn_is_a_warning() -> None:
    shop = Shop(SUCCESS)
    shop.run(6 * HOUR)
    shop.run(6 * HOUR, good=992, failed=8)
    [finding] = shop.findings()
    assert finding.severity == "warning" and "in 6h" in texts(finding) and "in 30m" in texts(finding)
    assert shop.findings(Limits(burn_slow=10.0)) == []


def test_what_keeps_its_target_is_silent_and_so_is_a_single_miss() -> None:
    shop = Shop({"shop.*": {"success": 0.99, "wait": 5.0}})
    shop.run(2 * HOUR, good=995, failed=5)
    assert shop.findings() == []
    shop = Shop(SUCCESS)
    shop.run(HOUR, good=1)
    shop.run(5, good=0, failed=2)
    shop.run(HOUR / 2, good=0)
    assert shop.findings() == []
    assert silent("sla-burning", seen())


def test_just_begun_what_was_not_watched_counts_as_kept() -> None:
    shop = Shop(SUCCESS)
    shop.run(20, good=9, failed=1)
    assert shop.findings() == []
    shop.run(600, good=9, failed=1)
    assert "were watched" in texts(shop.findings()[0])


def test_recorded_hours_are_counted_once() -> None:
    shop = Shop(SUCCESS)
    cell = Cell()
    cell.counts[SUCCEEDED], cell.counts[FAILED] = 990, 10
    key = 3 * shop.store.figures.words("task").code("shop.charge")
    shop.load([Kept(T0 - HOUR * ago, 1800.0, {key: cell}) for ago in (1, 2, 500)])
    shop.run(2 * HOUR, good=0)
    [one] = shop.book.take(shop.now)
    assert (one.events, one.bad) == (2000, 20) and one.seen == pytest.approx(2 * HOUR + 3600, abs=6)
    assert one.burn["6h"].events == 2000 and one.burn["1h"].rate is None


async def test_an_engine_counts_the_recorded_history(tmp_path: Path) -> None:
    engine, profile = engine_of(tmp_path, sla={"shop.*": {"runtime": 5.0}})
    recorded(profile, {NOW - NOW % HOUR - 20 * HOUR: (30, 1.0), NOW - NOW % HOUR - 100 * HOUR: (10, 9.0)})
    await engine._memory.begin()
    [one] = await engine.sla()
    assert (one.events, one.bad, one.seen) == (40, 10, 7200.0)
    assert one.budget_left == pytest.approx(1 - 0.25 / 0.01)
    await engine._memory.close()


def test_a_clock_that_was_ahead_for_a_while_stops_no_counting() -> None:
    shop = Shop(SUCCESS)
    shop.run(300)
    shop.now += 2 * HOUR
    shop.run(120)
    shop.now -= 2 * HOUR
    shop.run(900, good=5, failed=5)
    [one] = [one for one in shop.book.take(shop.now) if one.aim == "success"]
    assert one.burn["1h"].bad >= 850


@pytest.mark.parametrize("back", [1800, 5 * 86_400])
def test_misses_are_over_in_time_also_when_the_clock_jumped_back_since(back: int) -> None:
    shop = Shop(SUCCESS)
    shop.run(HOUR, failed=1)
    shop.now -= back
    [kept] = shop.run(7 * HOUR)
    assert [burn.bad for burn in kept.burn.values() if burn.seen < 7 * HOUR] == [0, 0, 0, 0]
    assert kept.bad > 0
