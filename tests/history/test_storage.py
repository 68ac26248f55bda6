"""What holds for every storage, files and PostgreSQL alike."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from lazycelery.engine.past import Past
from lazycelery.model.history import HistoryQuery
from lazycelery.model.task import Dealt
from lazycelery.store.history import figures
from lazycelery.store.history.later import Later
from lazycelery.store.history.local import Local
from lazycelery.store.history.search import search, task_of
from lazycelery.store.history.storage import FindingBegan, FindingEnded, Hour, Sample, Storage
from tests.history.keeping import Monitor, found, ids, recorded
from tests.store.build import T0, event, failed, received, retried, sent, started, succeeded, task

DAY = 86_400.0
LIFE = [sent(0), received(0.1), started(0.2), succeeded(1.2)]


def again(storage: Storage, now: float = T0 + 1000) -> Monitor:
    monitor = Monitor(storage, lambda: now)
    monitor.load()
    return monitor


def test_a_task_comes_back_with_every_field(storage: Storage) -> None:
    known = task(recorded(storage, LIFE).store)
    one = task(again(storage).store)
    assert one.marks == ["history"]
    told = msgspec.structs.asdict(msgspec.structs.replace(one, marks=[]))
    before = msgspec.structs.asdict(msgspec.structs.replace(known, marks=[]))
    for name in ("age", "past", "row", "seen"):
        told.pop(name, None), before.pop(name, None)
    assert told == before


def test_attempts_texts_and_tracebacks_come_back(storage: Storage) -> None:
    life = [sent(0), received(0.1), started(0.2), retried(1), sent(2, retries=1)]
    life += [received(2.1, retries=1, worker="w2@h"), started(2.2, worker="w2@h"), failed(3, worker="w2@h")]
    recorded(storage, life)
    one = task(again(storage).store)
    assert (one.state, one.error, one.traceback) == (
        *("failure", "ValueError('x')"),
        "Traceback\nValueError: x\n",
    )
    assert [attempt.worker for attempt in one.attempts] == ["w1@h", "w2@h"]
    assert one.attempts[0].traceback == "Traceback\nTimeout\n"
    assert ids(found(storage, "valueerror")) == ["t1"]


@pytest.mark.parametrize(
    "text",
    ["a\tb\\n\n\\.", "Größe 🦆", "nul \x00 in it", "\x01 first", "\\N", "50%_'\""],
    ids=range(6),
)
def test_no_text_stops_the_writing(storage: Storage, text: str) -> None:
    recorded(storage, [received(0, "t0", args=text, name="shop.x"), succeeded(1, "t0", result=text)])
    monitor = recorded(
        storage, [received(2, f"id {text[:20]}"), event("progress", 2, "t0", extra={"a": text})]
    )
    assert monitor.recorder.status.state == "writing", monitor.recorder.status.reason
    assert "t0" in ids(found(storage)) and len(ids(found(storage))) == 2


def test_real_values_are_told_from_texts(storage: Storage) -> None:
    monitor = Monitor(storage)
    monitor.hear(received(0, "t0"))
    slot = monitor.store.columns.slots.get("t0")
    assert slot is not None
    monitor.store.columns.args[slot] = '\x00[1,{"a":"b"}]'
    monitor.start().stop()
    [one] = found(storage).tasks
    assert one.args == [1, {"a": "b"}]
    for filter in ("args:b", '~"a.*b"', "*a*b*", '"{"', "args:~^.1,"):
        assert ids(found(storage, filter)) == ["t0"], filter
    assert not ids(found(storage, "args:c"))


@pytest.mark.parametrize("filter", ["~needle-17[0-9]$", "args:~needle.1[7]", "need*17", "args:needle-17"])
def test_of_a_pattern_few_rows_are_read_that_do_not_match(storage: Storage, filter: str) -> None:
    recorded(storage, [received(n / 100, f"t{n}", args=f"needle-{n}") for n in range(400)])
    page = found(storage, filter, 1000)
    assert set(ids(page)) >= {f"t{n}" for n in range(170, 180)}
    assert page.searched == len(page.tasks) if isinstance(storage, Local) else page.searched < 200


def test_what_goes_on_keeps_its_row_and_the_newest_come_first(storage: Storage) -> None:
    recorded(storage, [received(second, f"t{second}") for second in range(50)])
    monitor = again(storage, T0 + 60)
    monitor.start().hear(started(60, "t7"), succeeded(61, "t7"))
    monitor.stop()
    page = found(storage, limit=1000)
    assert ids(page) == [f"t{number}" for number in reversed(range(50))]
    assert ids(found(storage, "state:success")) == ["t7"]
    first = found(storage, limit=20)
    rest = found(storage, limit=1000, after=first.next or "")
    assert ids(first) + ids(rest) == ids(page)


def test_a_task_that_ends_on_another_day_is_found_once_as_it_ended(storage: Storage) -> None:
    recorded(storage, [sent(0), received(0.1), started(0.2)])
    next_day = Monitor(storage, lambda: T0 + 90_000)
    next_day.load()
    next_day.start().hear(succeeded(90_000))
    next_day.stop()
    assert [one.state for one in found(storage).tasks] == ["success"]
    assert task(again(storage, T0 + 90_001).store).state == "success"
    assert task_of(storage, "t1").state == "success" and task_of(storage, "none") is None


def test_hours_findings_and_samples_are_written_and_hours_read(storage: Storage) -> None:
    monitor = Monitor(storage)
    pack = msgspec.msgpack.encode
    hour = int(T0 - T0 % 3600)
    for count in (1, 5):
        monitor.recorder.note(Hour(hour, "task", "shop.add", pack([count, 2]), pack({3: 1}), pack({})))
    monitor.recorder.note(Hour(hour, "monitor", "", pack([1800]), pack({}), pack({})))
    monitor.recorder.note(FindingBegan("no-workers", "", "critical", "No worker", "Start one.", T0))
    monitor.recorder.note(FindingEnded(T0 + 5, "no-workers", ""))
    monitor.recorder.note(Sample(T0, '{"celery":[1,2,3]}', None))
    monitor.hear(*LIFE)
    monitor.start().stop()
    assert monitor.recorder.status.state == "writing", monitor.recorder.status.reason
    told = figures.read(storage, T0 + 10)
    assert sorted((place, word, cell.counts[0]) for _, place, word, cell in told) == [
        (0, "shop.add", 5),
        (figures.WATCHED, "", 1800),
    ]


def test_what_is_too_old_goes(storage: Storage, settled: None) -> None:
    kept = getattr(storage, "files", storage)
    kept.days = 2
    for day in range(5):
        at = day * 86_400.0
        monitor = Monitor(storage, lambda at=at: T0 + at).start()  # type: ignore[misc]
        monitor.hear(received(at, f"t{day}"), succeeded(at + 1, f"t{day}"))
        monitor.stop()
        assert monitor.recorder.status.state == "writing", monitor.recorder.status.reason
    assert ids(found(storage)) == ["t4", "t3", "t2"]


def test_one_that_ended_well_and_one_that_did_not_are_told_apart(storage: Storage) -> None:
    recorded(storage, LIFE)
    assert not again(storage).recorder.status.interrupted


def test_a_start_with_many_tasks_is_soon_there(storage: Storage) -> None:
    recorded(storage, *[[received(n / 100, f"t{n}"), started(n / 100, f"t{n}")] for n in range(10_000)])
    began = time.monotonic()
    status = Monitor(storage, lambda: T0 + 101, max_tasks=20_000).load()
    assert (status.loaded, status.recorded) == (10_000, 10_000)
    assert time.monotonic() - began < 5  # Beside other tests; a second is what it takes.


def test_marks_are_seen_by_all(storage: Storage) -> None:
    storage.marks().append(T0, "person", '{"at":1,"name":"release 1.4"}')
    storage.marks().append(T0 + 9, "person", '{"at":9,"name":"release 1.5 \\u00fc"}')
    assert storage.marks().lines() == [
        b'{"at":1,"name":"release 1.4"}',
        b'{"at":9,"name":"release 1.5 \\u00fc"}',
    ]
    recorded(storage, LIFE)
    assert len(storage.marks().lines()) == 2


def over_midnight(storage: Storage) -> Monitor:
    """What ended on one day and was touched again on the next, and what was not."""
    clock, tasks = [T0 - T0 % DAY + DAY - 10], ("ticked", "again", "left")
    at = clock[0] - T0
    monitor = Monitor(storage, lambda: clock[0]).start()
    for task_id in tasks:
        monitor.hear(received(at, task_id), started(at, task_id), failed(at + 1, task_id))
    assert monitor.wait(lambda: sorted(ids(found(storage))) == sorted(tasks))
    clock[0], at = clock[0] + 3600, at + 3600
    monitor.store.note_dealt({"ticked": Dealt(at=clock[0], by="ann", note="")})
    monitor.hear(received(at, "again"), started(at, "again"), succeeded(at + 1, "again"))
    monitor.hear(received(at, "new"))
    assert monitor.wait(lambda: "new" in ids(found(storage)))
    monitor.stop()
    assert len(list(storage.opened([]))) >= 2
    return monitor


def test_what_ended_and_was_touched_on_the_next_day_is_listed_once(storage: Storage) -> None:
    now = over_midnight(storage).clock()
    for limit in (100, 1):
        told, after, later = [], "", Later()
        while True:
            page = search(storage, HistoryQuery(limit=limit, after=after), now, later=later)
            told += [(one.id, one.state) for one in page.tasks]
            if not page.next:
                break
            after = page.next
        expected = {"new": "received", "again": "success", "ticked": "failure", "left": "failure"}
        assert len(told) == 4 and dict(told) == expected, limit
    assert sorted(ids(found(storage, "state:failure", now=now))) == ["left", "ticked"]
    assert ids(found(storage, "state:failure", now=now, limit=1, after=str(page.next or ""))) == ["ticked"]
    # Who only looks reads the failures alone.
    looks = Monitor(storage, lambda: now)
    past = Past(looks.store, storage, looks.recorder.status, looks.clock, lambda: None)

    async def failures() -> None:
        await past.survey()
        await past.load_failures()

    asyncio.run(failures())
    assert sorted(looks.store.columns.id) == ["left", "ticked"]


def test_what_goes_on_while_pages_are_asked_for_is_on_one_of_them(storage: Storage) -> None:
    clock = [T0 - T0 % DAY + DAY - 10]
    monitor, later = Monitor(storage, lambda: clock[0]).start(), Later()
    at = clock[0] - T0
    monitor.hear(received(at, "a"), received(at + 1, "b"))
    assert monitor.wait(lambda: len(ids(found(storage))) == 2)
    clock[0] += 20
    monitor.hear(received(at + 20, "c"))
    assert monitor.wait(lambda: len(ids(found(storage))) == 3)
    page = search(storage, HistoryQuery(limit=1), clock[0], later=later)
    assert ids(page) == ["c"] and page.next
    monitor.hear(succeeded(at + 21, "a"))
    assert monitor.wait(lambda: "a" in ids(found(storage, "state:success")))
    monitor.stop()
    page = search(storage, HistoryQuery(after=page.next), clock[0], later=later)
    assert ids(page) == ["b", "a"]  # As it was when the first page was read.
    assert ids(found(storage)) == ["a", "c", "b"]
