"""Clocks that are wrong, set, or slewed, told apart from events that are late."""

from __future__ import annotations

import pytest

from lazycelery.model.event import Event
from lazycelery.store.skew import Skew
from lazycelery.store.store import Store
from tests.store.build import T0, beat

WAY = 0.01
"""Seconds that an event takes."""


class Sender:
    """Beats each second. `ahead`: of its clock; `ours`: by which our clock is ahead."""

    def __init__(self) -> None:
        self.skew = Skew()
        self.at, self.held = T0, 0.0
        self.late = 0.0
        self.worst = 0.0
        """The latest since it was last told to beat."""

    def beats(
        self, seconds: int, ahead: float = 0.0, ours: float = 0.0, waiting: bool = False, held: float = 0.0
    ) -> None:
        """`held`: seconds for which each of them waited to be read."""
        self.worst = 0.0
        self.at += max(0.0, held - self.held - 1.0)  # That was not read before what was sent until then was.
        self.held = held
        for _ in range(seconds):
            self.at += 1.0
            self.late = self.skew.take(self.at - held + ahead, self.at + WAY + ours, waiting)
            self.worst = max(self.worst, self.late)


def skew_of(sender: Sender) -> float:
    assert sender.skew.seconds is not None
    return sender.skew.seconds


@pytest.mark.parametrize("wrong", [3600.0, 5.0, 1e8])
def test_a_clock_that_was_ahead_for_a_while_is_right_again_within_seconds(wrong: float) -> None:
    sender = Sender()
    sender.beats(60)
    sender.beats(20, ahead=wrong)
    assert skew_of(sender) == pytest.approx(wrong, abs=0.1)
    assert sender.worst == 0.0
    sender.beats(8)
    assert skew_of(sender) == 0.0
    assert sender.worst < 0.1  # Nor was it called late meanwhile.


def test_one_wild_timestamp_says_nothing_for_long() -> None:
    sender = Sender()
    sender.beats(10)
    for wild in (1e9, float("inf"), float("nan"), 1e300):
        sender.beats(1, ahead=wild)
        sender.beats(8)
        assert skew_of(sender) == 0.0
        assert sender.worst < 0.1


def test_a_clock_that_is_set_back_is_behind_from_then_on() -> None:
    sender = Sender()
    sender.beats(60)
    sender.beats(8, ahead=-600.0)
    assert skew_of(sender) == pytest.approx(-600.0, abs=0.1)
    sender.beats(1)
    assert skew_of(sender) == 0.0


def test_it_is_set_back_while_its_events_wait_to_be_read() -> None:
    sender = Sender()
    sender.beats(60)
    sender.beats(20, waiting=True, held=30.0)
    sender.beats(20, waiting=True, held=30.0, ahead=-600.0)
    assert skew_of(sender) == pytest.approx(-600.0, abs=0.1)
    assert sender.late == pytest.approx(30.0, abs=0.1)


@pytest.mark.parametrize("slew", [0.0005, -0.0005, 0.02])
def test_a_clock_that_is_slewed_is_followed(slew: float) -> None:
    sender = Sender()
    for second in range(600):
        sender.beats(1, ahead=60.0 + slew * second)
    sender.beats(130, ahead=60.0 + slew * 600)
    assert skew_of(sender) == pytest.approx(60.0 + slew * 600, abs=0.1)


def test_a_backlog_is_lag_for_as_long_as_it_lasts() -> None:
    sender = Sender()
    sender.beats(60)
    sender.beats(3600, waiting=True, held=300.0)
    assert skew_of(sender) == 0.0
    assert sender.late == pytest.approx(300.0, abs=0.1)
    sender.beats(5)
    assert skew_of(sender) == 0.0
    assert sender.late == pytest.approx(WAY, abs=0.001)


def test_a_backlog_that_grows_and_shrinks_is_no_clock_where_nobody_tells_what_waits() -> None:
    sender = Sender()
    sender.beats(60)
    for held in (*range(600), *range(600, 0, -1)):
        sender.beats(1, held=held / 2)
        assert skew_of(sender) == 0.0
    assert sender.worst < 1.0


def test_who_begins_within_a_backlog_tells_no_clock() -> None:
    sender = Sender()
    sender.beats(300, waiting=True, held=40.0)
    assert sender.skew.seconds is None
    assert sender.late == pytest.approx(40.0, abs=0.1)
    sender.beats(1)
    assert skew_of(sender) == 0.0


@pytest.mark.parametrize("away", [60, 3600])
def test_a_time_in_which_nobody_read_is_no_clock(away: int) -> None:
    """We were stopped, or slept: what was sent meanwhile comes all at once."""
    sender = Sender()
    sender.beats(130)
    woke = sender.at + away
    for second in range(away):
        sender.skew.take(sender.at + second, woke + second / 10_000)
    assert skew_of(sender) == 0.0
    sender.at = woke
    sender.beats(200)
    assert skew_of(sender) == 0.0
    assert sender.late == pytest.approx(WAY, abs=0.001)


def test_events_that_their_sender_kept_back_are_no_clock() -> None:
    """A worker gives out what it gathered while its broker was away after its first heartbeat."""
    sender = Sender()
    sender.beats(60)
    for second in range(60):
        sender.skew.take(sender.at - 60 + second, sender.at + WAY + second / 1000)
    sender.beats(1)
    assert skew_of(sender) == 0.0


def test_our_own_clock_is_told() -> None:
    sender = Sender()
    sender.beats(60, ahead=5.0)
    for ours in (3600.0, -3600.0):
        sender.skew.set(ours)
        sender.beats(20, ahead=5.0, ours=ours)
        assert sender.worst < 0.1
        assert skew_of(sender) == pytest.approx(5.0 - ours, abs=0.1)
        sender.skew.set(-ours)
        sender.beats(20, ahead=5.0)
        assert sender.worst < 0.1
        assert skew_of(sender) == pytest.approx(5.0, abs=0.1)


def test_our_own_clock_is_found_out_where_nobody_tells() -> None:
    sender = Sender()
    sender.beats(60)
    sender.beats(20, ours=-3600.0)
    assert sender.worst == 0.0
    sender.beats(200)
    assert skew_of(sender) == 0.0
    assert sender.late == pytest.approx(WAY, abs=0.001)


@pytest.mark.parametrize(("sender", "ours"), [(3600.0, 0.0), (0.0, -3600.0)])
def test_the_lag_of_all_is_right_again_within_minutes_of_a_wrong_clock(sender: float, ours: float) -> None:
    store = Store(1000)

    def beats(start: int, seconds: int, sender: float = 0.0, ours: float = 0.0) -> None:
        for at in range(start, start + seconds):
            one: Event = beat(at + sender)
            one.received = T0 + at + ours + WAY
            store.apply_events([one])

    beats(0, 60)
    beats(60, 20, sender, ours)
    beats(80, 200)
    assert store.lag() == pytest.approx(WAY, abs=0.01)
    [worker] = store.workers(T0 + 280)
    assert worker.clock_skew == 0.0


class Fleet:
    """Workers that beat each second; each has a clock, and one way to us."""

    def __init__(self, *names: str) -> None:
        self.store, self.names, self.at = Store(1000), list(names), 0

    def beats(self, seconds: int, held: float = 0.0, **ahead: float) -> None:
        """`held`: seconds that all wait on their way; `ahead`: of a worker's clock."""
        for _ in range(seconds):
            self.at += 1
            for name in self.names:
                one = beat(self.at + ahead.get(name, 0.0), f"{name}@h")
                one.received = T0 + self.at + held + WAY + self.at % 7 / 10
                self.store.apply_events([one])

    def skews(self) -> dict[str, float | None]:
        return {one.name: one.clock_skew for one in self.store.workers(T0 + self.at)}

    def lag(self) -> float:
        lag = self.store.lag()
        assert lag is not None
        return lag


@pytest.mark.parametrize("names", [["w1"], ["w1", "w2", "w3"]])
@pytest.mark.parametrize("longest", [5, 60, 600])
def test_a_backlog_of_constant_length_is_no_clock_where_nobody_tells_what_waits(
    names: list[str], longest: int
) -> None:
    """A saturated way to us, and a queue that drops what is older than a minute: we read all that comes."""
    fleet = Fleet(*names)
    fleet.beats(60)
    for held in range(longest):
        fleet.beats(2, held=held)
    fleet.beats(600, held=longest)
    assert set(fleet.skews().values()) == {0.0}
    assert fleet.lag() == pytest.approx(longest, abs=1.0)
    fleet.names.append("new")
    fleet.beats(200, held=longest)
    assert fleet.skews()["new@h"] is None, "it may wait as the others do"
    assert fleet.lag() == pytest.approx(longest, abs=1.0)
    fleet.at += longest
    fleet.beats(60)
    assert set(fleet.skews().values()) == {0.0}
    assert fleet.lag() < 1.0


def test_a_machine_that_slept_and_lost_the_time_is_known_by_those_who_are_on_time() -> None:
    """Its timestamps go on from where they were, and never go back."""
    fleet = Fleet("w1", "w2")
    fleet.beats(60)
    fleet.names.remove("w1")
    fleet.beats(300)
    fleet.names.append("w1")
    fleet.beats(200, w1=-290.0)
    assert fleet.skews() == {"w1@h": pytest.approx(-290.0, abs=1.0), "w2@h": 0.0}
    assert fleet.lag() < 1.0
    fleet.beats(20)
    assert set(fleet.skews().values()) == {0.0}


def test_a_step_of_ours_that_nobody_tells_is_lag_until_our_clock_is_right_again() -> None:
    fleet = Fleet("w1", "w2")
    fleet.beats(60)
    fleet.beats(400, held=600.0)
    assert set(fleet.skews().values()) == {0.0}
    assert fleet.lag() == pytest.approx(600.0, abs=1.0)
    fleet.beats(60)
    assert fleet.lag() < 1.0


def test_a_new_worker_tells_its_clock_at_once_where_all_are_on_time() -> None:
    fleet = Fleet("w1")
    fleet.beats(20)
    fleet.names.append("w2")
    fleet.beats(1, w2=-90.0)
    assert fleet.skews()["w2@h"] == pytest.approx(-90.0, abs=1.0)
