"""What is out of the ordinary is told, and days of healthy traffic are silent. On a fake clock."""

from __future__ import annotations

from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lazycelery.insight.anomalies import above, chance, silence
from lazycelery.insight.doctor import MODES
from lazycelery.insight.doctor.memory import Memory
from lazycelery.model.facts import NameFacts, TaskFacts
from lazycelery.model.finding import Finding
from lazycelery.model.limits import Limits
from lazycelery.store.ago import WEEK
from lazycelery.store.habits import Habit, Habits
from lazycelery.store.rings import Cell, Kept
from lazycelery.store.sketch import bucket, quantiles
from lazycelery.store.statistics import SUCCEEDED
from lazycelery.store.store import Store
from tests.doctor.seen import found, seen, silent, texts
from tests.doctor.town import HOUR, T0, Town


@pytest.fixture(scope="module")
def town() -> Town:
    """Two recorded days, and an hour that was watched."""
    town = Town()
    town.past(48)
    town.pass_by(1.2 * HOUR, looking=False)
    return town


def cured(town: Town, within: float = 900.0) -> None:
    began = town.now
    while town.now - began < within:
        if not town.pass_by(60):
            return
    raise AssertionError([(one.code, one.subject) for one in town.findings])


@pytest.mark.parametrize("seed", [3])
def test_hours_of_healthy_traffic_with_rhythms_bursts_and_deployments_are_silent(seed: int) -> None:
    town = Town(seed)
    town.past(48)
    assert town.pass_by(4 * HOUR) == set()


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2, 5])
def test_days_of_healthy_traffic_are_silent_from_the_first_minute(seed: int) -> None:
    assert Town(seed).pass_by(55 * HOUR) == set()


def test_a_slow_task_is_told_with_its_usual_and_forgotten_when_it_is_quick(town: Town) -> None:
    town.slower["shop.order"] = 6.0
    took, finding = town.until("task-slow", "shop.order", 120)
    assert took <= 60 and [one.subject for one in town.findings] == ["shop.order"]
    assert "half of its runs take" in finding.title and "usually 0.3 s" in texts(finding)
    assert finding.evidence[0].value == pytest.approx(1.8, rel=0.5)
    assert finding.evidence[1].value == pytest.approx(0.3, rel=0.1)
    del town.slower["shop.order"]
    cured(town)


def test_a_rare_task_is_judged_by_the_runs_that_there_are(town: Town) -> None:
    town.slower["shop.stock"] = 5.0
    took, _ = town.until("task-slow", "shop.stock", 400)
    assert took > 20
    del town.slower["shop.stock"]
    cured(town)


def test_failures_far_beyond_the_usual_share_are_told_and_the_usual_ones_are_not(town: Town) -> None:
    town.failing["shop.page"] = 0.6
    took, finding = town.until("failure-spike", "shop.page", 120)
    assert took <= 60 and "usually 1.0%" in texts(finding)
    assert all(one.subject != "shop.flaky" for one in town.findings)
    del town.failing["shop.page"]
    cured(town)


def test_long_waits_are_told_when_they_last(town: Town) -> None:
    town.late["web"] = 45.0
    took, finding = town.until("waiting-long", "web", 400)
    assert 100 <= took <= 240 and finding.kind == "queue" and "usually 95 % wait less than" in texts(finding)
    town.late.clear()
    cured(town)


def test_a_task_that_stops_is_silent_and_its_busy_twin_is_not(town: Town) -> None:
    town.stopped.add("shop.stock")
    took, finding = town.until("task-silent", "shop.stock", 900)
    assert 290 <= took <= 600
    assert "no run for" in texts(finding) and "a day ago at this time it ran" in texts(finding)
    assert [one.subject for one in town.findings] == ["shop.stock"]
    town.stopped.clear()
    cured(town)


def test_a_queue_that_does_far_less_is_one_finding(town: Town) -> None:
    town.pass_by(1.1 * HOUR, looking=False)
    town.stopped |= {"shop.page"}
    took, finding = town.until("throughput-drop", "web", 900)
    assert took <= 420 and "runs a minute" in finding.title
    assert {(one.code, one.subject) for one in town.findings} == {("throughput-drop", "web")}
    town.stopped.clear()
    cured(town)


@pytest.mark.parametrize(
    ("stopped", "silent"),
    [("shop.stock", ("task-silent", "shop.stock")), ("shop.page", ("throughput-drop", "web"))],
)
def test_what_lasts_is_told_until_it_is_over_and_never_usual_by_itself(
    stopped: str, silent: tuple[str, str]
) -> None:
    """Hours end meanwhile, and the two hours of minutes before it leave."""
    town = Town(3)
    town.past(48)
    town.pass_by(1.2 * HOUR, looking=False)
    town.failing["shop.order"], town.slower["shop.order"], town.late["default"] = 0.7, 6.0, 45.0
    town.stopped.add(stopped)
    wrong = {
        ("failure-spike", "shop.order"),
        ("task-slow", "shop.order"),
        ("waiting-long", "default"),
        silent,
    }
    town.pass_by(900)
    for _ in range(16):
        assert wrong <= {(one.code, one.subject) for one in town.findings}
        town.pass_by(840, looking=False)
        town.pass_by(10)
    still = next(one for one in town.findings if one.code == silent[0])
    assert still.since == pytest.approx(T0 + 10.2 * HOUR, abs=240)
    for told in (town.failing, town.slower, town.late, town.stopped):
        told.clear()
    cured(town)


def test_what_begins_in_the_first_hours_of_a_monitor_is_not_usual_a_few_minutes_later() -> None:
    town = Town(3)
    town.pass_by(1.5 * HOUR, looking=False)
    town.failing["shop.page"], town.slower["shop.order"] = 0.6, 6.0
    town.pass_by(300)
    for _ in range(8):
        told = {(one.code, one.subject) for one in town.findings}
        assert {("failure-spike", "shop.page"), ("task-slow", "shop.order")} <= told
        town.pass_by(840, looking=False)
        town.pass_by(10)


@pytest.mark.parametrize("known", [True, False])
def test_a_saturday_is_not_silent_where_last_week_is_known(known: bool) -> None:
    """What ran around the clock until Friday midnight ends, as it did a week ago."""
    town = Town(3)
    town.past(48)
    town.pass_by(1.2 * HOUR, looking=False)
    if known:
        hour = town.now - town.now % HOUR - WEEK
        town.habits.put_week([Kept(hour + ahead * HOUR, HOUR, {}) for ahead in range(-2, 3)])
    town.stopped |= {"shop.stock", "shop.page"}
    found = {subject for _, subject in town.pass_by(0.5 * HOUR)}
    assert found == (set() if known else {"web", "shop.stock"}), "shop.stock goes another way"


def test_a_monday_is_slow_and_failing_where_last_monday_was() -> None:
    slow = Cell()
    slow.counts[SUCCEEDED], slow.counts[4], slow.runtime = 40, 60, {bucket(2.5): 90, bucket(9.0): 10}
    town = Town(3)
    town.past(48)
    town.pass_by(1.2 * HOUR, looking=False)
    key = 3 * town.store.figures.words("task").code("shop.order")
    town.habits.put_week([Kept(town.now - WEEK, HOUR, {key: slow})])
    town.slower["shop.order"], town.failing["shop.order"] = 6.0, 0.5
    town.pass_by(300)
    assert town.findings == []
    town.slower["shop.order"] = 30.0
    town.until("task-slow", "shop.order", 120)


def test_what_is_usual_again_after_a_day_is_no_finding_for_ever() -> None:
    memory = Memory()
    one = Finding(code="failure-spike", severity="warning", title="", subject="shop.add")
    memory.note([one], MODES, T0)
    for hours in range(24):
        memory.note([one], MODES, T0 + hours * HOUR)
        assert memory.habits(MODES, T0 + hours * HOUR) == {("task", "shop.add"): T0 - 1}
    assert memory.habits(MODES, T0 + 24 * HOUR) == {}


def test_what_ends_each_day_at_this_time_is_not_silent() -> None:
    """The office closes at six, as it did yesterday."""
    town = Town(7)
    town.past(48)
    town.now += 8 * HOUR
    assert town.pass_by(1.3 * HOUR) == set()


def test_without_a_day_of_knowledge_nothing_is_called_silent_and_it_is_said() -> None:
    town = Town(8)
    town.pass_by(0.8 * HOUR, looking=False)
    town.stopped.add("shop.stock")
    assert not any(code == "task-silent" for code, _ in town.pass_by(0.5 * HOUR))
    for code in ("task-silent", "throughput-drop", "waiting-long"):
        assert "history = true" in (MODES[code].blind(seen()) or "")
        assert MODES[code].blind(seen(day_known=True)) is None


def test_a_silence_is_measured_by_the_pauses_of_before() -> None:
    each = [1] * 30
    assert silence([*each, 0, 0, 0], 20) == (3, 3)
    assert silence([1, 0, 0, 0, 0] * 25, 20) == (4, 15)
    assert silence([1, 0, 0, 0, 0] * 3, 20) is None
    by_chance = [1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 1] * 4
    quiet, usual = silence([*by_chance, *[0] * 9], 20) or (0, 0)
    assert quiet == 9 and usual >= 25
    assert silence([*each, -1, -1, 0], 20) == (1, 3)


@pytest.mark.parametrize(
    ("found", "of", "share", "most"), [(20, 20, 0.25, 1e-11), (5, 20, 0.25, 1.0), (8, 24, 0.01, 1e-8)]
)
def test_a_chance_is_bounded_from_above(found: int, of: int, share: float, most: float) -> None:
    from math import comb

    exact = sum(comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(found, of + 1))
    assert exact <= chance(found, of, share) <= most


@given(st.integers(1, 120), st.data(), st.floats(1e-6, 1 - 1e-6))
def test_no_chance_is_told_smaller_than_it_is(of: int, data: st.DataObject, share: float) -> None:
    """Else what happens by itself would be told: the bound holds for each number of runs."""
    from math import comb, fsum

    found = data.draw(st.integers(0, of))
    exact = fsum(comb(of, k) * share**k * (1 - share) ** (of - k) for k in range(found, of + 1))
    assert 0.0 <= chance(found, of, share) <= 1.0
    assert exact <= chance(found, of, share) * (1 + 1e-9)


@pytest.mark.parametrize(("found", "of", "share"), [(0, 0, 0.5), (3, 3, 0.0), (3, 3, 1.0), (0, 9, 0.1)])
def test_without_runs_or_without_a_share_everything_is_chance(found: int, of: int, share: float) -> None:
    assert chance(found, of, share) == 1.0


@given(st.integers(0, 12), st.integers(20, 60), st.integers(0, 200))
def test_what_comes_by_the_clock_is_silent_after_three_pauses_and_never_before(
    pause: int, runs: int, quiet: int
) -> None:
    row = ([1, *[0] * pause] * runs)[: -pause or None]
    assert silence(row + [0] * quiet, 20) == (quiet, 3 * (pause + 1))


@given(st.lists(st.floats(1e-3, 1e5), min_size=1, max_size=60), st.floats(1e-3, 1e5))
def test_quantiles_and_what_is_above_a_bound_are_off_by_no_more_than_is_said(
    times: list[float], bound: float
) -> None:
    buckets: dict[int, int] = {}
    for one in times:
        buckets[bucket(one)] = buckets.get(bucket(one), 0) + 1
    ordered = sorted(times)
    for share, told in zip((0.0, 0.5, 0.95), quantiles(buckets, (0.0, 0.5, 0.95)), strict=True):
        near = {ordered[floor(share * (len(times) - 1))], ordered[ceil(share * (len(times) - 1))]}
        assert told is not None and any(abs(told / one - 1) <= 0.0255 for one in near)
    surely = sum(one > bound * 1.0513 for one in times)
    assert surely <= above(buckets, bound) <= sum(one > bound / 1.0513 for one in times)


def test_a_clock_that_was_ahead_for_a_while_stops_no_counting() -> None:
    store = Store(10)
    habits, now = Habits(store.figures), T0
    name = 3 * store.figures.words("task").code("shop.add")

    def minutes(number: int, ended: int) -> Habit:
        nonlocal now
        for _ in range(12 * number):
            store.figures.seconds.step.setdefault(name, Cell()).counts[SUCCEEDED] += ended
            now += 5
            store.second(now)
        return _taken(habits, now)

    minutes(5, 1)
    now += 2 * HOUR
    minutes(2, 1)
    now -= 2 * HOUR
    assert list(minutes(5, 3).minutes)[-4:] == [36] * 4


def test_hours_that_are_loaded_later_are_known() -> None:
    store = Store(10)
    habits = Habits(store.figures)
    key, now = 3 * store.figures.words("task").code("shop.add"), T0 + 60
    for ago in range(1, 26):
        cell = Cell()
        cell.counts[SUCCEEDED] = 3600
        store.figures.put_before(T0 - ago * HOUR, {key: cell})
        told = _taken(habits, now)
    assert len(told.hours) == 25 and told.day == (1.0, 1.0)


def test_what_is_usual_of_no_run_time_calls_nothing_slow() -> None:
    cell, tried = Cell(), Cell()
    cell.counts[SUCCEEDED], cell.runtime = 30, {bucket(2.0): 30}
    tried.counts[5] = 500  # Only retries, which tell no run time.
    store = Store(10)
    key = 3 * store.figures.words("task").code("shop.add")
    for ago in range(1, 6):
        store.figures.put_before(T0 - ago * HOUR, {key: tried})
    store.figures.seconds.step[key] = cell
    store.second(T0 + 30)
    told = _taken(Habits(store.figures), T0 + 31)
    assert told.usual is not None and told.usual.runs > 100
    assert silent("task-slow", seen(now=T0 + 31, habits=[told]))


def test_a_limit_of_no_runs_is_no_division_by_it() -> None:
    cell = Cell()
    cell.counts[0] = 5  # Only sent.
    store = Store(10)
    key = 3 * store.figures.words("task").code("shop.add")
    for ago in range(1, 6):
        store.figures.put_before(T0 - ago * HOUR, {key: cell})
    store.figures.seconds.step[key] = cell
    store.second(T0)
    told = _taken(Habits(store.figures), T0 + 1)
    assert told.usual is not None and told.usual.runs == 0
    names = {"shop.add": NameFacts(name="shop.add", ended=10, failed=10)}
    limits = Limits(failure_known=0)
    assert found("failure-spike", seen(habits=[told], tasks=TaskFacts(names=names), limits=limits))


def _taken(habits: Habits, now: float) -> Habit:
    counting = habits.take(now)
    while True:
        try:
            next(counting)
        except StopIteration as done:
            [habit] = done.value
            return habit  # type: ignore[no-any-return]
