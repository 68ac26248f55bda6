"""What was found wrong, in the history: it begins and ends once, whatever happens to files and monitors."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lazycelery.engine import recorder as module
from lazycelery.model.recorded import RecordedQuery
from lazycelery.store.history import files as places
from lazycelery.store.history.asking import ask
from lazycelery.store.history.files import Files
from lazycelery.store.history.local import Local, LocalRecording
from lazycelery.store.history.postgres import recording
from lazycelery.store.history.postgres import schema as tables
from lazycelery.store.history.postgres.address import WRITES, connect
from lazycelery.store.history.postgres.storage import Shared
from lazycelery.store.history.storage import FindingBegan, FindingEnded
from lazycelery.store.history.writer import Writer
from tests.history.keeping import Monitor, files_in, killed
from tests.store.build import T0, received

Made = Callable[..., Shared]
MIDNIGHT = T0 - T0 % 86_400 + 86_400
FOUND = "SELECT code, began, ended FROM findings ORDER BY n"
RUNS = "SELECT began, ended FROM runs ORDER BY n"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return files_in(tmp_path)


def told(files: Files, query: str) -> list[list[tuple[Any, ...]]]:
    """Of each file, the oldest first."""
    found = []
    for path in files.all():
        database = sqlite3.connect(path)
        found.append(database.execute(query).fetchall())
        database.close()
    return found


def began(at: float, code: str = "no-workers") -> FindingBegan:
    return FindingBegan(code, "", "critical", "No worker", "Start one.", at)


def ended(at: float, code: str = "no-workers") -> FindingEnded:
    return FindingEnded(at, code, "")


def noted(monitor: Monitor, *notes: FindingBegan | FindingEnded) -> None:
    """And written."""
    for note in notes:
        monitor.recorder.note(note)
    assert monitor.wait(lambda: not monitor.recorder.backlog.notes.count)
    assert monitor.wait(lambda: monitor.recorder.status.state == "writing"), monitor.recorder.status.reason


def begun(monitor: Monitor, files: Files, many: int) -> bool:
    """Whether it writes the last of so many files."""
    recording = monitor.recorder.recording
    assert isinstance(recording, LocalRecording)
    paths, writer = files.all(), recording.writer
    return len(paths) == many and writer is not None and writer.path == paths[-1]


def test_one_that_lasts_over_midnight_and_over_a_new_part_ends_once(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [MIDNIGHT - 10]
    monitor = Monitor(files, lambda: clock[0]).start()
    noted(monitor, began(clock[0] - 5), began(clock[0] - 5, "short"), ended(clock[0] - 1, "short"))
    clock[0] = MIDNIGHT + 50
    assert monitor.wait(lambda: begun(monitor, files, 2))
    large = files.all()[-1]
    monkeypatch.setattr(places, "size_of", lambda path: files.max_bytes // 4 if path == large else 1)
    assert monitor.wait(lambda: begun(monitor, files, 3))
    clock[0] += 50
    noted(monitor, ended(clock[0]))
    monitor.stop()
    first, second, third = told(files, FOUND)
    at = MIDNIGHT - 15
    assert first == [("no-workers", at, MIDNIGHT + 50), ("short", at, MIDNIGHT - 11)]
    assert second == [("no-workers", at, MIDNIGHT + 50)] and third == [("no-workers", at, clock[0])]
    pages = ask(Local(files), RecordedQuery(kind="findings"), clock[0])
    listed = [one for page in pages for one in page.entries]
    assert sorted((one.code, one.began, one.ended) for one in listed) == [third[0], first[1]]  # Each once.
    runs = told(files, RUNS)
    assert runs == [
        [(MIDNIGHT - 10, MIDNIGHT + 50)],
        [(MIDNIGHT + 50, MIDNIGHT + 50)],
        [(MIDNIGHT + 50, clock[0])],
    ]


@pytest.mark.parametrize("later", [600.0, 86_400.0], ids=["same-file", "next-file"])
def test_what_a_killed_monitor_left_open_ends_at_its_last_sight(files: Files, later: float) -> None:
    clock = [T0]
    monitor = Monitor(files, lambda: clock[0]).start()
    noted(monitor, began(T0))
    clock[0] += 30
    monitor.hear(received(30))
    assert monitor.wait(lambda: told(files, "SELECT count(*) FROM events") == [[(1,)]])
    killed(monitor)
    clock[0] = T0 + later
    monitor = Monitor(files, lambda: clock[0]).start()
    noted(monitor, began(clock[0]), ended(clock[0] + 5))
    monitor.stop()
    found = [row for rows in told(files, FOUND) for row in rows]
    assert found == [("no-workers", T0, T0 + 30.01), ("no-workers", T0 + later, T0 + later + 5)]
    assert [row for rows in told(files, RUNS) for row in rows] == [(T0, None), (T0 + later, T0 + later)]


def test_a_monitor_that_ends_well_ends_what_stands(files: Files) -> None:
    clock = [T0]
    monitor = Monitor(files, lambda: clock[0]).start()
    noted(monitor, began(T0))
    clock[0] += 60
    monitor.stop()
    assert told(files, FOUND) == [[("no-workers", T0, T0 + 60)]]


def test_one_that_another_hid_for_a_while_is_listed_once(files: Files) -> None:
    monitor = Monitor(files, lambda: T0 + 100).start()
    noted(monitor, began(T0), ended(T0 + 20), began(T0), ended(T0 + 40), began(T0 + 60))
    monitor.stop()
    pages = list(ask(Local(files), RecordedQuery(kind="findings"), T0 + 100))
    assert [(one.began, one.ended) for page in pages for one in page.findings][1:] == [(T0, T0 + 40)]


def test_one_that_outlasts_its_monitor_is_listed_once_and_what_comes_back_twice(files: Files) -> None:
    """The next monitor reckons a little differently when it began."""
    for at, reckoned in ((T0 + 60, T0), (T0 + 120, T0 - 0.8), (T0 + 180, T0 + 0.1)):
        monitor = Monitor(files, lambda at=at: at).start()  # type: ignore[misc]
        noted(monitor, began(reckoned), began(at - 9, "flaps"), ended(at - 8.5, "flaps"))
        noted(monitor, began(at - 7.5, "flaps"))
        monitor.stop()
    listed = [one for page in ask(Local(files), RecordedQuery(kind="findings"), T0) for one in page.findings]
    assert [(one.began, one.ended) for one in listed if one.code == "no-workers"] == [(T0 - 0.8, T0 + 180)]
    flaps = [one.began for one in listed if one.code == "flaps"]
    assert flaps == [at - ago for at in (T0 + 180, T0 + 120, T0 + 60) for ago in (7.5, 9)]


def test_a_disk_that_refused_ends_no_run_and_nothing_that_stands(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(module, "PATIENCE", (0.1,))
    clock = [T0]
    monitor = Monitor(files, lambda: clock[0]).start()
    noted(monitor, began(T0))
    with monkeypatch.context() as broken:
        broken.setattr(Writer, "write", full)
        monitor.recorder.note(began(T0 + 1, "other"))
        assert monitor.wait(lambda: monitor.recorder.status.state == "broken")
    assert monitor.wait(lambda: monitor.recorder.status.state == "writing")
    clock[0] += 60
    noted(monitor, ended(T0 + 50))
    monitor.stop()
    assert told(files, FOUND) == [[("no-workers", T0, T0 + 50), ("other", T0 + 1, T0 + 60)]]
    assert told(files, RUNS) == [[(T0, T0 + 60)]]


def test_who_takes_over_begins_what_stands_for_it(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TAKE_OVER", 0.1)
    first, second = Monitor(files).start(), Monitor(files)
    noted(first, began(T0))
    second.start()
    second.recorder.note(began(T0 + 1))
    second.recorder.note(began(T0 + 1, "over"))
    second.recorder.note(ended(T0 + 2, "over"))
    assert second.wait(lambda: not second.recorder.backlog.notes.count)
    first.stop()
    assert second.wait(lambda: second.recorder.status.state == "writing")
    noted(second, ended(T0 + 9))
    second.stop()
    assert told(files, FOUND) == [[("no-workers", T0, T0), ("no-workers", T0 + 1, T0 + 9)]]


# ---- a database


def rows(storage: Shared, query: str) -> list[Any]:
    connection = connect(storage.address, WRITES)
    try:
        return list(connection.execute(query.replace("{s}", storage.address.schema)).fetchall())
    finally:
        connection.close()


ALL = "SELECT began, ended FROM {s}.findings ORDER BY began"


def test_each_recorder_has_its_own_findings(shared: Made) -> None:
    storage = shared()
    clock = [T0]
    one, other = Monitor(storage, lambda: clock[0]).start(), Monitor(storage, lambda: clock[0]).start()
    noted(one, began(T0))
    noted(other, began(T0 + 1))
    noted(one, ended(T0 + 2), began(T0 + 3))
    assert rows(storage, ALL) == [(T0, T0 + 2), (T0 + 1, None), (T0 + 3, None)]
    noted(one, ended(T0 + 4))
    assert rows(storage, ALL) == [(T0, T0 + 2), (T0 + 1, None), (T0 + 3, T0 + 4)]
    pages = ask(storage, RecordedQuery(kind="findings"), T0)
    assert [(each.began, each.ended) for page in pages for each in page.findings] == [(T0, None)]
    clock[0] += 10
    one.stop(), other.stop()
    assert rows(storage, ALL)[1] == (T0 + 1, T0 + 10)


def test_what_a_killed_recorder_left_open_is_ended_by_another_and_hides_none(
    shared: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SWEEP_EVERY", 0.0)
    storage = shared()
    dead = Monitor(storage).start()
    noted(dead, began(T0))
    killed(dead)
    other = Monitor(storage).start()
    noted(other, began(T0 + 5))
    assert rows(storage, ALL) == [(T0, None), (T0 + 5, None)]
    monkeypatch.setattr(recording, "GONE", 0.5)
    query = "SELECT f.ended = greatest(f.began, r.seen) FROM {s}.findings f JOIN {s}.runs r ON r.n = f.run"
    assert other.wait(lambda: rows(storage, f"{query} WHERE r.n = 1") == [(True,)])
    assert rows(storage, ALL)[1] == (T0 + 5, None)
    # One that was only taken for gone has its own again.
    rows(storage, "UPDATE {s}.findings SET ended = began + 1 WHERE began > " + str(T0) + " RETURNING n")
    assert other.wait(lambda: rows(storage, ALL)[1] == (T0 + 5, None))
    noted(other, ended(T0 + 50))
    other.stop()
    assert rows(storage, ALL)[1] == (T0 + 5, T0 + 50)


def test_findings_of_the_version_before_are_ended_and_hide_none(
    shared: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = shared()
    schema, connection = storage.address.schema, connect(storage.address, WRITES)
    with monkeypatch.context() as before:
        before.setattr(tables, "VERSION", 4)
        tables.migrate(connection, schema)
    connection.execute(f"INSERT INTO {schema}.runs (began, seen) VALUES ({T0 - 50}, {T0 - 10})")
    connection.execute(
        f"INSERT INTO {schema}.findings (code, subject, began) VALUES ('no-workers', '', {T0 - 50})"
    )
    connection.close()
    monitor = Monitor(storage).start()
    noted(monitor, began(T0))
    assert rows(storage, ALL) == [(T0 - 50, T0 - 10), (T0, None)]
    monitor.stop()
