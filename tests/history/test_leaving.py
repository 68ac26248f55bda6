"""Tasks that leave a full store: the history has all of them, or says how many it has not."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from lazycelery.engine import backlog
from lazycelery.engine import recorder as module
from lazycelery.model.event import Event
from lazycelery.store.history.events import unpack
from lazycelery.store.history.local import Local
from lazycelery.store.history.postgres.address import address_of
from lazycelery.store.history.postgres.storage import Shared
from lazycelery.store.history.storage import Storage
from lazycelery.store.history.taking import Changes, snapshot
from lazycelery.store.store import Store
from tests.history.keeping import Monitor, found
from tests.history.test_backlog import NOBODY, notices_of, rows, traced
from tests.store.build import T0, event, failed, received, retried, started, succeeded

Life = tuple[str, str]
ENDS = ("failure", "success")


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", (0.1,))
    monkeypatch.setattr(module, "EVERY", 0.05)


@contextmanager
def refused(monitor: Monitor) -> Iterator[None]:
    """Nothing can be written meanwhile."""
    with pytest.MonkeyPatch.context() as patch:

        def write(*_: Any) -> bool:
            raise OSError(errno.ENOSPC, "full")

        patch.setattr(monitor.recorder.recording, "write", write)
        yield


def life(number: int) -> list[Event]:
    """Each second one fails."""
    id, at = f"t{number}", number / 100
    ends = failed if number % 2 else succeeded
    return [received(at, id), started(at, id), ends(at + 1, id)]


def kept(storage: Storage) -> dict[str, Life]:
    """State and name by id, as the rows have them; none may be there twice."""
    query = "SELECT id, state, name FROM {s}task"
    if isinstance(storage, Shared):
        told = rows(storage, query.replace("{s}", "{s}."))
    else:
        assert isinstance(storage, Local)
        told = sqlite3.connect(storage.files.all()[-1]).execute(query.replace("{s}", "")).fetchall()
    assert len({id for id, *_ in told}) == len(told)
    return {id: (state, name) for id, state, name in told}


def lives(numbers: range) -> dict[str, Life]:
    return {f"t{number}": ("failure" if number % 2 else "success", "shop.add") for number in numbers}


def test_tasks_that_leave_while_nothing_can_be_written_are_written_afterwards(storage: Storage) -> None:
    monitor = Monitor(storage, max_tasks=100).start()
    monitor.hear(*life(0))
    assert monitor.wait(lambda: len(found(storage).tasks) == 1)
    with refused(monitor):
        for number in range(1, 1_000):
            monitor.hear(*life(number))
        assert monitor.wait(lambda: monitor.recorder.status.state == "broken")
        assert monitor.recorder.backlog.left.count and monitor.recorder.backlog.failed.count
    assert monitor.wait(lambda: monitor.recorder.status.state == "writing")
    monitor.stop()
    status = monitor.recorder.status
    assert kept(storage) == lives(range(1_000))
    assert (status.dropped_tasks, status.dropped) == (0, 0)
    assert not monitor.recorder.backlog.left.count and not monitor.recorder.backlog.failed.size
    if isinstance(storage, Local):
        # Each event tells the row of its task.
        database = sqlite3.connect(storage.files.all()[-1])
        ids = dict(database.execute("SELECT n, id FROM tasks"))
        bodies = [body for (body,) in database.execute("SELECT body FROM events ORDER BY n")]
        told = [(ids.get(one.task), one.type) for body in bodies for one in unpack(body)]
        assert told == [(one.uuid, one.type) for number in range(1_000) for one in life(number)]


def test_what_has_no_room_any_more_is_counted_and_told(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog, "MOST_TASKS", 60)
    monitor = Monitor(storage, max_tasks=64).start()
    monitor.hear(*life(0))
    assert monitor.wait(lambda: len(found(storage).tasks) == 1)
    with refused(monitor):
        for number in range(1, 300):
            monitor.hear(*life(2 * number), *life(2 * number + 1))
    assert monitor.wait(lambda: monitor.recorder.status.state == "writing")
    monitor.stop()
    status, there = monitor.recorder.status, kept(storage)
    assert status.dropped_tasks > 300 and len(there) + status.dropped_tasks == 599
    # Of each kind the newest: successes, which leave first, take no failure's place.
    numbers = {own: [int(id[1:]) for id, (state, _) in there.items() if state == own] for own in ENDS}
    assert min(numbers["failure"]) < 599 - 2 * 60 and sorted(numbers["success"])[1] > 300
    [told] = asyncio.run(notices_of(status))
    assert told.code == "history-dropped"
    assert told.title == (
        f"{status.dropped_tasks} tasks are missing in the history: they could not be written."
    )
    if isinstance(storage, Shared):
        assert rows(storage, "SELECT dropped, dropped_notes, dropped_tasks FROM {s}.runs") == [
            (0, 0, status.dropped_tasks)
        ]


@pytest.mark.parametrize("most", [1, 1_000])
def test_however_small_the_store_and_high_the_rate_nothing_leaves_unwritten(
    storage: Storage, most: int
) -> None:
    """Thousands of tasks pass through the store between two batches."""
    monitor, many = Monitor(storage, max_tasks=most).start(), 3_000
    for number in range(many):
        monitor.hear(*life(number))
    monitor.stop()
    status = monitor.recorder.status
    assert kept(storage) == lives(range(many))
    assert (status.state, status.dropped_tasks, status.dropped) == ("writing", 0, 0)


def test_what_is_written_waits_no_more_when_it_leaves(storage: Storage) -> None:
    """In usual running what leaves was written long before, and costs nothing."""
    monitor = Monitor(storage, max_tasks=100).start()
    monitor.hear(*(one for number in range(100) for one in life(number)))
    assert monitor.wait(lambda: len(found(storage, limit=1000).tasks) == 100)
    recording, copied = monitor.recorder.recording, []
    whole = recording.copied
    recording.copied = lambda slots: copied.append(len(slots)) or whole(slots)  # type: ignore[method-assign, func-returns-value]
    time.sleep(0.3)
    monitor.hear(*(one for number in range(100, 106) for one in life(number)))
    assert len(monitor.store.columns) < 106 and not copied
    monitor.stop()
    assert kept(storage) == lives(range(106))


def test_a_task_that_goes_on_after_it_has_left_is_not_set_back(storage: Storage) -> None:
    """Its older row waits, and is written before what came after."""
    monitor = Monitor(storage, max_tasks=16).start()
    monitor.hear(received(0, "long", args="(7,)"), started(0, "long"))
    assert monitor.wait(lambda: len(found(storage).tasks) == 1)
    with refused(monitor):
        monitor.hear(retried(1, "long"))
        for number in range(100):  # They wait, and take all of the store.
            monitor.hear(received(2 + number, f"t{number}"))
        assert "long" not in monitor.store.columns.slots
        monitor.hear(succeeded(200, "long", result="done"))
    assert monitor.wait(lambda: monitor.recorder.status.state == "writing")
    monitor.stop()
    newest = next(one for one in found(storage, "id:long").tasks)
    assert (newest.state, newest.result) == ("success", "done")
    if isinstance(storage, Shared):
        assert kept(storage)["long"] == ("success", "shop.add")


@pytest.mark.parametrize("between", [True, False])
def test_a_task_that_comes_back_goes_on_in_its_row(storage: Storage, between: bool) -> None:
    """Also where it had been written whole before it left, or all of it happens between two batches; what was
    told of it before is kept."""
    monitor = Monitor(storage, max_tasks=16)
    came = [received(0, "job", args="(7,)"), started(1, "job")]
    fill = [each for number in range(40) for each in (received(2, f"t{number}"), started(2, f"t{number}"))]
    steps = [
        came,
        fill,
        [event("failed", 5, "job", exception="boom")],
        [failed(6, f"t{n}") for n in range(40)],
    ]
    if between:
        monitor.start()
    for step in steps:
        for each in step:
            monitor.hear(each)
        if between:
            time.sleep(0.7)
    if not between:
        monitor.start()
    monitor.stop()
    assert set(kept(storage).values()) <= {("failure", "shop.add"), ("failure", None)}
    assert len(kept(storage)) == 41
    [job] = found(storage, "id:job").tasks
    assert (job.state, job.error) == ("failure", "boom")
    if between or isinstance(storage, Local):  # A database takes of one batch the last that is told.
        assert (job.args, job.received) == ("(7,)", T0)
    if isinstance(storage, Local):
        database = sqlite3.connect(storage.files.all()[-1])
        own = database.execute("SELECT n, first FROM tasks WHERE id = 'job'").fetchall()
        assert len(own) == 1 and own[0][1] < T0 + 1
        bodies = [body for (body,) in database.execute("SELECT body FROM events ORDER BY n")]
        told = [one.type for body in bodies for one in unpack(body) if one.task == own[0][0]]
        assert told == ["task-received", "task-started", "task-failed"]


def test_a_task_that_left_twice_is_as_it_left_last(storage: Storage) -> None:
    """First while it ran, then failed: what failed is dear, and not written before what left earlier."""
    monitor = Monitor(storage, max_tasks=16).start()
    monitor.hear(*life(0))
    assert monitor.wait(lambda: len(found(storage).tasks) == 1)
    with refused(monitor):
        monitor.hear(received(1, "job"), started(1, "job"))
        for number in range(40):
            monitor.hear(received(2, f"a{number}"), started(2, f"a{number}"))
        assert "job" not in monitor.store.columns.slots
        monitor.hear(failed(5, "job"))
        for number in range(40):
            monitor.hear(received(7, f"b{number}"), started(7, f"b{number}"), failed(8, f"b{number}"))
        assert "job" not in monitor.store.columns.slots
        waiting = monitor.recorder.backlog
        assert all(any("job" in each.ids for each in own.items) for own in (waiting.left, waiting.failed))
    assert monitor.wait(lambda: monitor.recorder.status.state == "writing")
    monitor.stop()
    assert found(storage, "id:job").tasks[0].state == "failure"


def test_a_task_that_leaves_and_comes_again_during_a_batch_waits_for_the_next(storage: Storage) -> None:
    monitor, hooked = Monitor(storage, max_tasks=1), list[bool]()
    recording = monitor.recorder.recording
    write = recording.write

    def late(*told: Any) -> bool:
        if not hooked:  # The slots are chosen, and nothing of them is read yet.
            hooked.append(True)
            monitor.hear(*life(0))
            monitor.hear(failed(5, "job"))
        return write(*told)

    recording.write = late  # type: ignore[method-assign]
    monitor.hear(received(1, "job"), started(1, "job"))
    time.sleep(0.1)
    monitor.recorder._round(last=True)
    assert hooked and "job" in monitor.store.columns.slots
    monitor.start().stop()
    assert found(storage, "id:job").tasks[0].state == "failure"


def test_of_two_queues_what_came_first_is_taken_first() -> None:
    store, waiting = Store(100), backlog.Backlog(lambda told: told)
    store.apply_events([each for number in range(20) for each in life(number)])
    ids = []
    for slots in ([0, 2], [1], [4], [3, 5], [6, 8, 10]):
        ids.append([store.columns.id[slot] for slot in slots])
        assert not waiting.leave(snapshot(store.columns, np.array(slots)))
    taken = waiting.take_tasks(4)
    assert [entry.item.ids for entry in taken] == ids[:3]
    waiting.put_back_tasks(taken)
    waiting._turn = 4  # The loop is at the fifth.
    taken = waiting.take_tasks(100)
    assert [entry.item.ids for entry in taken] == ids[:4]
    waiting.tasks_done(taken)
    waiting._turn = 5
    assert [entry.item.ids for entry in waiting.take_tasks(1)] == ids[4:]
    assert (waiting.failed.count, waiting.left.count) == (0, 3)


def test_each_way_of_being_unwritten_is_seen() -> None:
    store = Store(10)
    changes = Changes(store.columns)
    store.apply_events([received(0, f"t{number}") for number in range(4)])
    slots = np.arange(4)
    assert changes.unwritten(slots).tolist() == [0, 1, 2, 3]  # Nobody has looked yet.
    assert not len(changes.due(0.1))  # They have not ended, and are put off.
    assert changes.unwritten(slots).tolist() == [0, 1, 2, 3]
    taken = changes.due(10.0)
    assert changes.unwritten(slots).tolist() == [0, 1, 2, 3]  # They are being written.
    changes.put_back(taken[:1])
    changes.written(taken[1:2], lean=False)
    changes.written(taken[2:], lean=True)  # Their texts are to follow.
    assert changes.unwritten(slots).tolist() == [0, 1, 2, 3]  # None has ended: they may come back.
    changes.written(taken[2:], lean=True)
    store.apply_events([succeeded(1, "t1")])
    changes.written(changes.due(10.0), lean=False)
    assert changes.unwritten(slots).tolist() == [0, 2, 3]
    changes.skip()
    assert not len(changes.unwritten(slots))  # Another one writes them.


@pytest.mark.parametrize("most", [1, 16])
def test_what_tasks_take_that_wait_is_told_about_right(most: int) -> None:
    monitor, own = Monitor(Shared(address_of(NOBODY, "", "")), max_tasks=most), 500
    with traced() as taken:
        for number in range(own):
            monitor.hear(*life(number))
        monitor.recorder.backlog.events.forget()
        waiting = monitor.recorder.backlog.left, monitor.recorder.backlog.failed
        told, grown = sum(one.size for one in waiting), taken()
    assert 0.6 * grown < told < 1.6 * grown


def test_what_waits_is_bounded_whatever_is_in_it(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MOST_TASK_BYTES", 1 << 20)
    monitor, text = Monitor(storage, max_tasks=16), "x" * 20_000
    for number in range(400):
        id, at = f"t{number}", float(number)
        monitor.hear(received(at, id), started(at, id))
        if number % 2:  # An attempt before has long texts of its own.
            monitor.hear(
                event("retried", at, id, exception=text, traceback=text), received(at, id, retries=1)
            )
        monitor.hear(started(at, id), event("failed", at + 1, id, exception=text, traceback=text))
    waiting = monitor.recorder.backlog.failed
    held = [text for entry in waiting.items for column in entry.texts for text in column]
    assert sum(len(one) for one in held if one) <= 1 << 20
    assert waiting.size <= 1 << 20 and 5 < waiting.count < 60
    assert monitor.recorder.status.dropped_tasks == 400 - waiting.count - len(monitor.store.columns)
