"""Statistics now against an hour, a day and a week ago: rings, recorded history, and what is not known."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.model.statistics import Comparison
from lazycelery.store.history import figures
from lazycelery.store.history.local import HOUR
from lazycelery.store.history.schema import migrate
from lazycelery.store.store import Store
from tests.store.build import T0, received, started, succeeded

DAY = 86_400.0
NOW = T0 - T0 % DAY + 10 * DAY + 12.5 * 3600


def recorded(profile: Profile, hours: dict[float, tuple[int, float]], seen: float = 3600.0) -> None:
    """History files as an earlier monitor leaves them: runs and their seconds, by the hour's beginning."""
    from lazycelery.engine.memory import files_of

    directory = files_of(profile).directory
    directory.mkdir(parents=True, exist_ok=True)
    for at, (runs, runtime) in hours.items():
        store = Store()
        store.second(at, seeing=False)
        for number in range(runs):
            own = [received(0, f"t{number}"), started(0.5, f"t{number}")]
            store.apply_events([*own, succeeded(0.5 + runtime, f"t{number}", runtime=runtime)])
        store.second(at + 1)
        day = time.strftime("%Y-%m-%d", time.gmtime(at))
        with sqlite3.connect(directory / f"{day}-000.sqlite3", isolation_level=None) as database:
            migrate(database)
            told = [*figures.watched([(at, seen)])]
            cells = ((at, key, cell) for _, key, cell in store.figures.hours())
            told += figures.told(store.columns, cells, Redactor())
            for hour in told:
                database.execute(HOUR, hour)
        database.close()


def engine_of(tmp_path: Path, **own: Any) -> tuple[Engine, Profile]:
    base: dict[str, Any] = {"broker": "redis://127.0.0.1:1/0", "history_dir": str(tmp_path)}
    profile = Profile(**{**base, **own})
    return Engine(profile, clock=lambda: NOW), profile


async def compared(engine: Engine) -> Comparison:
    await engine._memory.begin()
    store = engine._store
    for second in range(-5400, 0):
        if second % 60 == 0:
            id = f"now{second}"
            at = NOW + second - T0
            runtime = 4.0 if second > -3600 else 2.0
            store.apply_events(
                [received(at, id), started(at + 1, id), succeeded(at + 1 + runtime, id, runtime=runtime)]
            )
        store.second(NOW + second)
        if second % 600 == 0:
            await asyncio.sleep(0)
    return await engine.compared("task", 3600.0)


async def test_the_doctor_knows_this_hour_of_a_week_ago_from_the_history(tmp_path: Path) -> None:
    engine, profile = engine_of(tmp_path)
    recorded(profile, {NOW - NOW % 3600 - 7 * DAY: (30, 1.0), NOW - NOW % 3600 - 5 * DAY: (40, 1.0)})
    await engine._memory.begin()
    await engine._memory.figures_read()
    store, snapshots = engine._store, engine._examiner.snapshots
    for second in range(-90, 0):
        at = NOW + second - T0
        store.apply_events(
            [received(at, f"n{second}"), started(at, f"n{second}"), succeeded(at, f"n{second}")]
        )
        store.second(NOW + second)
    await snapshots.now()
    assert snapshots._reading_week is not None
    await snapshots._reading_week
    [habit] = [one for one in (await snapshots.now()).habits if one.kind == "task"]
    assert habit.week == (pytest.approx(30 / 3600), None) and habit.day == (None, None)
    await snapshots.close()
    await engine._memory.close()


async def test_now_an_hour_a_day_and_a_week_ago(tmp_path: Path) -> None:
    engine, profile = engine_of(tmp_path, history_days=8)
    hour = NOW - NOW % 3600
    recorded(
        profile,
        {
            hour - DAY: (20, 1.0),
            hour - DAY - 3600: (30, 1.0),
            hour - DAY - 2 * 3600: (500, 9.0),
            hour - 7 * DAY: (40, 8.0),
        },
    )
    told = await compared(engine)
    spans = {span.when: span for span in told.spans}
    [row] = told.rows
    rows = {when: each for when, each in row.rows.items() if each is not None}
    assert row.key == "shop.add" and set(rows) == {"now", "hour", "day", "week"}
    assert rows["now"].succeeded in (59, 60) and rows["hour"].succeeded in (30, 31)
    assert spans["now"].seen == pytest.approx(3600, abs=61)
    assert spans["hour"].seen == pytest.approx(1800, abs=61)
    assert rows["now"].rate == pytest.approx(1 / 60, rel=0.05)
    assert rows["hour"].rate == pytest.approx(1 / 60, rel=0.05)
    assert rows["now"].runtime_p50 == pytest.approx(4.0, rel=0.03)
    assert rows["hour"].runtime_p50 == pytest.approx(2.0, rel=0.03)
    assert rows["day"].succeeded == 50 and spans["day"].seen == 7200
    assert rows["day"].rate == pytest.approx(50 / 7200)
    assert rows["week"].succeeded == 40 and rows["week"].runtime_p50 == pytest.approx(8.0, rel=0.03)
    await engine._memory.close()


async def test_what_nobody_watched_is_said_with_the_setting(tmp_path: Path) -> None:
    engine, _ = engine_of(tmp_path, history=False)
    told = await compared(engine)
    spans = {span.when: span for span in told.spans}
    assert spans["day"].why == "no history of that day: history = true in the profile keeps it"
    assert told.rows[0].rows["day"] is None and told.rows[0].rows["hour"] is not None
    engine, _ = engine_of(tmp_path / "b", history_days=7)
    told = await compared(engine)
    spans = {span.when: span for span in told.spans}
    assert "nobody watched then" in spans["day"].why
    assert "history_days = 7" in spans["week"].why
    await engine._memory.close()


async def test_a_name_that_ran_yesterday_and_is_silent_now_is_told(tmp_path: Path) -> None:
    engine, profile = engine_of(tmp_path)
    recorded(profile, {NOW - NOW % 3600 - DAY: (20, 1.0)})
    await engine._memory.begin()
    for second in range(-120, 0):
        engine._store.second(NOW + second)
    [row] = (await engine.compared()).rows
    assert row.rows["now"] is not None and row.rows["now"].ended == 0 and row.rows["now"].rate == 0.0
    assert row.rows["day"] is not None and row.rows["day"].succeeded == 20
    assert row.rows["hour"] is None
    await engine._memory.close()


def test_seconds_in_which_events_could_not_be_seen_do_not_count() -> None:
    store = Store()
    for second in range(121):
        store.second(T0 + second, seeing=not 30 <= second < 60)
    store.second(T0 + 10_000)  # The machine slept.
    seen = dict(store.figures.hours_seen())
    assert sum(seen.values()) == pytest.approx(91, abs=1)
