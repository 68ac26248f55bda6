"""One monitor records, another one reads along, and goes on when the first one has gone."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from lazycelery.store.history.files import Files
from lazycelery.store.history.writer import Writer
from tests.history.keeping import Monitor, files_in, killed, recorded
from tests.history.test_rows import tasks, told
from tests.store.build import received, started, succeeded

NONE = np.array([], dtype=np.intp)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return files_in(tmp_path)


@pytest.mark.parametrize("refused", ["", "adopt", "write"])
@pytest.mark.parametrize("rows", [True, False])
def test_what_a_killed_one_wrote_is_not_written_twice(
    files: Files, monkeypatch: pytest.MonkeyPatch, refused: str, rows: bool
) -> None:
    """Also what it told of tasks whose rows it had not written yet, and where the disk refuses once."""
    heard = [received(0, "a"), started(1, "a"), received(0.5, "b"), started(1.5, "b")]
    first, second = Monitor(files), Monitor(files)
    recording: Any = first.recorder.recording
    assert not recording.ready()
    first.store.apply_events(heard)
    recording.write(np.array([0, 1]) if rows else NONE, [first.store.told], [])
    own: Any = second.recorder.recording
    assert own.ready()
    second.store.apply_events(heard)
    backlog = second.store.told
    killed(first)

    if refused == "adopt":
        with monkeypatch.context() as patch:
            patch.setattr(Writer, "adopt", lambda self: self._database.execute("SELECT nonsense"))
            with pytest.raises(sqlite3.OperationalError) as problem:
                own.ready()
        own.refused(problem.value)
    elif refused == "write":
        assert not own.ready()
        with pytest.raises(sqlite3.OperationalError) as problem:
            own.writer.write(NONE, [backlog], [("SELECT nonsense", ())])
        own.refused(problem.value)
    assert not own.ready()
    own.write(np.array([0, 1]), [backlog], [])
    second.store.apply_events([succeeded(2, "a"), succeeded(2, "b")])
    own.write(np.array([0, 1]), [second.store.told], [])
    own.close(0)

    assert sorted((id, state) for _, id, state, _ in tasks(files)) == [("a", 6), ("b", 6)]
    kinds = ["task-received", "task-started", "task-succeeded"]
    assert sorted(told(files)) == sorted((id, kind) for id in "ab" for kind in kinds)


def at_once(*events: Any) -> list[Any]:
    """Events of one worker that tell the same moment."""
    return [msgspec.structs.replace(event, timestamp=events[0].timestamp) for event in events]


@pytest.mark.parametrize("written", ["abc", "a"])
def test_of_events_alike_none_is_lost_and_none_told_of_another_task(files: Files, written: str) -> None:
    """By kind, clock and worker no task can be told from another: then they are rather there twice."""
    alike = at_once(*(received(0, id) for id in "cab"))
    first, second = Monitor(files), Monitor(files)
    recording: Any = first.recorder.recording
    assert not recording.ready()
    for id in written:
        first.store.apply_events([event for event in alike if event.uuid == id])
        recording.write(NONE, [first.store.told], [])
    first.store.apply_events([started(1, "a")])
    recording.write(NONE, [first.store.told], [])
    own: Any = second.recorder.recording
    assert own.ready()
    second.store.apply_events([*alike, started(1, "a")])
    killed(first)
    assert not own.ready()
    own.write(np.array([0, 1, 2]), [second.store.told], [])
    own.close(0)
    heard = {*((id, "task-received") for id in "abc"), ("a", "task-started")}
    assert {each for each in told(files) if each[0]} == heard


def test_a_disk_that_refuses_does_not_have_the_file_read_again_at_each_try(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(files, [received(0, "a"), started(1, "a")])
    monitor, reads = Monitor(files), list[Any]()
    adopt = Writer.adopt
    monkeypatch.setattr(Writer, "adopt", lambda self: reads.append(adopt(self)))
    own: Any = monitor.recorder.recording
    monitor.store.apply_events([started(1, "a"), succeeded(2, "a")])
    for _ in range(5):
        assert not own.ready()
        with pytest.raises(sqlite3.OperationalError) as problem:
            own.writer.write(NONE, [], [("SELECT nonsense", ())])
        own.refused(problem.value)
    assert not own.ready()
    own.write(np.array([0]), [monitor.store.told], [])
    own.close(0)
    assert len(reads) == 1
    assert [(number, id) for number, id, _, _ in tasks(files)] == [(1, "a")]
    assert sorted(told(files)) == [("a", f"task-{kind}") for kind in ("received", "started", "succeeded")]
