"""A task has one row in a file, whoever began it, and whatever is told while older rows are unread."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lazycelery.engine import recorder as module
from lazycelery.engine.past import Past
from lazycelery.model.reports import QueueReport, ResultReport
from lazycelery.model.task import TaskQuery
from lazycelery.store.columns import Columns
from lazycelery.store.history import away as away_module
from lazycelery.store.history.events import pack, renumbered, unpack
from lazycelery.store.history.files import Files
from lazycelery.store.history.local import Local
from lazycelery.store.history.numbers import TURNS, Doubled, Numbers
from lazycelery.store.history.search import task_of
from tests.history.keeping import Monitor, files_in, found, killed, recorded
from tests.store.build import T0, beat, event, failed, received, retried, sent, started, succeeded, task


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return files_in(tmp_path)


def tasks(files: Files) -> list[tuple[int, str, str, str]]:
    [path] = files.all()
    query = "SELECT n, t.id, state, word FROM tasks t LEFT JOIN words ON code = name ORDER BY n"
    return sqlite3.connect(path).execute(query).fetchall()


def told(files: Files) -> list[tuple[Any, str]]:
    """Each event with the id in its task's row."""
    database = sqlite3.connect(files.all()[0])
    ids = dict(database.execute("SELECT n, id FROM tasks"))
    bodies = [body for (body,) in database.execute("SELECT body FROM events ORDER BY n")]
    return [(ids.get(one.task), one.type) for body in bodies for one in unpack(body)]


@pytest.mark.parametrize("ends", ["before its row is read", "afterwards", "never"])
def test_a_task_that_goes_on_while_its_row_is_unread_keeps_that_row(files: Files, ends: str) -> None:
    """Recording begins while older rows are being read: what comes then has a row of its own at first."""
    recorded(files, [sent(0, "other"), sent(0.1, "long"), received(0.2, "long"), started(0.3, "long")])
    monitor = Monitor(files, lambda: T0 + 30, max_tasks=100)
    recorder = monitor.recorder

    def written(number: int) -> bool:
        return monitor.wait(lambda: len(tasks(files)) == number)

    async def goes_on() -> None:
        past = Past(
            monitor.store, monitor.storage, recorder.status, monitor.clock, lambda: None, recorder.recording
        )
        await past.survey()
        recorder.start()
        monitor.hear(received(20, "new"))
        monitor.hear(retried(20.1, "long"))
        if ends == "before its row is read":
            monitor.hear(started(21, "long"), succeeded(22, "long", result="done"))
        assert written(4)
        await past.load(100)
        if ends == "afterwards":
            monitor.hear(started(21, "long"), succeeded(22, "long", result="done"))
        assert written(3)

    asyncio.run(goes_on())
    monitor.stop()
    assert [row[:2] for row in tasks(files)] == [(1, "other"), (2, "long"), (3, "new")]
    assert tasks(files)[1][3] == "shop.add"
    one = task_of(Local(files), "long")
    assert one is not None and (one.state == "success") == (ends != "never")
    assert (one.args, one.result) == ("(1, 2)", None if ends == "never" else "done")
    assert len(found(files).tasks) == 3
    ended = [] if ends == "never" else [("long", "task-started"), ("long", "task-succeeded")]
    heard = [("new", "task-received"), ("long", "task-retried"), *ended]
    assert told(files)[4:] == heard


def test_who_takes_over_goes_on_in_the_rows_of_tasks_that_ended(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TAKE_OVER", 0.1)
    first = Monitor(files).start()
    assert first.wait(lambda: first.recorder.status.state == "writing")
    second = Monitor(files).start()
    for monitor in (first, second):
        monitor.hear(received(0, "a"), started(0, "a"), failed(1, "a"), received(0, "b"), started(0, "b"))
    assert first.wait(lambda: len(tasks(files)) == 2)
    assert second.wait(lambda: "Another monitor" in second.recorder.status.reason)
    first.stop()
    assert second.wait(lambda: second.recorder.status.state == "writing")
    # A late word on the one that ended, and the end of the other.
    second.hear(event("progress", 2, "a"), succeeded(2, "b"))
    second.stop()
    assert [(n, id, state) for n, id, state, _ in tasks(files)] == [(1, "a", 7), (2, "b", 6)]


def test_a_batch_that_is_refused_joins_its_rows_the_next_time(files: Files) -> None:
    recorded(files, [sent(0, "a"), received(0.1, "a")])
    monitor = Monitor(files)
    recording: Any = monitor.recorder.recording
    store, columns = monitor.store, monitor.store.columns
    assert not recording.ready()
    slots = np.array([0])
    store.apply_events([started(1, "a")])
    recording.write(slots, [store.told], [])
    assert [n for n, *_ in tasks(files)] == [1, 2]
    recording.known(files.all()[0].name, slots, np.array([1]), columns.vector("row")[slots])
    with pytest.raises(sqlite3.OperationalError):
        recording.writer.write(slots, [], [("SELECT nonsense", ())])
    assert [n for n, *_ in tasks(files)] == [1, 2]
    recording.write(np.array([], dtype=np.intp), [], [])
    assert [(n, id, state) for n, id, state, _ in tasks(files)] == [(1, "a", 4)]
    store.apply_events([succeeded(2, "a")])
    recording.write(slots, [store.told], [])
    assert [(n, id, state) for n, id, state, _ in tasks(files)] == [(1, "a", 6)]
    assert {id for id, _ in told(files)} == {"a"}
    recording.close(0)


@pytest.mark.parametrize("opened_anew", [False, True])
def test_after_a_refusal_nobody_gets_the_number_of_a_task_without_a_row(
    files: Files, opened_anew: bool
) -> None:
    """Of a task that has not ended the events come first, and tell its number."""
    monitor = Monitor(files)
    recording: Any = monitor.recorder.recording
    store, none = monitor.store, np.array([], dtype=np.intp)
    assert not recording.ready()
    store.apply_events([received(0, "a")])
    recording.write(none, [store.told], [])
    with pytest.raises(sqlite3.OperationalError) as refused:
        recording.writer.write(none, [], [("SELECT nonsense", ())])
    if opened_anew:
        recording.refused(refused.value)
        assert not recording.ready()
    store.apply_events([received(1, "b"), succeeded(2, "b")])
    recording.write(np.array([1]), [store.told], [])
    store.apply_events([succeeded(3, "a")])
    recording.write(np.array([0]), [store.told], [])
    assert [(n, id, state) for n, id, state, _ in tasks(files)] == [(1, "a", 6), (2, "b", 6)]
    assert [id for id, _ in told(files)] == ["a", "b", "b", "a"]
    recording.close(0)


def test_after_a_kill_nobody_gets_the_number_of_a_task_without_a_row(files: Files) -> None:
    monitor = Monitor(files)
    recording: Any = monitor.recorder.recording
    assert not recording.ready()
    monitor.store.apply_events([received(0, "a"), succeeded(1, "a")])
    recording.write(np.array([0]), [monitor.store.told], [])
    monitor.store.apply_events([received(2, "killed"), started(3, "killed")])
    recording.write(np.array([], dtype=np.intp), [monitor.store.told], [])
    killed(monitor)
    recorded(files, [received(5, "b"), started(6, "b"), succeeded(7, "b")])
    assert [row[1] for row in tasks(files)] == ["a", "b"]
    assert [id for id, _ in told(files)] == ["a", "a", None, None, "b", "b", "b"]


def numbers_of(rows: int) -> Numbers:
    columns = Columns(100)
    for number in range(rows):
        columns.add(f"t{number}", 0.0)
    numbers = Numbers(columns)
    numbers.begin("today", 9, 0)
    return numbers


def each(*own: int) -> Any:
    return np.array(own, dtype=np.int64)


def test_a_number_outlives_its_slot_for_as_long_as_anything_may_wait() -> None:
    numbers = numbers_of(2)
    assert numbers.of(each(0, 1), each(1, 2), 10)[0].tolist() == [10, 11]
    assert numbers.of(each(0), each(3), 12)[0].tolist() == [12]  # Another task in the slot of the first.
    assert numbers.known(each(0, 0, 1, 1), each(1, 3, 2, 9)).tolist() == [10, 12, 11, 0]
    assert numbers.of_gone(each(0), each(1), 13, ["t0"])[0].tolist() == [10]
    assert numbers.of_gone(each(1), each(9), 13, ["t9"])[0].tolist() == [13]
    numbers.forget(13)  # The batch was refused.
    assert numbers.known(each(0, 1), each(1, 9)).tolist() == [10, 0]
    for _ in range(TURNS):
        numbers.written(13)
    assert numbers.known(each(0, 0), each(1, 3)).tolist() == [0, 12]


def test_who_was_away_goes_on_in_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = numbers_of(2)
    away = numbers.away
    away.left(["t1", "gone", "late"], each(5, 6, 12))
    assert numbers.of(each(0, 1), each(1, 2), 10)[0].tolist() == [10, 5]  # The columns tell whose they are.
    assert numbers.of_gone(each(0, 0), each(7, 8), 11, ["other", "gone"])[0].tolist() == [11, 6]
    assert [away.again(number) for number in (5, 6, 10, 11, 12)] == [True, True, False, False, False]
    numbers.forget(10)  # The batch was refused: what it numbered anew is in no file.
    assert away.back(["late", "t1"]).tolist() == [0, 0] and away.again(5)
    monkeypatch.setattr(away_module, "MOST", 2)
    away.left(["a", "b", "c"], each(1, 2, 3))
    assert away.back(["a", "b", "c"]).tolist() == [0, 2, 3]
    away.left(["d"], each(4))
    numbers.begin("tomorrow", 0, 0)
    assert not away.back(["d"]).any() and not away.any_again


def test_what_was_learnt_counts_for_the_task_it_was_told_of() -> None:
    numbers = numbers_of(3)
    columns = numbers.columns
    numbers.of(each(0, 1), each(1, 2), 10)
    columns.remove(np.array([1]))
    columns.remove(np.array([2]))
    columns.add("other", 0.0)
    columns.add("another", 0.0)
    numbers.learn("today", each(0, 1, 2), each(5, 6, 7), each(1, 2, 3))
    numbers.learn("yesterday", each(0), each(99), each(1))
    numbers.settle()
    # The first two had got numbers of their own meanwhile; two of them have left their slots since.
    assert numbers.doubled == {10: Doubled(5, 0), 11: Doubled(6, 1)}
    assert numbers.known(each(0, 1, 2), each(1, 2, 3)).tolist() == [5, 6, 7]
    assert numbers.of(each(1, 2), each(5, 4), 12)[0].tolist() == [
        13,
        12,
    ]  # No number of who was there before.
    # Of two rows that a file had of a task before, the newest is gone on with: it is read first.
    numbers.written(14)
    numbers.learn("today", each(0), each(3), each(1))
    numbers.settle()
    assert numbers.known(each(0), each(1)).tolist() == [5] and not numbers.doubled


def test_events_tell_another_row_and_keep_all_else() -> None:
    body = pack([0, 2, 255], [1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7, 8, 9], [10, 11, 0], {2: ("own", {"a": 1})})
    assert renumbered(body, {12: 1}) is None
    changed = renumbered(body, {11: 5})
    assert changed is not None
    before, after = list(unpack(body)), list(unpack(changed))
    assert [one.task for one in after] == [10, 5, 0]
    assert [one._replace(task=0) for one in after] == [one._replace(task=0) for one in before]


RAN = [sent(0, "ran"), received(0.1, "ran"), started(0.5, "ran"), succeeded(2.5, "ran", runtime=2.0)]


def began(pid: int | None = 41, worker: str = "w1@h") -> ResultReport:
    return ResultReport(id="t1", status="STARTED", result={"pid": pid, "hostname": worker})


def by_result(files: Files, state: str, at: float | None) -> Monitor:
    """One that knew the result before it read the history."""
    monitor = Monitor(files, lambda: T0 + 100)
    monitor.store.apply_results([ResultReport(id="ran", status=state, date_done=at and T0 + at)], T0 + 100)
    monitor.load(numbers=False)
    return monitor


def test_what_the_result_backend_does_not_tell_comes_from_the_history(files: Files) -> None:
    recorded(files, RAN)
    monitor = by_result(files, "SUCCESS", 2.51)
    one = task(monitor.store, "ran")
    assert (one.runtime, one.wait) == (2.0, 0.5) and one.started == T0 + 0.5
    assert (one.state, one.finished, one.name) == ("success", T0 + 2.51, "shop.add")
    assert (one.sources["state"], one.sources["started"]) == ("result", "event")
    assert monitor.recorder.status.loaded == 1


def test_of_another_run_only_what_does_not_change_comes_from_the_history(files: Files) -> None:
    recorded(files, RAN)
    again = task(by_result(files, "SUCCESS", 90.0).store, "ran")
    assert (again.runtime, again.started, again.name) == (None, None, "shop.add")
    runs = task(by_result(files, "STARTED", None).store, "ran")
    assert (runs.state, runs.runtime, runs.finished) == ("started", None, None)


def lost(files: Files) -> None:
    """A run of t1 in process 41 of w1@h."""
    first = Monitor(files).start()
    first.hear(sent(0), received(1), started(2), beat(2), beat(4))
    first.store.apply_results([began()], T0 + 3)
    for moment in (4, 20, 36):
        first.store.apply_queues([QueueReport(name="celery", at=T0 + moment, messages=0)])
    assert task(first.store).state == "lost"
    first.recorder.hand_over(first.store.told)
    first.stop()


@pytest.mark.parametrize(
    "ran", [lost, lambda files: recorded(files, [received(1), started(2), succeeded(4)])]
)
@pytest.mark.parametrize(
    "document",
    [began(42), began(41, "w2@h"), began(None), ResultReport(id="t1", status="PROGRESS", result={"done": 1})],
)
def test_another_run_gets_nothing_of_the_one_before(files: Files, ran: Any, document: ResultReport) -> None:
    ran(files)
    later = Monitor(files, lambda: T0 + 100)
    later.store.apply_results([document], T0 + 100)
    later.load(numbers=False)
    one = task(later.store)
    assert (one.state, one.started, one.runtime, one.finished) == ("started", None, None, None)
    assert later.store.counts() == {"started": 1}


def test_that_a_run_was_lost_the_result_backend_does_not_tell(files: Files) -> None:
    lost(files)
    later = Monitor(files, lambda: T0 + 100)
    later.store.apply_results([began()], T0 + 100)
    later.load(numbers=False)
    assert (task(later.store).state, task(later.store).pid) == ("lost", 41)
    assert later.store.counts() == {"lost": 1}


def test_what_the_result_backend_says_to_run_began_when_the_history_says(files: Files) -> None:
    first = Monitor(files).start()
    first.hear(received(1), started(2))
    first.store.apply_results([began()], T0 + 3)
    first.hear(beat(4))
    first.stop()
    later = Monitor(files, lambda: T0 + 100)
    later.store.apply_results([began()], T0 + 100)
    later.load(numbers=False)
    [row] = later.store.query(TaskQuery(), T0 + 200).rows
    assert (row.state, row.since, row.at_least) == ("started", T0 + 2, False)


@pytest.mark.parametrize("status", ["FAILURE", "SUCCESS"])
def test_an_end_that_is_not_that_of_the_row_is_another_runs(files: Files, status: str) -> None:
    recorded(files, RAN)
    one = task(by_result(files, status, 40.0 if status == "FAILURE" else None).store, "ran")
    assert (one.started, one.runtime) == (None, None)
