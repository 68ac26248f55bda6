"""Questions to the files."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lazycelery.engine.past import Past
from lazycelery.errors import UsageError
from lazycelery.model.event import Event
from lazycelery.model.history import HistoryQuery
from lazycelery.model.task import Dealt, TaskQuery
from lazycelery.store.columns import Columns
from lazycelery.store.history import reader
from lazycelery.store.history.files import Files, directory_of
from lazycelery.store.history.later import LOOKS, Later
from lazycelery.store.history.reader import File
from lazycelery.store.history.search import search, task_of
from lazycelery.store.history.writer import seal
from lazycelery.store.store import Store
from tests.history.keeping import Monitor, files_in, found, ids, recorded, storage_in
from tests.store.build import T0, failed, received, retried, sent, started, succeeded

FILTERS = (
    *("", "state:failure", "state:success,retry", "-state:success", "name:shop.*", "name:mail.send"),
    *("worker:w1@h", "queue:celery", "id:t3", "id:t*", "retries:>0", "runtime:>1s", "runtime:..1"),
    *("order-7", "ORDER-7", "7", "-order-7", "args:order-3", "kwargs:region", "error:ValueError"),
    *("error:~value(e)rror", "result:*11*", "since:1970-01-01", "until:1970-01-01", "source:event"),
    *("kwargs.region:eu", "args.1:order-5", "state:failure order", "wait:>=0.05", "state:unknown", "Größe"),
    *("größe", "root:t5", "age:>1h", "tag:night", "tag:NIGHT", "tag:n*", "-tag:night", "tag:night,day"),
    *("~order-[1-3]7?", "args:~ORDER.4[0-9]'", "~GRÖ(ß|x)e", "~^t1[0-5]$", "result:~^.[1-3]+.$", "~[0-9]{3}"),
    *("order*4", "*4*5*", "id:~t[1]0", "error:~^val.*x", "name:~^shop", "args:~'eu'", "kwargs:~'eu'"),
    *("-~order-1", "args:~order.1,order-2*"),
    *("dealt:yes", "dealt:no", "-dealt:yes", "dealt:yes,no", "dealt:yes tag:night", "tag:nobody's"),
)


def batches() -> list[list[object]]:
    made: list[list[object]] = []
    for number in range(60):
        uuid, worker = f"t{number}", f"w{number % 3}@h"
        told = {
            "name": ("shop.charge", "mail.send")[number % 2],
            "args": f"({number}, 'order-{number}', 'Größe')",
            "kwargs": "{'region': 'eu'}",
        }
        life: list[object] = [
            sent(number, uuid, **told),
            received(number + 0.01, uuid, worker=worker, **told),
        ]
        if number % 7:
            life.append(started(number + 0.1, uuid, worker))
            life.append(
                failed(number + 1, uuid, worker)
                if number % 5 == 0
                else retried(number + 1, uuid, worker)
                if number % 11 == 0
                else succeeded(number + 1, uuid, worker, result=f"'{number * 11}'", runtime=number / 30)
            )
        made.append(life)
    return made


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Files]:
    """A store, and the files of what it held: over two days, so over two files."""
    files = files_in(tmp_path_factory.mktemp("history"))
    now = [T0]
    monitor = Monitor(files, lambda: now[0]).start()
    made = batches()
    for batch in made[:40]:
        monitor.hear(*batch)  # type: ignore[arg-type]
    assert monitor.wait(lambda: len(ids(found(files, limit=1000))) == 40)
    now[0] = T0 + 90_000
    for batch in made[40:]:
        monitor.hear(*batch)  # type: ignore[arg-type]
    monitor.stop()
    assert len(files.all()) == 2
    monitor.store.note_tags({f"t{number}": ("night", "day")[number % 2] for number in range(0, 60, 5)})
    mark = Dealt(at=T0 + 5_000, by="ada")
    monitor.store.note_dealt({"t5": mark, "t55": mark, "t10": Dealt(at=T0 - 5_000, by="ada")})
    return monitor.store, files


@pytest.mark.parametrize("filter", FILTERS)
def test_the_files_answer_as_the_store_does(both: tuple[Store, Files], filter: str) -> None:
    store, files = both
    now = T0 + 10_000
    wanted = [row.id for row in store.query(TaskQuery(filter=filter, limit=1000), now).rows]
    page = found(files, filter, 1000, now=now, notes=store.columns.notes)
    assert ids(page) == wanted
    assert page.next is None and page.unread == []


@pytest.mark.parametrize("size", [1, 7, 20, 59, 60])
def test_pages_give_everything_once_in_order(both: tuple[Store, Files], size: int) -> None:
    _, files = both
    every, after = [], ""
    for _ in range(100):
        page = found(files, "", size, after)
        assert len(page.tasks) <= size
        every += ids(page)
        if page.next is None:
            break
        after = page.next
    assert every == [f"t{number}" for number in range(59, -1, -1)]


def test_a_page_tells_how_far_the_files_reach(both: tuple[Store, Files]) -> None:
    _, files = both
    assert found(files, "", 1).since == pytest.approx(T0, abs=1)
    assert found(Files(files.directory / "none")).since is None


def test_a_wrong_filter_says_where(both: tuple[Store, Files]) -> None:
    with pytest.raises(UsageError, match="stat"):
        found(both[1], "stat:failure")


def test_a_directory_belongs_to_a_profile_and_a_broker_without_its_credentials(tmp_path: Path) -> None:
    one = directory_of(tmp_path, "prod", "redis://ada:hunter2@db1:6379/0?x=secret")
    assert one == directory_of(tmp_path, "prod", "redis://db1:6379/0")
    assert "hunter2" not in str(one) and "ada" not in str(one)
    others = {
        directory_of(tmp_path, "prod", "redis://db1:6379/1"),
        directory_of(tmp_path, "dev", "redis://db1:6379/0"),
        directory_of(tmp_path, "prod", "rediss://db1:6379/0"),
        directory_of(tmp_path, "prod", "sentinel://a:1;sentinel://:pw@b:2"),
    }
    assert len(others | {one}) == 5
    assert all(path.parent == tmp_path for path in others)
    weird = directory_of(tmp_path, "../../etc", "redis+socket:///run/redis.sock")
    assert weird.parent == tmp_path


def test_many_tasks_are_searched_over_slices(tmp_path: Path) -> None:
    files = files_in(tmp_path)
    recorded(files, *[[received(n / 100, f"t{n}", args=f"('needle-{n}',)")] for n in range(5_000)])
    page = found(files, "needle-17", 1000)
    assert ids(page)[:2] == ["t1799", "t1798"] and len(ids(page)) == 111


def test_a_question_leaves_nothing_for_the_collector(both: tuple[Store, Files]) -> None:
    """It comes by once a minute or less: a page, after which there was another one, left megabytes."""
    storage = storage_in(both[1])

    def left() -> int:
        return sum(isinstance(one, Columns) and bool(one.__dict__) for one in gc.get_objects())

    gc.collect()
    before = left()
    gc.disable()
    try:
        assert search(storage, HistoryQuery(limit=2), T0, lambda: True).next
        assert task_of(storage, "t3") is not None
        assert left() == before
    finally:
        gc.enable()


@pytest.mark.parametrize("filter", ["nowhere", "~no[w]here", "~[x]{7}"])
def test_nobody_waits_for_an_answer_that_is_not_wanted_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filter: str
) -> None:
    """Also in the middle of a statement: a rare word is looked for in all of a file by one."""
    monkeypatch.setattr(reader, "STEPS", 1_000)
    files = files_in(tmp_path)
    recorded(files, [received(number / 1000, f"t{number}", args=f"({number},)") for number in range(5_000)])
    asked = 0

    def go_on() -> bool:
        nonlocal asked
        asked += 1
        return asked < 10

    assert not found(files, filter).unread
    page = search(storage_in(files), HistoryQuery(filter=filter), T0, go_on)
    assert page.tasks == [] and page.unread == []
    assert 10 <= asked < 20


@pytest.mark.parametrize("filter", [r"args:~[a-z]+\w+!", r"-args:~[a-z]+\w+!", r"~[a-z]+\w+!"])
def test_a_dear_pattern_is_broken_off(tmp_path: Path, filter: str) -> None:
    """Each call of it takes a tenth of a second: SQLite asks after thousands of them, we after each."""
    files = files_in(tmp_path)
    recorded(files, [received(number / 1000, f"t{number}", args="a" * 900) for number in range(300)])
    until = time.monotonic() + 0.3
    begun = time.process_time()
    page = search(storage_in(files), HistoryQuery(filter=filter), T0, lambda: time.monotonic() < until)
    assert page.unread == [] and time.process_time() - begun < 5


def test_what_went_on_in_a_newer_file_is_looked_up_for_many_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = files_in(tmp_path)
    recorded(files, *[[received(n / 100, f"t{n}")] for n in range(1_000)])
    next_day = Monitor(files, lambda: T0 + 90_000).start()
    for number in range(0, 1_000, 2):
        next_day.hear(succeeded(90_000 + number / 100, f"t{number}"))
    next_day.stop()
    looks = 0
    answer = File.rows

    def counted(file: File, *args: Any) -> list[Any]:
        nonlocal looks
        looks += 1
        return answer(file, *args)

    monkeypatch.setattr(File, "rows", counted)
    page = found(files, "", 2_000)
    assert len(ids(page)) == len(set(ids(page))) == 1_000 and looks < 40
    assert {one.state for one in page.tasks[:500]} == {"success"}


@pytest.mark.parametrize("looks", [0, LOOKS])
def test_who_came_back_after_he_had_ended_is_listed_once_as_he_is_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    """The full store had forgotten him, and his new life has a row of its own in the same file."""
    monkeypatch.setattr("lazycelery.store.history.later.LOOKS", looks)
    monkeypatch.setattr("lazycelery.store.history.search.AT_ONCE", 20)
    files = files_in(tmp_path)
    monitor = Monitor(files, max_tasks=16)
    recorder: Any = monitor.recorder

    def lives(at: float, own: str, ends: Callable[..., Event]) -> None:
        monitor.hear(received(at, own), started(at, own), ends(at + 1, own))
        recorder._round(last=True)

    lives(0, "again", failed)
    for number in range(40):
        lives(2 + number, f"t{number}", failed)
    lives(50, "again", succeeded)
    recorder.recording.close(T0)
    assert sqlite3.connect(files.all()[0]).execute("SELECT count(*) FROM tasks").fetchone() == (42,)
    for _ in range(2):
        assert len(ids(found(files, "state:failure"))) == 40
        assert ids(found(files, limit=50)) == ["again", *(f"t{n}" for n in reversed(range(40)))]
        seal(files.all()[0])
    looking = Monitor(files)
    own = Past(looking.store, looking.storage, looking.recorder.status, looking.clock, lambda: None)

    async def failures() -> None:
        await own.survey()
        await own.load_failures()

    asyncio.run(failures())
    assert looking.recorder.status.loaded == 40


def test_a_file_without_an_index_is_read_once_for_all_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ids are known from then on, also where it was read in several pieces, and in a page of a sealed
    file its index is asked."""
    monkeypatch.setattr(reader, "TOGETHER", 70)
    files, asked = files_in(tmp_path), list[str]()
    for day in range(3):
        clock = T0 + day * 90_000
        monitor = Monitor(files, lambda clock=clock: clock).start()  # type: ignore[misc]
        for number in range(day * 100, day * 100 + 300):
            at = day * 90_000 + number / 100
            monitor.hear(received(at, f"t{number}"), succeeded(at, f"t{number}"))
        monitor.stop()
    for path in files.all()[:-1]:
        seal(path)
    among = File.among
    monkeypatch.setattr(File, "among", lambda own, *rest: (asked.append(own.name), among(own, *rest))[1])
    told, after, later = list[str](), "", Later()
    while True:
        query = HistoryQuery(limit=20, after=after)
        page = search(storage_in(files), query, T0 + 200_000, later=later)
        told += ids(page)
        if not page.next:
            break
        after = page.next
    assert len(told) == len(set(told)) == 500
    [_, sealed, open_one] = [path.name for path in files.all()]
    assert asked.count(open_one) == LOOKS < asked.count(sealed)


@pytest.mark.parametrize("filter", ["-state:received", "-state:success", "root:t77"])
def test_what_sql_does_not_narrow_down_is_read_in_large_slices_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filter: str
) -> None:
    """A page that was full had the rest of the file read row by row, to see whether there is more."""
    files = files_in(tmp_path)
    lives = [[received(n / 100, f"t{n}"), succeeded(n / 100, f"t{n}")] for n in range(3_000)]
    recorded(files, *lives[:77], [received(0.77, "t77")], *lives[78:])
    slices = 0
    newest = File.newest

    def counted(file: File, *args: Any) -> list[Any]:
        nonlocal slices
        slices += 1
        return newest(file, *args)

    monkeypatch.setattr(File, "newest", counted)
    page = found(files, filter, 1 if filter != "-state:received" else 2_999)
    assert len(page.tasks) == (1 if filter != "-state:received" else 2_999) and slices <= 3
