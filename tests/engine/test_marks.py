"""Marks: by a person, and by what is seen of the workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from lazycelery.engine import marks as module
from lazycelery.engine.marks import Marks
from lazycelery.store.history.marking import FileMarks
from tests.sources.conftest import until


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def marks(directory: Path | None, clock: Clock, writes: bool = True) -> Marks:
    kept = FileMarks(directory) if directory is not None else None
    return Marks(kept, clock, lambda: None, lambda: writes)


async def test_every_session_sees_the_marks_of_the_others(tmp_path: Path, clock: Clock) -> None:
    one, other = marks(tmp_path / "a", clock), marks(tmp_path / "a", clock)
    await one.add("release 1.4")
    clock.now += 60
    await other.add("release 1.5")
    assert [mark.name for mark in await one.all()] == ["release 1.5", "release 1.4"]
    assert [mark.name for mark in await other.all()] == ["release 1.5", "release 1.4"]


async def test_without_history_a_mark_lasts_as_long_as_the_session(clock: Clock) -> None:
    own = marks(None, clock)
    assert not (await own.add("release")).kept
    assert [mark.name for mark in await own.all()] == ["release"]


async def test_workers_that_begin_anew_together_are_one_mark(tmp_path: Path, clock: Clock) -> None:
    own = marks(tmp_path, clock)
    own.note({"celery@a": (1, "py-celery 5.5.0", 0.0), "celery@b": (2, None, 0.0)})
    clock.now += 10
    own.note(
        {"celery@a": (1, "py-celery 5.5.0", 0.0), "celery@b": (2, None, 0.0), "celery@new": (9, None, 5.0)}
    )
    assert await own.all() == []  # Nobody began anew: one is new, and nothing is known of how it was.
    own.note({"celery@a": (7, "py-celery 5.6.2", 1011.0), "celery@b": (2, None, 0.0)})
    [first] = await own.all()
    assert first.name == "a began anew, py-celery 5.5.0 to py-celery 5.6.2" and first.by == "workers"
    clock.now += 20
    own.note({"celery@a": (7, "py-celery 5.6.2", 1011.0), "celery@b": (3, None, 1030.0)})
    [both] = await own.all()
    assert both.at == first.at and both.name.startswith("2 workers began anew")
    clock.now += module.SETTLED + 1
    own.note({})
    await own.close()
    assert [one.name for one in await marks(tmp_path, clock).all()] == [both.name]


async def test_a_worker_in_a_container_always_has_the_same_process_id(clock: Clock) -> None:
    own = marks(None, clock)
    own.note({"a": (1, "py-celery 5.6.2", 0.0)})
    own.note({"a": (1, "py-celery 5.6.2", 1001.0)})
    assert len(await own.all()) == 1
    own.note({"a": (None, None, 1001.0)})
    own.note({"a": (1, "py-celery 5.6.2", 1001.0)})
    assert len(await own.all()) == 1


async def test_a_crash_loop_is_one_mark(clock: Clock) -> None:
    own = marks(None, clock)
    for pid in range(100):
        own.note({"a": (pid, None, 0.0)})
        clock.now += 60
    assert len(await own.all()) == 1


async def test_who_only_reads_along_writes_no_marks_of_workers(tmp_path: Path, clock: Clock) -> None:
    own = marks(tmp_path, clock, writes=False)
    own.note({"a": (1, None, 0.0)})
    own.note({"a": (2, None, 0.0)})
    clock.now += module.SETTLED + 1
    own.note({"a": (2, None, 0.0)})
    assert await until(lambda: True)
    await own.close()
    assert not (tmp_path / "marks.ndjson").exists() and len(await own.all()) == 1
