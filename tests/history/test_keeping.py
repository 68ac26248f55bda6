"""What was seen is on disk, and back in the store of the next monitor."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest

from lazycelery.engine import past
from lazycelery.model.reports import QueueReport, ResultReport, WorkerReport
from lazycelery.model.states import State
from lazycelery.model.task import TaskQuery
from lazycelery.store.history.events import unpack
from lazycelery.store.history.files import Files
from lazycelery.store.history.local import Local
from lazycelery.store.history.search import task_of
from lazycelery.store.history.writer import TOGETHER
from tests.history.keeping import Monitor, files_in, found, ids, killed, recorded
from tests.store.build import T0, beat, event, failed, received, retried, sent, started, succeeded, task

LIFE = [sent(0), received(0.1), started(0.2), succeeded(1.2)]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return files_in(tmp_path)


def again(files: Files, now: float = T0 + 1000) -> Monitor:
    monitor = Monitor(files, lambda: now)
    monitor.load()
    return monitor


def test_a_task_comes_back_with_every_field(files: Files) -> None:
    before = recorded(files, LIFE).store
    one = task(again(files).store)
    assert one.marks == ["history"]
    known = task(before)
    for name in (*("id", "name", "state", "worker", "queue", "sent", "received", "started", "finished"),):
        assert getattr(one, name) == getattr(known, name), name
    for name in ("runtime", "wait", "retries", "args", "kwargs", "result", "root_id", "parent_id", "seen"):
        assert getattr(one, name) == getattr(known, name), name
    assert one.sources == known.sources


def test_what_had_not_ended_is_believed_of_who_wrote_until_just_now_and_of_nobody_before(
    files: Files,
) -> None:
    """The second monitor has not seen what became of `a`: nor has a third one that starts at once."""
    first = Monitor(files, lambda: T0).start()
    first.hear(received(0, "a"), received(1, "done"), succeeded(2, "done"))
    killed(first)
    second = Monitor(files, lambda: T0 + 15)
    second.load()
    assert states(second) == {"a": "received", "done": "success"}
    second.start().hear(received(20, "b"))
    killed(second)
    assert states(again(files, T0 + 30)) == {"a": "unknown", "b": "received", "done": "success"}
    assert states(again(files, T0 + 300)) == {"a": "unknown", "b": "unknown", "done": "success"}


def test_who_wrote_last_is_asked_once_before_our_own_recorder_begins(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Monitor(files, lambda: T0).start()
    first.hear(*(received(number / 1000, f"t{number}") for number in range(3_000)))
    killed(first)
    second = Monitor(files, lambda: T0 + 15)
    began: list[str] = []
    place = past.place

    def placing(*given: Any) -> Any:
        if not began:
            second.start()  # As soon as the first tasks are there.
            second.hear(received(14, "ours"))
            assert second.wait(lambda: "ours" in ids(found(files, now=T0 + 15)))
        began.append("a chunk")
        return place(*given)

    monkeypatch.setattr(past, "place", placing)
    second.load()
    second.stop()
    assert len(began) > 1 and set(states(second).values()) == {"received"}


def states(monitor: Monitor) -> dict[str, str]:
    columns = monitor.store.columns
    return {columns.id[slot]: State(columns.state[slot]).label for slot in range(columns.used)}


def test_a_failure_its_traceback_and_its_attempts_come_back(files: Files) -> None:
    recorded(files, [sent(0), received(0.1), started(0.2), retried(1)], [sent(2, retries=1)])
    recorded(files, [received(2.1, retries=1), started(2.2), failed(3)])
    one = task(again(files).store)
    assert (one.state, one.error, one.traceback) == (
        "failure",
        "ValueError('x')",
        "Traceback\nValueError: x\n",
    )
    recorded(files, [sent(10, "p"), received(10, "p"), started(11, "p"), retried(12, "p")])
    assert ids(found(files)) == ["p", "t1"]


def test_new_and_changed_tasks_written_together_keep_what_is_theirs(files: Files) -> None:
    many = 2 * TOGETHER + 5
    own = [f"t{number:03}" for number in range(many)]
    lives = [[sent(n, id), received(n, id), started(n, id)] for n, id in enumerate(own)]
    monitor = Monitor(files).start()
    monitor.hear(*[event for life in lives[: TOGETHER + 3] for event in life])
    assert monitor.wait(lambda: len(ids(found(files))) > TOGETHER)
    rest = [event for life in lives[TOGETHER + 3 :] for event in life]
    monitor.hear(*rest, *[succeeded(n + 1, id, result=f"'{id}'") for n, id in enumerate(own)])
    monitor.stop()
    page = found(files)
    assert ids(page) == own[::-1]
    assert {one.id: (one.state, one.result) for one in page.tasks} == {
        id: ("success", f"'{id}'") for id in own
    }


def test_what_the_backend_says_to_run_is_as_old_as_recorded_and_ran_out_where_its_worker_says_so(
    files: Files,
) -> None:
    recorded(files, [sent(0), received(0.1), started(2)])
    document = ResultReport(id="t1", status="STARTED", result={"pid": 41, "hostname": "w1@h"})
    unasked, asked, young = again(files).store, again(files).store, again(files, T0 + 100).store
    unasked.apply_results([document], T0 + 1000)
    [row] = unasked.query(TaskQuery(filter="state:started"), T0 + 1000).rows
    assert (row.since, row.at_least) == (T0 + 2, False)
    asked.apply_worker(WorkerReport(worker="w1@h", at=T0 + 999, ping=True, active=[]))
    asked.apply_results([document], T0 + 1000)
    assert (task(asked).state, task(asked).marks[:1]) == ("unknown", ["ended-unseen"])
    assert asked.counts() == {"unknown": 1}
    young.apply_worker(WorkerReport(worker="w1@h", at=T0 + 5, ping=True, active=[]))
    young.apply_results([document], T0 + 6)  # It may have begun as that was told.
    assert task(young).state == "started"


def test_what_was_lost_stays_lost_whatever_the_backend_keeps_of_its_beginning(files: Files) -> None:
    first = Monitor(files).start()
    first.hear(sent(0), received(1), started(2), beat(2), beat(4))
    for moment in (4, 20, 36):
        first.store.apply_queues([QueueReport(name="celery", at=T0 + moment, messages=0)])
    assert task(first.store).state == "lost"
    first.recorder.hand_over(first.store.told)
    first.stop()
    store = again(files).store
    store.apply_worker(WorkerReport(worker="w1@h", at=T0 + 999, ping=True, active=[]))
    document = ResultReport(id="t1", status="STARTED", result={"pid": 41, "hostname": "w1@h"})
    store.apply_results([document], T0 + 1000)
    assert task(store).state == "lost"


def test_attempts_keep_their_workers(files: Files) -> None:
    life = [sent(0), received(0.1), started(0.2), retried(1)]
    life += [sent(2, retries=1), received(2.1, retries=1, worker="w2@h"), started(2.2, worker="w2@h")]
    recorded(files, [*life, failed(3, worker="w2@h")])
    one = task(again(files).store)
    assert [attempt.worker for attempt in one.attempts] == ["w1@h", "w2@h"]
    assert [attempt.state for attempt in one.attempts] == ["retry", "failure"]
    assert one.attempts[0].traceback == "Traceback\nTimeout\n"


def test_what_had_not_ended_is_unknown_after_a_while_and_believed_at_once(files: Files) -> None:
    recorded(files, [sent(0), received(0.1), started(0.2)])
    assert task(again(files, T0 + 3).store).state == "started"
    late = task(again(files, T0 + 3000).store)
    assert (late.state, late.sources["state"]) == ("unknown", "inferred")
    assert {"history", "gap"} <= set(late.marks)


def test_the_newest_come_first_and_below_what_is_live(files: Files) -> None:
    recorded(files, [received(second, f"t{second}") for second in range(50)])
    monitor = Monitor(files, lambda: T0 + 100)
    monitor.load()
    monitor.hear(received(90, "live"))
    page = monitor.store.query(TaskQuery(), T0 + 100)
    assert [row.id for row in page.rows][:3] == ["live", "t49", "t48"]
    assert [row.past for row in page.rows][:2] == [False, True]
    assert len(page.rows) == 51


def test_while_older_ones_come_the_oldest_is_the_last_that_came(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(files, [received(second, f"t{second}") for second in range(50)])
    monkeypatch.setattr("lazycelery.engine.past.AT_ONCE", 20)
    monitor, told = Monitor(files, lambda: T0 + 100), list[tuple[float | None, float | None]]()

    def look() -> None:
        page = monitor.store.query(TaskQuery(), T0 + 100)
        if page.rows:
            told.append((page.oldest, page.rows[-1].first))

    monitor.load(changed=look)
    assert [round((oldest or 0) - T0) for oldest, _ in told] == [30, 10, 0, 0]
    assert all(oldest == last for oldest, last in told)


def test_a_task_that_goes_on_keeps_its_row_and_is_live_again(files: Files) -> None:
    recorded(files, [sent(0), received(0.1)])
    monitor = again(files, T0 + 3)
    monitor.start().hear(started(3), succeeded(4))
    monitor.stop()
    assert "history" not in task(monitor.store).marks
    [one] = found(files).tasks
    assert (one.state, one.args, one.queue) == ("success", "(1, 2)", "celery")
    [path] = files.all()
    assert sqlite3.connect(path).execute("SELECT count(*) FROM tasks").fetchone() == (1,)


def test_a_task_seen_before_its_row_was_read_gets_what_nobody_told_since(files: Files) -> None:
    recorded(files, [sent(0), received(0.1)])
    monitor = Monitor(files, lambda: T0 + 3)
    monitor.hear(started(3), succeeded(4))
    monitor.load()
    one = task(monitor.store)
    assert (one.state, one.name, one.args, one.sent, one.queue) == (
        *("success", "shop.add", "(1, 2)"),
        *(T0, "celery"),
    )


def test_a_task_that_ends_on_another_day_is_found_once_as_it_ended(files: Files) -> None:
    recorded(files, [sent(0), received(0.1), started(0.2)])
    next_day = Monitor(files, lambda: T0 + 90_000)
    next_day.load()
    next_day.start().hear(succeeded(90_000))
    next_day.stop()
    assert len(files.all()) == 2
    assert [one.state for one in found(files).tasks] == ["success"]
    third = again(files, T0 + 90_001)
    assert task(third.store).state == "success"


def test_files_and_directory_are_for_their_owner_alone(files: Files) -> None:
    monitor = Monitor(files).start()
    monitor.hear(*LIFE)
    assert monitor.wait(lambda: monitor.recorder.status.written is not None)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files.directory.iterdir()}
    monitor.stop()
    assert len(modes) >= 3 and set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE(files.directory.stat().st_mode) == 0o700


def test_no_secret_reaches_the_disk_and_what_stands_for_it_counts_as_cut(files: Files) -> None:
    secret = "hunter2-0815"
    recorded(
        files,
        [received(0, "a", kwargs=f"{{'password': '{secret}', 'n': 1}}"), received(0, "b", args="(1,)")],
        [event("failed", 1, "a", exception=f"Error('token={secret}')", traceback=f"api_key = '{secret}'\n")],
        [event("retried", 1, "c", exception=f"E('password={secret}')", traceback=f"password='{secret}'\n")],
        [received(2, "c", retries=1)],
        [sent(3, "d", name=f"amqp://u:{secret}@h", queue=f"token={secret}", eta=f"password={secret}")],
        [event("sent", 3, "e", expires=f"password={secret}")],
    )
    for path in files.directory.iterdir():
        assert secret.encode() not in path.read_bytes(), path.name
    store = again(files).store
    assert set(task(store, "a").truncated) >= {"kwargs", "error", "traceback"}
    assert task(store, "b").truncated == []


def test_every_event_is_kept_with_its_times_and_its_worker(files: Files) -> None:
    from lazycelery.store.history.events import unpack

    recorded(files, LIFE, [event("progress", 2, extra={"percent": 40})])
    database = sqlite3.connect(files.all()[0])
    words = dict(database.execute("SELECT code, word FROM words"))
    kept = [one for (body,) in database.execute("SELECT body FROM events ORDER BY n") for one in unpack(body)]
    assert [one.type for one in kept] == [
        *("task-sent", "task-received", "task-started", "task-succeeded", "task-progress")
    ]
    assert kept[3].at == T0 + 1.2 and words[kept[3].worker] == "w1@h"
    assert kept[4].fields == {"percent": 40}
    assert len({one.task for one in kept}) == 1
    assert database.execute("SELECT id FROM tasks WHERE n = ?", (kept[0].task,)).fetchone() == ("t1",)


def test_anybody_can_read_it_with_plain_sql(files: Files) -> None:
    recorded(files, LIFE)
    database = sqlite3.connect(files.all()[0])
    row = database.execute("SELECT id, name, state, worker, queue, result, root_id FROM task").fetchone()
    assert row == ("t1", "shop.add", "success", "w1@h", "celery", "3", "t1")


def test_what_is_not_known_is_null_and_failures_are_found_by_an_index(files: Files) -> None:
    recorded(files, [*LIFE, failed(9, "b")])
    database = sqlite3.connect(files.all()[-1])
    for name in ("error", "traceback", "eta", "expires"):
        assert database.execute(f"SELECT typeof({name}) FROM tasks WHERE id = 't1'").fetchone() == ("null",)
    query = "SELECT * FROM tasks WHERE n < 100 AND (state = 7) ORDER BY n DESC LIMIT 10"
    [plan] = database.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
    assert "INDEX bad" in plan[-1], plan


def test_ten_thousand_tasks_come_back_in_their_order(files: Files) -> None:
    batches = [[received(n / 100, f"t{n}"), started(n / 100, f"t{n}")] for n in range(10_000)]
    recorded(files, *batches)
    monitor = Monitor(files, lambda: T0 + 101, max_tasks=20_000)
    status = monitor.load()
    assert (status.loaded, status.recorded) == (10_000, 10_000)
    assert monitor.store.counts() == {"started": 10_000}
    page = monitor.store.query(TaskQuery(limit=3), T0)
    assert [row.id for row in page.rows] == ["t9999", "t9998", "t9997"]
    assert monitor.store.resolve("t123", 2)


def test_no_more_is_loaded_than_there_is_room_for(files: Files) -> None:
    recorded(files, [received(second, f"t{second}") for second in range(200)])
    monitor = Monitor(files, lambda: T0 + 1, max_tasks=50)
    assert monitor.load().loaded == 50
    monitor.hear(received(300, "live"))
    page = monitor.store.query(TaskQuery(limit=2), T0)
    assert [row.id for row in page.rows] == ["live", "t199"]


def test_a_monitor_that_ends_well_and_one_that_does_not_are_told_apart(files: Files) -> None:
    recorded(files, LIFE)
    assert not again(files).recorder.status.interrupted
    killed = Monitor(files).start()
    killed.hear(received(5, "x"))
    assert killed.wait(lambda: killed.recorder.status.written is not None)
    assert not again(files).recorder.status.interrupted, "it writes still"
    killed.recorder.recording._lock.give_back()  # As the system does, however it ended.
    assert again(files).recorder.status.interrupted
    killed.stop()


def test_who_takes_over_goes_on_in_the_rows_that_another_one_began(files: Files) -> None:
    first, second = Monitor(files).start(), Monitor(files)
    first.hear(sent(0), received(0.1))
    assert first.wait(lambda: ids(found(files)) == ["t1"])
    second.load(numbers=False)
    second.start()
    assert second.wait(lambda: "Another monitor" in second.recorder.status.reason)
    assert not second.recorder.status.interrupted
    second.hear(started(1))
    first.stop()
    second.recorder._next_try = 0.0
    assert second.wait(lambda: second.recorder.status.state == "writing")
    second.hear(succeeded(2))
    second.stop()
    [path] = files.all()
    rows = sqlite3.connect(path).execute("SELECT id, state FROM task").fetchall()
    assert rows == [("t1", "success")]


def test_who_takes_over_writes_no_event_that_is_there_already(files: Files) -> None:
    """Both heard all of them; the second one looks every few seconds whether the first one has gone."""
    first, second = Monitor(files).start(), Monitor(files)
    first.hear(sent(0), received(0.1))
    assert first.wait(lambda: ids(found(files)) == ["t1"])
    second.load(numbers=False)
    second.start()
    assert second.wait(lambda: "Another monitor" in second.recorder.status.reason)
    both = [
        [started(1), event("progress", 1.5, extra={"step": 1}), event("progress", 1.5, extra={"step": 2})],
        [event("phase", 1.5, extra={}), received(2, "t2")],
    ]
    for batch in both:
        first.hear(*batch)
        second.hear(*batch)
    first.stop()
    second.hear(event("phase", 1.6, extra={}), succeeded(3))  # Only one of them heard these.
    second.recorder._next_try = 0.0
    assert second.wait(lambda: second.recorder.status.state == "writing")
    second.hear(started(4, "t2"))
    second.stop()
    [path] = files.all()
    database = sqlite3.connect(path)
    bodies = database.execute("SELECT body, count FROM events ORDER BY n").fetchall()
    told = [(one.type, one.at - T0) for body, _ in bodies for one in unpack(body)]
    wanted = ["sent", "received", "started", "progress", "progress", "phase", "received"]
    wanted += ["phase", "succeeded", "started"]
    assert [kind for kind, _ in told] == [f"task-{kind}" for kind in wanted]
    assert sum(count for _, count in bodies) == len(told)
    database.close()


def test_who_begins_as_another_one_ends_writes_nothing_again(files: Files) -> None:
    """The new one has heard the last events too, before it looked whether somebody writes."""
    first, second = Monitor(files), Monitor(files)
    for one in (first, second):
        one.load()
    for at, events in enumerate(([received(0, "a"), started(1, "a")], [succeeded(2, "a"), received(2, "b")])):
        for one in (first, second):
            one.hear(*events)
        if not at:
            first.start()
    first.stop()
    second.start().hear(started(3, "b"))
    second.stop()
    [path] = files.all()
    database = sqlite3.connect(path)
    assert database.execute("SELECT id FROM tasks ORDER BY n").fetchall() == [("a",), ("b",)]
    assert sum(count for (count,) in database.execute("SELECT count FROM events")) == 5


def test_a_finished_file_gets_its_index_and_is_read_by_id(files: Files) -> None:
    recorded(files, LIFE)
    next_day = Monitor(files, lambda: T0 + 90_000).start()
    next_day.hear(received(90_000, "t2"))

    def indexed() -> bool:
        database = sqlite3.connect(files.all()[0])
        return ("ids",) in database.execute("SELECT name FROM sqlite_master WHERE type = 'index'").fetchall()

    assert next_day.wait(indexed)
    next_day.stop()
    one = task_of(Local(files), "t1")
    assert (one.id, one.state) == ("t1", "success")
    assert task_of(Local(files), "none") is None


@pytest.mark.parametrize(
    "name", ["accounts:reset_password:eu", "auth.refresh_token", "tokens:us", "card-charge/1"]
)
def test_a_plain_name_stays_whole_whatever_words_are_in_it(files: Files, name: str) -> None:
    recorded(files, [sent(0, name=name, queue=name)])
    one = task(again(files).store)
    assert (one.name, one.queue) == (name, name)
