"""Runs that were missing, and runs that came twice: what events prove of them, and what they do not."""

from __future__ import annotations

from typing import Any

import pytest

from lazycelery.engine import beat_runs
from lazycelery.engine.beat_runs import RunsSeen
from lazycelery.engine.links import Links
from lazycelery.engine.periodic import Periodic
from lazycelery.insight.doctor import MODES
from lazycelery.insight.runs import keeps_interval, of_interval, of_moments
from lazycelery.model.beat import BeatEntry, Runs, SchedulerState
from lazycelery.model.event import Event
from lazycelery.model.timing import Timing
from tests.beat.test_on_redis import engine_on, named, until
from tests.doctor.seen import NOW, seen, worker
from tests.support.beat import CeleryBeat, conf
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker


def sendings(*times: float, by: str = "gen1@a") -> list[tuple[float, str]]:
    return [(at, by) for at in times]


def test_an_interval_that_was_kept_has_nothing_missing() -> None:
    runs = of_interval(10, sendings(3, 13.2, 23.4, 33.6), 0, 40, 5)
    assert runs == Runs(since=0, until=40, due=4, seen=4, by=["gen1@a"])


@pytest.mark.parametrize(
    ("times", "until", "missing"),
    [
        ((3, 13, 43, 53), 55, [23, 33]),  # in between
        ((3, 13), 55, [23, 33, 43]),  # at the end, but for what may still come
        ((), 45, [10, 20, 30, 40]),  # from the begin
        ((), 12, None),  # too early to say
        ((3, 13, 28), 30, []),  # late is not missing
    ],
)
def test_what_an_interval_misses(times: tuple[float, ...], until: float, missing: list[float] | None) -> None:
    runs = of_interval(10, sendings(*times), 0, until, 5)
    assert (runs.missing if runs else None) == missing
    assert runs is None or runs.due == len(times) + len(missing or ())


def test_two_senders_of_an_interval_double_each_run() -> None:
    both = sorted(sendings(3, 13, 23) + sendings(8, 18, 28, by="gen2@b"))
    runs = of_interval(10, both, 0, 30, 5)
    assert runs is not None and (runs.due, runs.seen, runs.twice) == (3, 6, 3)
    assert runs.by == ["gen1@a", "gen2@b"] and runs.doubled == [8, 18, 28]


@pytest.mark.parametrize(
    ("times", "keeps"),
    [
        ((0, 10, 20, 30), True),
        ((0, 10.3, 20.6, 30.9, 41.2), True),  # it counts from its last sending
        ((0, 14, 20, 34, 40, 54, 60), True),  # each other one comes late, and the next one is on time
        ((0, 10, 40, 50, 60, 70), True),  # two runs were left out
        ((0, 4, 20, 24, 40, 44), False),  # somebody sends in pairs
        ((0, 14, 28, 42, 56), False),  # another interval
        ((0, 6, 12, 18, 24), False),
        ((0, 1, 2, 3, 4), False),
        ((0, 10), False),  # too few to tell
    ],
)
def test_an_interval_is_kept_on_the_whole_however_single_runs_come(
    times: tuple[float, ...], keeps: bool
) -> None:
    assert keeps_interval(times, 10) == keeps


def test_moments_of_a_calendar() -> None:
    due = [60.0, 120.0, 180.0, 240.0]
    came = sendings(60.4, 121, 240.1) + sendings(121.2, by="gen2@b")
    runs = of_moments(due, came, 0, 250)
    assert runs is not None and (runs.missing, runs.doubled) == ([180.0], [120.0])
    assert of_moments([300.0], came, 0, 250) is None
    assert of_moments(due[:1], sendings(58), 0, 70) == Runs(since=0, until=70, due=1, seen=1, by=["gen1@a"])


def test_code_that_sends_a_scheduled_task_too_is_no_second_beat() -> None:
    by_code = [(4.0 + 1.7 * n, "gen9@web") for n in range(30)]
    once_each = [(5.0 + n, f"gen{n}@pool") for n in range(0, 40, 4)]
    both = sorted(sendings(3, 13, 23, 33, 43) + by_code + once_each)
    runs = of_interval(10, both, 0, 55, 5)
    assert runs is not None and runs.twice == 0
    due = [60.0 * n for n in range(1, 6)]
    by_code = [(50 + 7.0 * n, "gen9@web") for n in range(40)]
    runs = of_moments(due, sorted(sendings(*(at + 0.2 for at in due)) + by_code), 0, 330)
    assert runs is not None and runs.twice == 0
    beats = sendings(*(at + 0.2 for at in due)) + sendings(*(at + 0.9 for at in due), by="gen2@b")
    runs = of_moments(due, sorted(beats + by_code), 0, 330)
    assert runs is not None and (runs.twice, runs.by) == (5, ["gen1@a", "gen2@b"])


# ---- what must be so before anything is claimed


def ticking(**own: Any) -> BeatEntry:
    timing = Timing(kind="interval", every=10.0)
    base = {"name": "tick", "task": "shop.tick", "schedule": "every 10 s", "timing": timing, "enabled": True}
    return BeatEntry(**{**base, **own})


def listening(now: float = NOW - 200) -> tuple[Periodic, Links]:
    periodic, links = Periodic(), Links(lambda: now, lambda: None)
    periodic.listen({"shop.tick", "shop.tock"}, now)
    links.up("events")
    return periodic, links


def sent(
    periodic: Periodic, at: float, task: str = "shop.tick", type: str = "task-sent", off: float = 0
) -> None:
    event = Event(
        type=type, hostname="gen1@a", timestamp=at - off, received=at, uuid=f"{task}{at}", name=task
    )
    periodic.take([event])


async def judged(periodic: Periodic, links: Links, entry: BeatEntry, loss: float = 0.0) -> BeatEntry:
    watch = RunsSeen(periodic, links, lambda: loss)
    await watch.note([entry], NOW - 190)
    await watch.note([entry], NOW)
    return entry


async def test_a_run_that_is_missing_is_told_when_all_was_heard() -> None:
    periodic, links = listening()
    for at in range(-190, -100, 10):
        sent(periodic, NOW + at)
    entry = await judged(periodic, links, ticking())
    assert entry.seen is not None and entry.seen.left_out > 3 and entry.seen.due > 10


@pytest.mark.parametrize(
    ("told", "loss", "entry", "why"),
    [
        ("task-received", 0.0, ticking(), "task_send_sent_event"),
        ("task-sent", 0.1, ticking(), "lost"),
        ("task-sent", 0.0, ticking(timing=Timing(kind="crontab", zone="UTC")), "clock"),
    ],
)
async def test_nothing_is_claimed_that_is_not_proven(
    told: str, loss: float, entry: BeatEntry, why: str
) -> None:
    periodic, links = listening()
    sent(periodic, NOW - 100, type=told, off=20)
    await judged(periodic, links, entry, loss)
    assert entry.seen is None and why in entry.unknown["seen"]


async def test_what_comes_late_proves_nothing_of_before() -> None:
    periodic, links = listening(NOW - 1000)
    for at in range(-190, -100, 10):
        sent(periodic, NOW + at)
    for at in range(-100, -50, 10):  # We were stopped, and then all of them come at once.
        sent(periodic, NOW - 50 + at / 1e6, off=-50 - at)
    for at in range(-40, 1, 10):
        sent(periodic, NOW + at)
    entry = await judged(periodic, links, ticking())
    assert entry.seen is not None and (entry.seen.left_out, entry.seen.twice) == (0, 0)


def test_a_tiny_interval_that_nobody_sends_takes_no_memory() -> None:
    runs = of_interval(1e-6, [], 0, 86_400, 30)
    assert runs is not None and runs.left_out == runs.due > 10**10 and len(runs.missing) == 10


def test_a_sending_whose_moment_is_not_judged_yet_is_not_counted() -> None:
    due = [60.0, 120.0, 180.0]
    runs = of_moments(due, sendings(60.4, 120.2, 180.1), 0, 160)
    assert runs is not None and (runs.due, runs.seen, runs.left_out) == (2, 2, 0)


async def test_what_was_before_a_gap_or_a_change_of_the_entry_is_not_counted() -> None:
    periodic, links = listening(NOW - 1000)
    sent(periodic, NOW - 900, task="shop.tock")
    watch = RunsSeen(periodic, links, lambda: 0.0)
    await watch.note([ticking(timing=Timing(kind="interval", every=5.0))], NOW - 500)
    entry = ticking()
    await watch.note([entry], NOW)  # It has another interval now: nothing is known of that one yet.
    assert entry.seen is None
    links["events"].since = NOW - 60
    entry = ticking()
    await watch.note([entry], NOW + 80)
    assert entry.seen is not None and (entry.seen.since, entry.seen.due) == (NOW, 2)


# ---- what the doctor makes of it


def overdue(late: float = 900.0, **own: Any) -> BeatEntry:
    entry = ticking(scheduler="redbeat", next_run=NOW - late, late=late, last_run=NOW - late - 10, **own)
    return entry


def kept(**own: Any) -> SchedulerState:
    base: dict[str, Any] = {"name": "redbeat", "place": "redis://b/0", "state": "connected", "at": NOW - 5}
    return SchedulerState(**{**base, **own})


def found(entry: BeatEntry, state: SchedulerState, *more: BeatEntry, **own: Any) -> list[Any]:
    return MODES["beat-missing"].check(seen(schedule=[entry, *more], schedulers=[state], watched=5.0, **own))


def test_redbeats_own_due_times_tell_that_nobody_sends() -> None:
    [finding] = found(overdue(), kept())
    assert "was due 15m ago" in finding.title and finding.since == NOW - 900
    assert any("nobody holds its lock" in one.text for one in finding.evidence)
    assert found(overdue(), kept(locked=500.0, renewed=NOW - 600))


@pytest.mark.parametrize(
    ("entry", "state", "more"),
    [
        (overdue(200.0), kept(), []),  # beat may sleep for five minutes
        (overdue(enabled=False), kept(), []),
        (overdue(), kept(locked=1400.0, renewed=NOW - 20), []),  # a beat holds the lock
        (overdue(), kept(), [ticking(name="b", scheduler="redbeat", last_run=NOW - 30)]),  # another one ran
        (overdue(), kept(at=NOW - 500), []),  # read long ago
    ],
)
def test_a_beat_that_may_live_is_not_missing(
    entry: BeatEntry, state: SchedulerState, more: list[BeatEntry]
) -> None:
    assert found(entry, state, *more) == []


def test_a_database_alone_proves_nothing() -> None:
    late = overdue()
    late.scheduler = "django"
    assert found(late, kept(name="django")) == []  # Its times may be local ones.
    told = {"shop.tock": [(NOW - 800, "gen1@a")]}
    told_of = seen(schedule=[late], schedulers=[kept(name="django")], watched=900.0, periodic=told)
    assert MODES["beat-missing"].check(told_of)


def test_disabled_entries_are_not_waited_for() -> None:
    settings = {"beat_schedule": {"tick": {"task": "shop.tick", "schedule": 10.0}}}
    off = ticking(scheduler="redbeat", enabled=False)
    silent = seen(workers=[worker(conf=settings)], schedule=[off], watched=600.0)
    assert MODES["beat-missing"].check(silent) == []


def test_two_beats_of_a_calendar() -> None:
    entry = ticking(timing=Timing(kind="crontab"))
    entry.seen = Runs(since=0, until=9, due=5, seen=10, twice=5, by=["gen1@a", "gen2@b"])
    [finding] = MODES["beat-duplicate"].check(seen(schedule=[entry]))
    assert finding.related == ["gen1@a", "gen2@b"] and "5 of 5 moments" in finding.evidence[0].text
    entry.seen.by = ["gen1@a"]
    assert MODES["beat-duplicate"].check(seen(schedule=[entry])) == []


@pytest.mark.broker
@pytest.mark.soak
async def test_real_beats_that_double_and_then_miss(
    broker: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beat_runs, "PATIENCE", 3.0)
    env = conf(beat_schedule={"tick": {"task": "shop.add", "schedule": 2.0, "args": [1, 2]}})
    one = CeleryWorker(broker.url, "w1", pool="solo", env=env).start()
    beats = [CeleryBeat(broker.url, env=env).start() for _ in range(2)]
    try:
        async with engine_on(broker) as engine:

            async def doubled() -> Any:
                runs = named(await engine.beat(), "tick").seen
                return runs if runs and runs.twice > 2 and len(runs.by) == 2 else None

            await until(doubled, 60)
            for each in beats:
                each.stop()

            async def missing() -> Any:
                runs = named(await engine.beat(), "tick").seen
                return runs if runs and runs.left_out > 2 else None

            await until(missing, 60)
    finally:
        for each in beats:
            each.stop()
        one.stop()


def test_what_is_put_off_or_over_is_not_waited_for() -> None:
    day = 86_400.0
    for put_off in (
        ticking(scheduler="django", next_run=NOW + day),  # its start_time
        ticking(scheduler="django", last_run=NOW - day, unknown={"next_run": "It has expired."}),
        ticking(scheduler="redbeat", last_run=NOW - day, unknown={"next_run": "Its schedule is at its end."}),
    ):
        told = {"shop.tock": [(NOW - 5, "gen1@a")]}
        silent = seen(schedule=[put_off], watched=600.0, periodic=told)
        assert MODES["beat-missing"].check(silent) == []
    waited = ticking(scheduler="django", unknown={"last_run": "local times", "next_run": "local times"})
    assert MODES["beat-missing"].check(seen(schedule=[waited], watched=600.0))


async def test_a_crontab_of_an_unknown_zone_says_why_nothing_is_claimed() -> None:
    periodic, links = listening()
    sent(periodic, NOW - 195)
    entry = await judged(periodic, links, ticking(timing=Timing(kind="crontab"), scheduler="redbeat"))
    assert entry.seen is None and "RedBeat does not tell the time zone" in entry.unknown["seen"]
    entry = await judged(periodic, links, ticking(timing=Timing(kind="crontab"), scheduler="conf"))
    assert entry.seen is None and "enable_utc" in entry.unknown["seen"]


def test_a_sending_whose_reception_was_told_first_has_its_sender() -> None:
    periodic, _ = listening()
    for type, host, at in (("task-received", "w1@a", NOW), ("task-sent", "gen7@a", NOW + 0.1)):
        periodic.take(
            [Event(type=type, hostname=host, timestamp=at, received=at, uuid="one", name="shop.tick")]
        )
    assert list(periodic.sent["shop.tick"]) == [(NOW, "gen7@a")]
