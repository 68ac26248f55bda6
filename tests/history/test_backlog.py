"""What waits while a history hangs takes bounded room, whatever is in it, and what had to go is counted."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lazycelery.engine import backlog
from lazycelery.engine.backlog import Backlog, Waiting
from lazycelery.engine.memory import Memory
from lazycelery.model.cluster import Notice
from lazycelery.model.event import Event
from lazycelery.model.history import HistoryStatus
from lazycelery.model.profile import Profile
from lazycelery.model.redaction import Redactor
from lazycelery.store.history.events import unpack
from lazycelery.store.history.local import Local
from lazycelery.store.history.postgres.address import address_of
from lazycelery.store.history.postgres.storage import Shared
from lazycelery.store.history.storage import Hour, Sample, Storage
from lazycelery.store.store import Store
from lazycelery.store.told import joined, weight
from tests.history.keeping import Monitor, found
from tests.history.test_shared import life, rows
from tests.store.build import T0, event, received, started, succeeded

MIB = 1 << 20
NOBODY = "postgresql://127.0.0.1:1/none"


@contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """To ask for the bytes that what was made within takes by now."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def long_life(number: int, size: int) -> list[Event]:
    """A task with long texts, and an event of a kind of its own."""
    id, at, text = f"t{number}", number / 100, f"{number}".rjust(size, "x")
    return [
        received(at, id, args=f"('{text}',)"),
        started(at, id),
        event("own", at, id, extra={"text": f"own {text}"}),
        succeeded(at + 1, id, result=f"'{text}'"),
    ]


@pytest.mark.parametrize("together", [1, 40])
def test_a_history_that_hangs_takes_bounded_memory_however_long_the_texts(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr(backlog, "MOST_BYTES", MIB)
    monkeypatch.setattr(backlog, "MOST_TASK_BYTES", MIB // 2)
    monkeypatch.setattr(backlog, "LOOSE_BYTES", MIB // 2)
    monkeypatch.setattr(backlog, "PORTION_BYTES", MIB // 8)
    monitor = Monitor(storage, max_tasks=50)
    recording, hangs = monitor.recorder.recording, threading.Event()
    write = recording.write

    def hanging(*args: Any) -> bool:
        hangs.wait(20)
        return write(*args)

    monkeypatch.setattr(recording, "write", hanging)
    monitor.start().hear(*long_life(0, 10))
    assert monitor.wait(lambda: bool(monitor.recorder._busy_since))
    lives = 800
    with traced() as taken:
        for first in range(1, lives, together):
            batch = [each for n in range(first, min(lives, first + together)) for each in long_life(n, 4_000)]
            for start in range(0, len(batch), 4 * together // 2):
                monitor.hear(*batch[start : start + 4 * together // 2])
        grown = taken()
    waiting, dropped = monitor.recorder.backlog.events, monitor.recorder.status.dropped
    assert grown < 3 * MIB, "of 10 MB that were heard"
    assert waiting.size <= MIB and 0 < dropped < 4 * lives
    assert waiting.count + dropped == 4 * lives
    hangs.set()
    assert monitor.wait(
        lambda: not monitor.recorder.status.behind and monitor.recorder.status.state == "writing"
    )
    monitor.stop()
    assert waiting.count == waiting.size == 0
    if isinstance(storage, Shared):
        kept = rows(storage, "SELECT count(*) FROM {s}.events")[0][0]
        assert rows(storage, "SELECT events, dropped FROM {s}.runs") == [(kept, dropped)]
    else:
        assert isinstance(storage, Local)
        kept = len(events_of(storage))
    assert kept == 4 * lives - dropped
    assert any(task.id == f"t{lives - 1}" for task in found(storage).tasks)


def events_of(storage: Local) -> list[Any]:
    bodies = []
    for path in storage.files.all():
        database = sqlite3.connect(path)
        bodies += [body for (body,) in database.execute("SELECT body FROM events ORDER BY n")]
        database.close()
    return [one for body in bodies for one in unpack(body)]


def test_all_that_may_wait_has_room_while_texts_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where each event came alone: 400,000 of them would take hundreds of megabytes as they came."""
    monkeypatch.setattr(backlog, "LOOSE", 0)
    monkeypatch.setattr(backlog, "MOST_TASKS", 0)
    monitor = Monitor(Shared(address_of(NOBODY, "", "")), max_tasks=2_000)
    waiting = monitor.recorder.backlog.events
    with traced() as taken:
        for number in range(2_500):  # The store is full.
            monitor.hear(*life(number))
        count, before = waiting.count, taken()
        for number in range(2_500, 5_000):
            for each in life(number):
                monitor.hear(each)
        grown = taken() - before
    assert waiting.count - count == 10_000 and not monitor.recorder.status.dropped
    assert grown / 10_000 < 90, "bytes an event"
    assert sum(len(batch.events) for batch in waiting.items) <= backlog.PORTION
    assert waiting.size / waiting.count * backlog.MOST_EVENTS < backlog.MOST_BYTES


def test_long_texts_go_before_any_event_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database's events wait with their texts at first, which tasks have anyway."""
    monkeypatch.setattr(backlog, "MOST_BYTES", MIB)
    monkeypatch.setattr(backlog, "LOOSE_BYTES", MIB // 2)
    monkeypatch.setattr(backlog, "PORTION_BYTES", MIB // 8)
    monitor = Monitor(Shared(address_of(NOBODY, "", "")), max_tasks=50)
    for number in range(500):
        monitor.hear(*(each for each in long_life(number, 4_000) if each.extra is None))
    assert monitor.recorder.backlog.events.count == 1_500 and not monitor.recorder.status.dropped


@pytest.mark.parametrize("together", [1, 30, 1000])
def test_small_batches_are_put_together_and_written_as_they_came(
    storage: Storage, monkeypatch: pytest.MonkeyPatch, together: int
) -> None:
    monkeypatch.setattr(backlog, "LOOSE", 10)
    monkeypatch.setattr(backlog, "PORTION", 100)
    heard = [each for number in range(200) for each in life(number)]
    heard[50:50] = [event("own", at, "t1", extra={"n": at}) for at in range(60)]
    monitor = Monitor(storage)
    for start in range(0, len(heard), together):
        monitor.hear(*heard[start : start + together])
    assert len(monitor.recorder.backlog.events.items) <= 10 + len(heard) / min(100, together) + 1
    assert monitor.recorder.backlog.events.count == len(heard)
    monitor.start().stop()
    assert not monitor.recorder.status.dropped and not monitor.recorder.backlog.events.count
    if isinstance(storage, Shared):
        own = rows(storage, "SELECT fields FROM {s}.events WHERE fields IS NOT NULL")
        assert len(own) == 60 and rows(storage, "SELECT count(*) FROM {s}.events") == [(len(heard),)]
    else:
        assert isinstance(storage, Local)
        kept = events_of(storage)
        assert sorted(one.received for one in kept) == sorted(each.received for each in heard)
        assert [one.fields for one in kept if one.fields] == [{"n": at} for at in range(60)]


@pytest.mark.parametrize("size", [5, 700, 20_000])
@pytest.mark.parametrize("many", [1, 16, 500])
def test_what_a_batch_takes_is_told_about_right(size: int, many: int) -> None:
    store = Store(10)
    store.apply_events([each for n in range(10) for each in long_life(n, 10)])
    with traced() as taken:
        events = [each for n in range(10, 10 + many) for each in long_life(n, size)]
        store.apply_events(events)
        told, grown = store.told, taken()
    # Of many a few are looked at, by chance.
    assert 0.5 < sum(weight(told) for _ in range(100)) / 100 / grown < 2


def test_what_is_taken_counts_until_it_is_done_and_comes_back_first() -> None:
    waiting: Waiting[str] = Waiting(5, 100)
    assert [waiting.put(each, 1, 30) for each in "abc"] == [0, 0, 0]
    taken = waiting.take(2)
    assert [entry.item for entry in taken] == ["a", "b"] and waiting.count == 3
    assert waiting.put("d", 1, 30) == 1  # The oldest that can still go.
    waiting.put_back(taken)
    assert waiting.items == ["a", "b", "d"] and waiting.take_back("b") is None
    assert waiting.take_back("d") is not None and (waiting.count, waiting.size) == (2, 60)
    waiting.done(waiting.take(9))
    assert not waiting and (waiting.count, waiting.size) == (0, 0)
    assert waiting.put("e", 1, 101) == 1 and not waiting.items


def test_notes_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Backlog(lambda told: told)
    for at in range(2_000):
        waiting.note(Sample(T0 + at, "q" * 20_000, None))
    assert waiting.notes.size <= backlog.MOST_NOTE_BYTES and 500 < waiting.notes.count < 1_000
    assert waiting.notes.items[-1] == Sample(T0 + 1_999, "q" * 20_000, None)
    waiting.forget()
    assert not waiting.notes and not waiting.notes.count


def test_notes_that_had_to_go_are_counted_and_told(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "MOST_NOTES", 50)
    monitor = Monitor(storage)
    status, note = monitor.recorder.status, monitor.recorder.note
    for at in range(60):
        note(Sample(T0 + 10 * at, f'{{"q": [{at}, 0, 0]}}', None))
    assert (status.dropped, status.dropped_notes) == (0, 10)
    [told] = asyncio.run(notices_of(status))
    assert told.title == (
        "10 notes (samples, findings, figures of an hour) are missing in the history: "
        "they could not be written."
    )
    monitor.hear(*life(0))
    monitor.start().stop()
    assert monitor.recorder.status.state == "writing"
    if isinstance(storage, Shared):
        assert rows(storage, "SELECT dropped, dropped_notes FROM {s}.runs") == [(0, 10)]
        assert rows(storage, "SELECT count(*) FROM {s}.samples") == [(50,)]


async def notices_of(status: HistoryStatus) -> list[Notice]:
    memory = Memory(
        Profile(broker="redis://127.0.0.1:1/0", history=False),
        Store(10),
        Redactor(),
        lambda: T0,
        lambda: None,
    )
    memory.status = status
    return memory.notices()


def test_an_hour_that_was_told_again_is_not_missing() -> None:
    """The figures of an hour are noted each minute anew: while nothing can be written the older ones go."""

    def hour(key: str) -> Hour:
        return Hour(3600, "task", key, b"", b"x" * 100_000, b"")

    waiting = Backlog(lambda told: told)
    assert sum(waiting.note(hour("a")) for _ in range(500)) == 0
    assert waiting.notes.count < 200
    assert waiting.note(hour("b")) == 0
    lost = sum(waiting.note(Sample(T0 + at, "q" * 100_000, None)) for at in range(400))
    assert lost == 400 + 2 - waiting.notes.count


def test_two_batches_are_joined_with_the_fields_of_each_event() -> None:
    store = Store()
    batches = []
    for number in (1, 2):
        store.apply_events(long_life(number, 10))
        batches.append(store.told)
    one = joined(*batches)
    assert {place: each.uuid for place, each in one.others.items()} == {2: "t1", 6: "t2"}
    assert len(one.rows) == len(one.numbers) == len(one.events) == 8


def test_it_never_tells_less_than_nothing() -> None:
    """A thread that was fast had written what nobody had counted yet, and told how far it was behind."""
    waiting, told = Waiting[str](100, 100), []

    class Fast(deque):  # type: ignore[type-arg]
        def append(self, entry: Any) -> None:
            super().append(entry)
            waiting.done(waiting.take(1))
            told.append((waiting.count, waiting.size))

    waiting._entries = Fast()
    waiting.put("events", 7, 70)
    assert min(told) >= (0, 0) and (waiting.count, waiting.size) == (0, 0)
