"""How much is on its way to a terminal: fitted to its speed, and never a reason to stand still."""

from __future__ import annotations

import pytest

from lazycelery.tui.pacing import AIM, FIRST, LEAST, MOST, PATIENCE, SILENCE, Pacer


class Line:
    """A terminal behind a line of `speed` bytes a second that answers after `trip` seconds."""

    def __init__(self, speed: float, trip: float = 0.0) -> None:
        self.pacer = Pacer()
        self.now = 100.0
        self._speed, self._trip = speed, trip
        self._free = 0.0
        """When all that was sent has arrived."""
        self._answers: list[tuple[float, int]] = []

    def send(self, size: int) -> None:
        self._free = max(self._free, self.now) + size / self._speed
        if mark := self.pacer.sent(size, self.now):
            self._answers.append((self._free + self._trip, mark))

    def paint(self, seconds: float) -> int:
        """There is always something to send; returns how much went."""
        end, sent = self.now + seconds, 0
        while self.now < end:
            room = self.pacer.room(self.now)
            if room:
                self.send(room)
                sent += room
            self.wait(0.001)
        return sent

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while self._answers and self._answers[0][0] <= end:
            self.now, mark = self._answers.pop(0)
            self.pacer.answered(mark, self.now)
        self.now = end

    @property
    def before_a_key(self) -> float:
        """Seconds that a key's answer waits behind what is on its way."""
        return max(0.0, self._free - self.now)


@pytest.mark.parametrize("trip", [0.001, 0.2])
@pytest.mark.parametrize("speed", [5_000, 20_000, 100_000])
def test_a_keys_answer_never_waits_long_behind_paint(speed: int, trip: float) -> None:
    line = Line(speed, trip)
    line.send(0)
    line.wait(1)
    line.paint(3)
    worst = 0.0
    for _ in range(2000):
        line.paint(0.001)
        worst = max(worst, line.before_a_key)
    assert worst < 2 * AIM + 0.01


@pytest.mark.parametrize(("speed", "trip"), [(5_000, 0.001), (20_000, 0.001), (1_000_000, 0.1)])
def test_a_line_is_used(speed: int, trip: float) -> None:
    line = Line(speed, trip)
    line.send(0)
    line.wait(1)
    line.paint(2)
    assert line.paint(4) > min(0.6 * speed, MOST / trip / 2) * 4


def test_more_is_sent_once_a_line_has_become_faster() -> None:
    line = Line(3_000)
    line.send(0)
    line.wait(1)
    line.paint(3)
    assert line.pacer.room(line.now) < FIRST
    line._speed = 1e7
    line.paint(3)
    line.wait(1)
    assert line.pacer.room(line.now) > FIRST


def test_a_terminal_that_never_answers_is_left_in_peace_after_a_moment() -> None:
    pacer = Pacer()
    late = pacer.sent(0, 0.0)
    pacer.sent(FIRST, 0.0)
    assert pacer.room(PATIENCE / 2) == 0
    assert pacer.room(PATIENCE + 0.01) > 0 and pacer.mute and pacer.settled
    assert not pacer.sent(1000, 1.0), "it is not asked again"
    pacer.answered(late, 5.0)
    assert not pacer.mute, "an answer that comes late is an answer"


def test_an_answer_that_is_lost_stops_nothing() -> None:
    pacer = Pacer()
    pacer.answered(pacer.sent(0, 0.0), 0.01)
    lost = pacer.sent(FIRST, 1.0)
    assert pacer.room(1.5) == 0
    assert pacer.room(1.0 + SILENCE) == FIRST and not pacer.mute
    pacer.answered(lost, 9.0)
    pacer.answered(lost, 9.0)


@pytest.mark.parametrize("given_up", [True, False], ids=["given up", "no answer in time"])
def test_a_terminal_is_not_idle_while_an_answer_may_be_on_its_way(given_up: bool) -> None:
    pacer = Pacer()
    pacer.answered(pacer.sent(0, 0.0), 0.01)
    assert pacer.idle
    lost = pacer.sent(100, 1.0)
    if given_up:
        pacer.give_up()
    assert pacer.room(1.0 + SILENCE) and pacer.settled
    assert not pacer.idle, "what was sent may fill its buffer"
    pacer.answered(lost, 4.0)
    assert not pacer.idle, "more may have been sent meanwhile"
    pacer.answered(pacer.sent(100, 4.0), 4.01)
    assert pacer.idle


def test_the_answer_after_a_lost_one_makes_up_for_it() -> None:
    pacer = Pacer()
    pacer.answered(pacer.sent(0, 0.0), 0.01)
    pacer.sent(1500, 1.0)
    pacer.answered(pacer.sent(500, 1.0), 1.02)
    assert pacer.settled and pacer.room(1.03) >= FIRST


def test_an_answer_that_comes_after_patience_is_not_taken_for_another() -> None:
    pacer = Pacer()
    pacer.answered(pacer.sent(0, 0.0), 0.5)
    late = pacer.sent(FIRST, 1.0)
    assert pacer.room(1.0 + SILENCE)  # The line stood still for a moment.
    now = 1.0 + SILENCE
    fresh = pacer.sent(FIRST, now)
    pacer.answered(late, now + 0.001)
    assert not pacer.settled and pacer.trip == 0.5, "an answer within a millisecond would spoil the measure"
    pacer.answered(fresh, now + 0.5)
    pacer.answered(fresh, now + 0.5)
    assert pacer.settled and pacer.room(now + 1) >= FIRST, "the line is as fast as it was"


def test_the_slowest_line_still_gets_something() -> None:
    pacer = Pacer()
    pacer.answered(pacer.sent(0, 0.0), 0.01)
    pacer.answered(pacer.sent(FIRST, 1.0), 90.0)
    assert pacer.room(91.0) == LEAST


def test_what_we_worked_while_an_answer_waited_makes_no_line_slow() -> None:
    def budget(worked: float) -> int:
        pacer = Pacer()
        pacer.answered(pacer.sent(0, 0.0), 0.01)
        mark = pacer.sent(1000, 1.0, 5.0)
        pacer.answered(mark, 1.25, 5.0 + worked)
        return pacer.room(1.3)

    idle = budget(0.0)
    assert idle < 1000 < budget(0.24)
    assert budget(0.1) == idle, "it was slow all the same"
