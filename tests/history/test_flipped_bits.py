"""A bit of a file became another one, and SQLite reads the row all the same."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lazycelery.model.history import HistoryQuery
from lazycelery.model.recorded import RecordedQuery
from lazycelery.model.task import TaskQuery
from lazycelery.store.history.asking import ask
from lazycelery.store.history.events import renumbered
from lazycelery.store.history.files import Files
from lazycelery.store.history.reader import File
from lazycelery.store.history.search import search
from lazycelery.store.history.writer import seal
from tests.history.keeping import Monitor, files_in, found, ids, killed, recorded, storage_in
from tests.store.build import T0, received, started, succeeded

TASKS, HIT = 300, "task-00100"
ALL = [f"task-{number:05d}" for number in range(TASKS)]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    files = files_in(tmp_path)
    told = [
        event
        for number, own in enumerate(ALL)
        for event in (
            received(
                number,
                own,
                name="shop.refund" if number % 50 == 0 else "shop.pay",
                args=f"('order-{number}',)",
                parent_id=ALL[number - number % 10] if number % 10 else None,
            ),
            started(number, own),
            succeeded(number + 1, own),
        )
    ]
    recorded(files, told)
    return files


@contextmanager
def opened(files: Files) -> Iterator[sqlite3.Connection]:
    [path] = files.all()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        yield database
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def events(files: Files, filter: str) -> int:
    """How many are found."""
    pages = ask(storage_in(files), RecordedQuery(kind="events", filter=filter), T0)
    return sum(len(page.entries) for page in pages)


CELLS = {
    **{name: f"CAST({name} AS BLOB)" for name in ("args", "kwargs", "result", "root_id")},
    **{"id": "CAST(id AS BLOB)", "parent_id": "CAST(id AS BLOB)"},
    **{"extra": "'text'", "state": "'text'", "worker": "x'00'", "first": "'text'", "retries": "0.5"},
}


@pytest.mark.parametrize("column", CELLS)
def test_a_row_that_nobody_wrote_is_left_out_and_told_and_all_others_are_there(
    files: Files, column: str
) -> None:
    with opened(files) as database:
        database.execute(f"UPDATE tasks SET {column} = {CELLS[column]} WHERE id = ?", (HIT,))
    damage = f"what is on the bad pages of {files.all()[0].name}, which is damaged"
    page = search(storage_in(files), HistoryQuery(limit=5000, children=True), T0)
    assert ids(page) == [each for each in reversed(ALL) if each != HIT]
    assert (page.unread, page.skipped) == ([damage], 1)
    assert ids(found(files, "order-105", limit=5000)) == ["task-00105"]
    assert events(files, "name:shop.refund") == 3 * (TASKS // 50 - (column == "id"))

    monitor = Monitor(files)
    status = monitor.load()
    assert (status.loaded, status.unread) == (TASKS - 1, [damage])
    shown = monitor.store.query(TaskQuery(limit=400), monitor.clock()).rows
    assert len(shown) == TASKS - 1
    monitor.start().hear(received(5000, HIT), started(5000, HIT), succeeded(5001, HIT))
    monitor.stop()
    assert monitor.recorder.status.state == "writing"
    assert sorted(ids(found(files, limit=5000))) == ALL


def test_of_a_word_that_nobody_wrote_the_tasks_are_told_without_it(files: Files) -> None:
    with opened(files) as database:
        database.execute("UPDATE words SET word = CAST(word AS BLOB) WHERE word = 'shop.refund'")
    page = found(files, limit=5000)
    assert len(page.tasks) == TASKS and page.unread
    assert {task.id for task in page.tasks if task.name is None} == set(ALL[::50])
    assert len(found(files, "name:shop.pay", limit=5000).tasks) == TASKS - len(ALL[::50])
    assert events(files, "name:shop.pay") == 3 * (TASKS - len(ALL[::50]))
    monitor = Monitor(files)
    assert monitor.load().loaded == TASKS == len(monitor.store.columns)


def test_an_index_that_names_a_task_that_is_none_takes_no_answer_away(files: Files) -> None:
    [path] = files.all()
    seal(path)
    with opened(files):
        pass
    body = bytearray(path.read_bytes())
    places = [each.start() for each in re.finditer(HIT.encode(), body)]
    [in_index] = [at for at in places if body[at - 3] == 3]  # Its cell has two values.
    body[in_index + 4] ^= 2
    path.write_bytes(body)
    assert ids(found(files, limit=5000)) == ALL[::-1]


@pytest.mark.parametrize("number", [1 << 33, 1 << 48, -5])
def test_a_last_row_whose_number_nobody_gave_is_no_endless_way(files: Files, number: int) -> None:
    with opened(files) as database:
        database.execute("UPDATE tasks SET n = ? WHERE id = ?", (number, ALL[-1]))
        database.execute("UPDATE words SET code = ? WHERE word = 'shop.refund'", (number,))
    [path] = files.all()
    with closing(File(path)) as file:
        assert file.last == TASKS - 1
    page = found(files, limit=5000)
    assert ids(page) == ALL[-2::-1]
    assert page.unread
    assert Monitor(files).load().loaded == TASKS - 1
    monitor = recorded(files, [received(5000, "new"), started(5000, "new"), succeeded(5001, "new")])
    assert monitor.recorder.status.state == "writing"
    assert "new" in ids(found(files, limit=5000))


def test_a_number_in_events_that_no_task_can_have_is_not_counted_on_from(files: Files) -> None:
    with opened(files) as database:
        n, body = database.execute("SELECT n, body FROM events ORDER BY n DESC LIMIT 1").fetchone()
        changed = renumbered(body, {TASKS: TASKS | 1 << 31})
        assert changed is not None
        database.execute("UPDATE events SET body = ? WHERE n = ?", (changed, n))
    recorded(files, [received(5000, "new"), started(5000, "new"), succeeded(5001, "new")])
    assert Monitor(files).load().recorded == TASKS + 1


@pytest.mark.parametrize("began", ["'x'", "x'00ff'", "9e999", "-1.0"])
def test_a_run_that_nobody_began_takes_no_task_away(files: Files, began: str) -> None:
    with opened(files) as database:
        database.execute(f"UPDATE runs SET began = {began}")
    monitor = Monitor(files, lambda: T0 + TASKS + 20)
    assert monitor.load().loaded == TASKS and len(monitor.store.columns) == TASKS


@pytest.mark.parametrize("told", [7, 63, -1])
def test_a_source_that_nobody_wrote_takes_no_task_away(files: Files, told: int) -> None:
    with opened(files) as database:
        database.execute("UPDATE tasks SET told = ? WHERE id = ?", (told, HIT))
    assert ids(found(files, limit=5000)) == ALL[::-1]


def test_a_word_whose_number_is_the_next_one_does_not_stop_the_recording(files: Files) -> None:
    with opened(files) as database:
        [(most,)] = database.execute("SELECT max(code) FROM words")
        database.execute("UPDATE words SET code = ? WHERE code = ?", (most + 1, most))
    monitor = recorded(files, [received(5000, "new", name="shop.new"), succeeded(5001, "new")])
    assert monitor.recorder.status.state == "writing"
    assert ids(found(files, "name:shop.new")) == ["new"]


EVENTS = {
    "no batch": "body = x'00'",
    "no bytes": "body = 5",
    "none": "body = NULL",
    "a text for its end": "last = 'text'",
    "an end of another age": "last = 4.7e18",
}


@pytest.mark.parametrize("change", EVENTS.values(), ids=EVENTS)
def test_who_takes_over_goes_on_behind_a_damaged_batch_of_events(files: Files, change: str) -> None:
    """Of a task of which only events were written before its recorder was killed."""
    first = Monitor(files)
    recording: Any = first.recorder.recording
    assert not recording.ready()
    nothing = np.array([], dtype=np.intp)
    for batch in ([received(1000, "lost")], [received(1001, "b"), started(1002, "b")]):
        first.store.apply_events(batch)
        recording.write(nothing, [first.store.told], [])
    killed(first)
    with opened(files) as database:
        [(last,)] = database.execute("SELECT max(n) FROM events")
        database.execute(f"UPDATE events SET {change} WHERE n = ?", (last - 1,))

    second = Monitor(files, lambda: T0 + 1003)
    own: Any = second.recorder.recording
    assert not own.ready()
    second.store.apply_events([received(1001, "b"), started(1002, "b"), succeeded(1003, "b")])
    own.write(np.array([0]), [second.store.told], [])
    assert own.writer.overlaps
    second.store.apply_events([received(1100, "c")])
    own.write(np.array([0, 1]), [second.store.told], [])
    assert not own.writer.overlaps
    own.close(T0 + 1100)
    assert events(files, "id:b") == 3 and events(files, "id:c") == 1
