"""This machine's clock is set back or ahead: what is kept of a while ago stays as long ago as it was."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.engine.our_clock import OurClock
from lazycelery.insight.doctor import MODES
from lazycelery.insight.doctor.memory import Memory
from lazycelery.insight.doctor.mode import Mode
from lazycelery.model.facts import TaskFacts
from lazycelery.model.finding import Finding
from lazycelery.model.profile import Profile
from lazycelery.model.reports import QueueReport, WorkerReport, WorkerStats
from lazycelery.store.skew import Skew
from lazycelery.store.store import Store
from lazycelery.waiting import Breath
from tests.store.build import T0, beat, received, started

SETS = pytest.mark.parametrize("by", [-3600.0, 3600.0, -5.0, -10 * 86_400.0])


class Machine:
    """Its clock, and the seconds that go by."""

    def __init__(self) -> None:
        self.time, self.passed = T0, 1000.0
        self.told: list[float] = []
        self.pauses: list[float] = []
        """Between a look at the seconds and one at the clock."""

    def goes_on(self, seconds: float, by: float = 0.0) -> None:
        """So many seconds pass, and it is set by so many more."""
        self.passed += seconds
        self.time += seconds + by

    def elapsed(self) -> float:
        found = self.passed
        if self.pauses:
            self.goes_on(self.pauses.pop(0))
        return found

    def clock(self) -> OurClock:
        clock = OurClock(lambda: self.time, self.elapsed)
        clock.was_set = self.told.append
        return clock


@SETS
def test_it_is_told_before_anybody_has_the_new_time(by: float) -> None:
    machine = Machine()
    clock = machine.clock()
    for _ in range(100):
        machine.goes_on(1.0)
        assert clock.now() == machine.time
    assert machine.told == []
    machine.goes_on(0.5, by)
    assert clock.now() == machine.time
    assert machine.told == [pytest.approx(by)]
    machine.goes_on(1.0)
    clock.now()
    assert len(machine.told) == 1


def test_sleep_slewing_and_a_pause_between_two_looks_are_no_jump() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.goes_on(36_000.0)
    clock.now()
    for _ in range(100):
        machine.goes_on(1.0, 0.08)
        clock.now()
    machine.pauses = [30.0]
    clock.now()
    machine.goes_on(1.0)
    clock.now()
    assert machine.told == []
    machine.goes_on(1.0, 3600.0)
    machine.pauses = [30.0]
    clock.now()
    assert machine.told == [pytest.approx(3600.0, abs=0.1)]


def test_another_thread_reads_it_and_tells_nobody() -> None:
    machine = Machine()
    clock = machine.clock()
    machine.goes_on(1.0, 3600.0)
    other = threading.Thread(target=clock.now)
    other.start()
    other.join()
    assert machine.told == []
    clock.now()
    assert len(machine.told) == 1


class Watched:
    """An engine that is told by its machine's clock."""

    def __init__(self, engine: Engine) -> None:
        self.machine, self.parts = Machine(), engine._parts
        self.store: Store = self.parts.store
        ours = self.parts.own_clock
        assert ours is not None
        by = self.machine.time - ours.now()
        ours._clock, ours._elapsed = lambda: self.machine.time, self.machine.elapsed
        ours._offset = self.machine.time - self.machine.passed
        self.parts._clock_set(by)

    def beats(self, seconds: int, active: int = 0) -> None:
        for _ in range(seconds):
            self.machine.goes_on(1.0)
            one = beat(self.parts.clock() - T0, active=active)
            self.store.apply_events([one])
            self.store.apply_queues([QueueReport(name="celery", at=self.parts.clock(), messages=10)])

    def state(self) -> str:
        [worker] = self.store.workers(self.parts.clock())
        return worker.state


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    engine = Engine(Profile(broker="redis://127.0.0.1:1/0", history=False))
    yield Watched(engine)
    await engine.close()


@SETS
async def test_who_goes_is_found_to_be_gone_as_soon_as_ever(watched: Watched, by: float) -> None:
    stats = WorkerStats(worker="w1@h", pool="prefork")
    watched.beats(20)
    watched.store.apply_worker(WorkerReport(worker="w1@h", at=watched.parts.clock(), ping=True, stats=stats))
    watched.machine.goes_on(0.5, by)
    assert watched.state() == "online"
    [worker] = watched.store.workers(watched.parts.clock())
    assert worker.heartbeat_age == pytest.approx(0.5, abs=0.1)
    assert list(watched.store.lateness.late(watched.parts.clock())) == []
    watched.machine.goes_on(4.0)
    assert list(watched.store.lateness.late(watched.parts.clock())) == ["w1@h"]
    watched.machine.goes_on(60.0)
    assert watched.state() == "offline"


@SETS
async def test_a_run_on_a_worker_that_went_is_lost_as_soon_as_ever(watched: Watched, by: float) -> None:
    watched.beats(20)
    at = watched.parts.clock() - T0
    watched.store.apply_events([received(at), started(at)])
    watched.beats(2)
    watched.machine.goes_on(0.5, by)
    for _ in range(20):
        watched.machine.goes_on(4.0)
        watched.store.apply_queues([QueueReport(name="celery", at=watched.parts.clock(), messages=0)])
    assert watched.store.counts() == {"lost": 1}


@SETS
async def test_a_gap_of_before_is_no_doubt_about_what_was_seen_since(watched: Watched, by: float) -> None:
    watched.beats(20)
    watched.store.gap(watched.parts.clock() - 5, watched.parts.clock() - 1, behind=False)
    for id in ("before", "after"):
        watched.store.apply_events([received(watched.parts.clock() - T0, id)])
        watched.machine.goes_on(0.5, by)
        watched.beats(2)
    tasks = [watched.store.task(id, watched.parts.clock()) for id in ("before", "after")]
    assert [task.marks for task in tasks if task is not None] == [[], []]


@SETS
async def test_rates_of_queues_and_figures_go_on(watched: Watched, by: float) -> None:
    watched.beats(20)
    watched.machine.goes_on(0.5, by)
    watched.beats(2)
    assert watched.store.events_per_second(watched.parts.clock()) == pytest.approx(1.0, abs=0.25)
    assert watched.store.lag() == pytest.approx(0.0, abs=0.6)
    [queue] = watched.store.queues(watched.parts.clock())
    assert queue.age == pytest.approx(0.0, abs=0.1)
    probes = watched.store._queues.known["celery"].probes
    assert probes[-1][0] - probes[0][0] == pytest.approx(21.5, abs=0.1)


async def test_our_own_jump_is_no_lag_and_the_workers_clock_differs_from_then_on(watched: Watched) -> None:
    watched.beats(20)
    watched.machine.goes_on(0.5, 3600.0)
    one = beat(watched.parts.clock() - T0 - 3600.0)
    one.received = watched.parts.clock()
    watched.store.apply_events([one])
    assert watched.store.late() == pytest.approx(0.0, abs=0.1)
    [worker] = watched.store.workers(watched.parts.clock())
    assert worker.clock_skew == pytest.approx(-3600.0, abs=0.1)


@SETS
async def test_what_is_found_stays_and_passes_in_time(watched: Watched, by: float) -> None:
    examiner, parts = watched.parts.examiner, watched.parts

    def said(*codes: str) -> list[str]:
        found = [Finding(code=code, severity="warning", title=code) for code in codes]
        return [one.code for one in examiner._memory.note(found, MODES, parts.clock())]

    patience = MODES["monitor-behind"].patience
    said("monitor-behind")
    watched.machine.goes_on(patience + 1)
    assert said("monitor-behind") == ["monitor-behind"]
    watched.machine.goes_on(0.5, by)
    assert said("monitor-behind", "clock-skew") == ["monitor-behind"]
    watched.machine.goes_on(max(MODES[code].lingers for code in ("monitor-behind", "clock-skew")) + 1)
    assert said("clock-skew") == ["clock-skew"]


@pytest.mark.parametrize("during", ["snapshot", "check"])
@SETS
async def test_what_is_over_goes_though_the_clock_was_set_while_it_was_looked_for(
    watched: Watched, by: float, during: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    examiner, parts = watched.parts.examiner, watched.parts
    parts.links.up("broker")
    parts.watch.first_truth.set()

    async def examined(seconds: int, ahead: float) -> list[str]:
        for _ in range(seconds):
            watched.machine.goes_on(1.0)
            one = beat(parts.clock() - T0)
            one.timestamp += ahead
            watched.store.apply_events([one])
        examination = await examiner.examine()
        assert examination.at == pytest.approx(parts.clock(), abs=2.0)
        return [one.code for one in examination.findings]

    for _ in range(4):
        found = await examined(3, -60.0)
    assert "clock-skew" in found

    steps = [by]

    def goes_on() -> None:
        while steps:
            watched.machine.goes_on(0.1, steps.pop())
            parts.clock()

    count, run = examiner.snapshots._count, examiner._run

    async def counted(now: float, breath: Breath) -> TaskFacts:
        goes_on()
        return await count(now, breath)

    async def checked(mode: Mode, *rest: Any) -> None:
        await run(mode, *rest)
        if mode.code == "clock-skew":
            goes_on()

    if during == "snapshot":
        monkeypatch.setattr(examiner.snapshots, "_count", counted)
    else:
        monkeypatch.setattr(examiner, "_run", checked)
    assert "clock-skew" in await examined(1, -60.0 + by)
    assert steps == []
    [record] = watched.store._workers.known.values()
    record.skew = Skew()
    watched.machine.goes_on(MODES["clock-skew"].lingers + 1.0)
    assert "clock-skew" not in await examined(3, 0.0)
    now = parts.clock()
    assert all(
        sample.at <= now for samples in examiner.snapshots._history.workers.values() for sample in samples
    )


def test_what_was_seen_in_the_future_is_over_and_hides_nothing() -> None:
    memory, now = Memory(), T0
    mode = MODES["clock-skew"]

    def said(at: float, *codes: str) -> list[str]:
        found = [Finding(code=code, severity="warning", title=code) for code in codes]
        return [one.code for one in memory.note(found, MODES, at)]

    said(now, "clock-skew")
    assert said(now + mode.patience + 1, "clock-skew") == ["clock-skew"]
    assert said(now - 3600.0) == []
    said(now, "clock-skew")
    said(now - 3600.0, "clock-skew")
    assert said(now - 3600.0 + mode.patience, "clock-skew") == ["clock-skew"]


@SETS
async def test_ages_of_links_and_of_what_lasts_go_on(watched: Watched, by: float) -> None:
    parts = watched.parts
    parts.links.up("broker")
    history = parts.examiner.snapshots._history
    watched.beats(10)
    history.note(parts.clock(), watched.store.queues(parts.clock()), [])
    watched.machine.goes_on(1.0, by)
    now = parts.clock()
    assert now - (parts.links["broker"].last or 0.0) == pytest.approx(11.0, abs=0.1)
    assert now - history.full["celery"] == pytest.approx(1.0, abs=0.1)
    assert [sample.at for sample in history.queue("celery", now - 5)] == [pytest.approx(now - 1.0, abs=0.1)]
    assert parts.examiner._due == float("inf")
    assert parts.examiner.beginning.hinders("worker-lost", now + 3600) is None
