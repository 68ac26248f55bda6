"""What goes on in an engine whatever breaks in it; without a broker."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.model.profile import Profile
from tests.sources.conftest import until
from tests.store.build import T0, received, started

NOBODY = "redis://127.0.0.1:1/0"


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    return Engine(Profile(broker=NOBODY, history_dir=str(tmp_path), timeout=0.3))


async def test_a_bug_in_one_second_ends_neither_history_nor_levels(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds: list[int] = []

    def broken(*_: object) -> None:
        seconds.append(len(seconds))
        raise RuntimeError("a bug")

    async def unknown() -> list[object]:
        raise OSError("no such disk")

    monkeypatch.setattr(engine._memory, "second", broken)
    monkeypatch.setattr(engine._actions, "cut_off", unknown)
    await engine.start()
    try:
        assert await until(lambda: len(seconds) > 1)
    finally:
        await engine.close()


async def test_the_history_is_written_before_a_broker_that_hangs_is_let_go(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []

    async def hangs() -> None:
        done.append("broker")
        await asyncio.sleep(60)

    async def written() -> None:
        done.append("history")

    monkeypatch.setattr(engine._broker, "close", hangs)
    monkeypatch.setattr(engine._memory, "close", written)
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(engine.close(), 1.0)
    assert done == ["history", "broker"]


def test_many_queues_are_looked_at_less_often_but_often_enough(engine: Engine) -> None:
    rest = engine._watch.looks.rest
    assert rest(2) == engine._profile.refresh
    assert 5 < rest(80) <= 10
    assert rest(5_000) == rest(50_000) <= 15


async def test_what_was_held_back_under_load_goes_to_log_and_history_once_it_is_shown(tmp_path: Path) -> None:
    now = T0 + 2
    engine = Engine(Profile(broker=NOBODY, history_dir=str(tmp_path), recorder=True), clock=lambda: now)
    parts, store = engine._parts, engine._store
    assert parts.memory._recorder is not None
    store.relieve(3, T0)
    own = next(id for id in map(str, range(100)) if hash(id) % 100)
    batch = [received(0, own), started(1, own)]
    parts._heard(batch, store.apply_events(batch))
    await engine._seconds._measure()
    assert parts.log.last == 0 and not parts.memory._recorder.backlog.events
    now = T0 + 10
    for _ in range(2):  # Once, and never again.
        await engine._seconds._measure()
        assert parts.log.last == 2
        assert [len(told.rows) for told in parts.memory._recorder.backlog.events.items] == [2]
