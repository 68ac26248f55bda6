"""More events than the monitor can take: what goes, what stays, and how it catches up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from lazycelery.engine import overload
from lazycelery.engine.engine import Engine
from lazycelery.engine.overload import CALM, CUT_OFF, FEW, PATIENCE, Overload
from lazycelery.model.profile import Profile
from lazycelery.model.relief import STAGES
from lazycelery.model.task import TaskQuery
from tests.engine.test_contract import until
from tests.support.broker import RedisServer
from tests.support.flood import FAILS, Flood

TASKS = 40_000


class Machine:
    """Takes events at a cost by stage, on a clock of its own."""

    def __init__(self, *costs: float) -> None:
        self.costs = costs
        self.slower = 1.0
        """So many times what an event costs."""
        self.now = 100.0
        self.stages: list[int] = []
        self.overload = Overload(self.stages.append)

    def run(self, seconds: float, rate: float, pause: float = 0.0) -> None:
        """So many events a second, read as the sources read: a backlog stands behind what is full.

        Before, nothing was read for so long.
        """
        end, second = self.now + seconds, self.now + 1
        arrived, taken, began = 0.0, 0, self.now - pause
        while self.now < end:
            arrived = rate * (self.now - began)
            events = min(int(arrived - taken), 2000)
            taken += events
            took = events * self.costs[self.overload.stage] * self.slower
            more = arrived - taken > 100
            late = (arrived - taken) / rate + 0.002
            self.overload.took(self.now, self.now + took, events, more, late)
            self.now += took if more else max(took, 0.005)
            while self.now >= second:
                self.overload.second(second)
                second += 1


def test_what_can_be_taken_is_taken_whole() -> None:
    machine = Machine(8e-6, 7e-6, 4e-6, 3e-6)
    machine.run(30, 60_000)
    assert machine.stages == []


def test_stages_begin_one_after_the_other_and_only_as_far_as_needed() -> None:
    machine = Machine(8e-6, 7e-6, 4e-6, 3e-6)
    machine.run(5, 130_000)
    assert machine.stages == [1]
    machine = Machine(8e-6, 7e-6, 4e-6, 3e-6)
    machine.run(5, 155_000)
    assert machine.stages == [1, 2]


def test_nothing_more_can_go_than_the_last_stage_lets_go() -> None:
    machine = Machine(8e-6, 7e-6, 4e-6, 3e-6)
    machine.run(5, 1_000_000)
    assert machine.stages == [1, 2, 3] == list(range(1, len(STAGES)))


def test_it_catches_up_stage_by_stage_once_there_is_room() -> None:
    machine = Machine(8e-6, 7e-6, 4e-6, 3e-6)
    machine.run(5, 155_000)
    began = machine.now
    machine.run(60, 20_000)
    assert machine.stages == [1, 2, 1, 0]
    assert machine.now - began > 2 * CALM


def test_a_pause_that_is_caught_up_with_lets_nothing_go() -> None:
    machine = Machine(24e-6, 20e-6, 12e-6, 9e-6)
    machine.run(5, 25_000, pause=0.4)
    assert machine.stages == []


def test_a_long_pause_that_is_caught_up_with_slowly_lets_nothing_go() -> None:
    machine = Machine(17e-6, 17e-6, 12e-6, 9e-6)
    machine.run(8, 50_000, pause=0.5)  # 85 % of its time: it takes three seconds to catch up.
    assert machine.stages == []


def test_what_is_caught_up_with_too_slowly_is_not_waited_for() -> None:
    machine = Machine(19.7e-6, 12e-6, 9e-6, 8e-6)
    machine.run(8, 50_000, pause=0.6)  # 98.5 % of its time.
    assert machine.stages[:1] == [1]


def test_what_a_pause_began_ends_where_all_was_taken_before() -> None:
    machine = Machine(28e-6, 24e-6, 12e-6, 9e-6)
    machine.run(5, 25_000)  # 70 % of its time.
    machine.slower = 2.0
    machine.run(2, 25_000, pause=0.5)
    machine.slower = 1.0
    machine.run(40, 25_000)
    assert machine.stages[0] == 1 and machine.stages[-1] == 0


def test_seconds_in_which_the_machine_was_slow_do_not_keep_a_stage() -> None:
    machine = Machine(14e-6, 13e-6, 8e-6, 6e-6)
    machine.run(60, 50_000)  # 70 % of its time.
    machine.slower = 2.0
    machine.run(2, 50_000)
    assert machine.stages
    machine.slower = 1.0
    machine.run(30, 50_000)
    assert machine.stages[-1] == 0


def test_a_stage_ends_once_a_machine_that_was_slow_from_the_start_is_not_any_more() -> None:
    machine = Machine(14e-6, 12e-6, 8e-6, 6e-6)
    machine.slower = 1.5
    machine.run(60, 50_000)  # 105 % of its time, and 90 % at stage 1.
    assert machine.stages == [1]
    machine.slower = 1.0
    machine.run(30, 50_000)
    assert machine.stages == [1, 0]


@pytest.mark.parametrize(
    ("share", "slower", "seconds"), [(0.4, 3, 20), (0.4, 5, 20), (0.6, 2, 20), (0.6, 3, 20)]
)
def test_no_stage_lasts_for_what_was_measured_while_the_machine_was_slow(
    share: float, slower: float, seconds: float
) -> None:
    machine = Machine(14e-6, 13e-6, 8e-6, 6e-6)
    rate = share / 14e-6
    machine.run(60, rate)
    machine.slower = slower
    machine.run(seconds, rate)  # Tries that were in vain made it known as slow.
    assert max(machine.stages) > 0
    machine.slower = 1.0
    machine.run(600, rate)
    assert machine.stages[-1] == 0


def test_what_would_fall_behind_is_tried_less_and_less_often() -> None:
    machine = Machine(14e-6, 13e-6, 8e-6, 6e-6)
    machine.run(7200, 85_000)  # 111 % of its time at stage 1, 68 % at stage 2.
    falls = sum(1 for one, other in zip(machine.stages, machine.stages[1:], strict=False) if other < one)
    assert machine.stages[-1] == 2 and 1 <= falls <= 6


def test_a_guess_that_was_wrong_is_not_made_over_and_over() -> None:
    machine = Machine(14e-6, 12e-6, 8e-6, 6e-6)
    machine.run(60, 20_000)
    machine.slower = 1.5
    machine.run(300, 50_000)  # It was never measured so slow.
    assert machine.stages[-1] == 1
    assert machine.stages.count(0) <= 3
    machine = Machine(14e-6, 13e-6, 8e-6, 6e-6)
    machine.run(60, 50_000)
    machine.slower = 1.8
    machine.run(300, 50_000)  # 117 % of its time at stage 1, 72 % at stage 2.
    assert machine.stages[-1] == 2
    assert len(machine.stages) <= 12


def test_after_a_lost_connection_the_second_that_lost_it_counts() -> None:
    stages: list[int] = []
    one = Overload(stages.append)
    now, rate = 10.0, 50_000
    for second in range(30):  # Half of the time for 27 seconds, then all of it.
        cost = 10e-6 if second < 27 else 20e-6
        one.took(now, now + rate * cost, rate, more=second == 29)
        now += 1
        one.second(now)
    assert one.lost(now)
    for _ in range(120):
        one.took(now, now + rate * 10e-6, rate, more=False)
        now += 1
        one.second(now)
    assert stages == [1]


def test_a_stage_lasts_while_the_one_before_would_fall_behind_again() -> None:
    machine = Machine(8e-6, 7e-6, 4e-6, 3e-6)
    machine.run(5, 155_000)
    machine.run(120, 140_000)  # 98 % of its time at stage 1: no room to go back.
    assert machine.stages == [1, 2]


def test_a_load_that_comes_and_goes_does_not_make_it_flicker() -> None:
    machine = Machine(8e-6, 7e-6, 4e-6, 3e-6)
    for _ in range(20):
        machine.run(2, 180_000)
        machine.run(7, 20_000)
    falls = sum(1 for one, other in zip(machine.stages, machine.stages[1:], strict=False) if other < one)
    assert falls < 20


def test_a_single_full_read_after_a_pause_of_ours_is_no_overload() -> None:
    stages: list[int] = []
    one = Overload(stages.append)
    one.took(10.0, 10.1, FEW, more=True)
    one.took(10.1, 10.1 + PATIENCE / 2, FEW, more=False)
    one.took(20.0, 20.1, FEW, more=True)
    assert stages == []


def test_a_connection_that_ends_while_more_waits_in_it_begins_the_next_stage() -> None:
    stages: list[int] = []
    one = Overload(stages.append)
    assert not one.lost(5.0)
    one.took(10.0, 10.1, FEW, more=True)
    one.took(10.1, 10.2, FEW, more=False)
    assert not one.lost(10.2 + 2 * CUT_OFF) and stages == []
    one.took(20.0, 20.1, FEW, more=True)
    assert one.lost(20.2) and stages == [1]


@pytest.mark.broker
async def test_events_that_were_lost_as_too_many_came_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overload, "CUT_OFF", 3.0)  # However busy the machine is.
    server = RedisServer("--client-output-buffer-limit", "pubsub 256kb 0 0").start()
    flood = Flood(server.port, TASKS // 2, text=400)
    engine = Engine(Profile(broker=server.url, history=False))
    await engine.start()
    try:
        await engine.ready(10)
        await asyncio.to_thread(flood.ready)
        flood.go()

        async def told() -> bool:
            now = await engine.overview()
            return bool(now.relief.cut_off) and any("were not heard" in one.title for one in now.findings)

        assert await until(told, 20)
        assert (await engine.overview()).relief.missed > 0
    finally:
        await engine.close()
        flood.stop()
        server.stop()


@pytest.fixture
def roomy() -> Iterator[RedisServer]:
    """A broker that does not drop a slow reader: the test is to see all of the flood."""
    server = RedisServer("--client-output-buffer-limit", "pubsub 0 0 0").start()
    yield server
    server.stop()


@pytest.mark.broker
async def test_a_flood_costs_texts_and_successes_and_never_a_failure(
    roomy: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overload, "PATIENCE", 0.02)
    monkeypatch.setattr(overload, "FIRST_PATIENCE", 0.02)
    monkeypatch.setattr(overload, "CALM", 0.5)
    flood = Flood(roomy.port, TASKS, text=400)
    engine = Engine(Profile(broker=roomy.url, history_dir=str(tmp_path), recorder=True))
    await engine.start()
    try:
        await engine.ready(10)
        await asyncio.to_thread(flood.ready)
        flood.go()
        failures = TASKS // FAILS

        async def all_seen() -> bool:
            return (await engine.overview()).tasks_by_state.get("failure") == failures

        assert await until(all_seen, 60)
        overview = await engine.overview()
        relief = overview.relief
        assert relief.texts > 0 and relief.successes > 0
        assert overview.events_seen == 3 * TASKS and overview.sources[1].gaps == 0

        async def said() -> bool:
            return "monitor-behind" in {one.code for one in (await engine.overview()).findings}

        assert await until(said, 30)

        # A failure is whole: its name came with an event that was held back.
        page = await engine.tasks(TaskQuery(filter="state:failure", limit=50))
        assert page.matched == failures
        for row in page.rows:
            assert row.name and row.error and row.error.startswith("ValueError")
            assert (await engine.task(row.id, fetch=False)).traceback

        # What was let go is in no list, and in all counts.
        told = await engine.statistics("task", 3600)
        assert sum(row.failed for row in told.rows) == failures
        assert sum(row.succeeded for row in told.rows) == TASKS - failures
        assert overview.tasks_by_state["success"] == TASKS - failures - relief.successes

        async def over() -> bool:
            return not (await engine.overview()).relief.active

        assert await until(over, 30)
        after = (await engine.overview()).relief
        assert (after.texts_let_go, after.one_in) == (False, 1) and after.successes == relief.successes
    finally:
        await engine.close()
        flood.stop()
