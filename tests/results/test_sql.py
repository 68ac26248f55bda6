"""Results in a database: what real workers wrote, Django's table, pickles that are never loaded."""

from __future__ import annotations

import asyncio
import base64
import json
import pickle
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from lazycelery.errors import ConnectionProblem
from lazycelery.model.profile import Profile
from lazycelery.model.reports import ResultReport
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.results import open_results, sql
from lazycelery.sources.results.sql import SqlResults
from tests.sources.conftest import until
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

Open = Callable[[str], SqlResults]


@pytest.fixture
async def opened() -> AsyncIterator[Open]:
    made: list[SqlResults] = []

    def open_one(url: str) -> SqlResults:
        found, why = open_results(url, Profile())
        assert isinstance(found, SqlResults), why
        made.append(found)
        return found

    yield open_one
    for results in made:
        await results.close()


class Exploding:
    """Unpickling it would create a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (open, (self.path, "w"))


def celery_table(file: Path, pickled: bool = False) -> sqlite3.Connection:
    """The table as Celery 5.7 makes it (bytes), or as 5.4 does (every result pickled, fewer columns)."""
    database = sqlite3.connect(file)
    more = "" if pickled else ", children BLOB"
    database.execute(
        "create table celery_taskmeta (id integer primary key autoincrement, task_id varchar(155) unique, "
        f"status varchar(50), result BLOB, date_done DATETIME, traceback TEXT{more})"
    )
    return database


def put(database: sqlite3.Connection, task_id: str, result: bytes | None, status: str = "SUCCESS") -> None:
    database.execute(
        "insert into celery_taskmeta (task_id, status, result, date_done) values (?, ?, ?, ?)",
        (task_id, status, result, "2026-11-25 20:00:00.500000"),
    )
    database.commit()


async def first_result(results: SqlResults, id: str) -> None:
    """The first result makes the table."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        try:
            if await results.get([id]):
                return
        except ConnectionProblem:
            pass
        await asyncio.sleep(0.05)
    raise AssertionError("no result came")


@pytest.mark.broker
async def test_what_real_workers_wrote_is_read_heard_and_listed(
    broker: RedisServer, tmp_path: Path, opened: Open
) -> None:
    url = f"db+sqlite:///{tmp_path}/results.db"
    env = {"TEST_EXTENDED": "1", "TEST_TRACK_STARTED": "1"}
    worker = CeleryWorker(broker.url, "w1", backend=url, env=env).start()
    try:
        first = send(broker.url, "shop.add", 1, 2)
        results = opened(url)

        await first_result(results, first)
        heard: list[ResultReport] = []
        states: list[StatusChange] = []
        running = asyncio.ensure_future(results.run(heard.extend, states.append))
        assert await until(lambda: bool(states))
        failed = send(broker.url, "shop.charge", 77, kwargs={"amount": 5})
        slow = send(broker.url, "shop.nap", 3)
        assert await until(lambda: {(each.id, each.status) for each in heard} >= {(failed, "FAILURE")}, 15)
        assert await until(lambda: (slow, "SUCCESS") in {(each.id, each.status) for each in heard}, 15)
        running.cancel()
        report = (await results.get([failed]))[failed]
        assert report.result["exc_type"] == "ValueError" and "card declined" in (report.traceback or "")
        assert (report.name, report.args, report.kwargs) == ("shop.charge", [77], {"amount": 5})
        assert (report.worker, report.queue, report.retries) == ("w1@test", "celery", 0)
        assert report.date_done and abs(report.date_done - time.time()) < 60
        newest = await results.newest(2)
        assert [each.id for each in newest] == [slow, failed] and newest[0].result == 3
        assert states[-1].state == "connected" and await results.get(["nobody"]) == {}
    finally:
        worker.kill()


async def test_pickled_results_are_shown_and_never_loaded(tmp_path: Path, opened: Open) -> None:
    trap = tmp_path / "trap"
    with celery_table(tmp_path / "old.db", pickled=True) as database:
        put(database, "plain", pickle.dumps({"total": 3, "lines": [1.5, None, "ü"]}))
        put(database, "error", pickle.dumps({"exc_type": "ValueError", "exc_message": ("no",)}), "FAILURE")
        put(database, "evil", pickle.dumps(Exploding(str(trap))))
        put(database, "older", pickle.dumps({"a": 1}, protocol=2))
        put(database, "null", pickle.dumps(None))
    found = await opened(f"db+sqlite:///{tmp_path}/old.db").get(["plain", "error", "evil", "older", "null"])
    assert found["plain"].result == {"total": 3, "lines": [1.5, None, "ü"]}
    assert found["error"].result == {"exc_type": "ValueError", "exc_message": ["no"]}
    assert found["older"].result == {"a": 1} and found["null"].result is None
    assert "never loaded" in found["evil"].result and str(trap) in found["evil"].result
    assert not trap.exists() and found["evil"].status == "SUCCESS"


async def test_large_and_broken_values_are_cut_and_told(tmp_path: Path, opened: Open) -> None:
    with celery_table(tmp_path / "r.db") as database:
        put(database, "large", json.dumps("x" * 1_000_000).encode())
        put(database, "broken", b"\xff\xfe not json")
        put(database, "none", None, "STARTED")
        database.execute("insert into celery_taskmeta (task_id, status) values (NULL, NULL)")
        database.commit()
    results = opened(f"db+sqlite:///{tmp_path}/r.db")
    found = await results.get(["large", "broken", "none"])
    large = found["large"]
    assert (
        large.cut
        and large.size == 1_000_002
        and large.result.startswith('"xxx')
        and len(large.result) < 20_000
    )
    assert "not json" in found["broken"].result
    assert (found["none"].status, found["none"].result) == ("STARTED", None)
    assert found["broken"].date_done == 1795636800.5
    assert len(await results.newest(10)) == 3


async def test_rows_are_decoded_beside_the_loop(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()
    answer = sql.read_row

    def watched(*args: Any) -> ResultReport | None:
        threads.add(threading.get_ident())
        return answer(*args)

    monkeypatch.setattr(sql, "read_row", watched)
    with celery_table(tmp_path / "r.db") as database:
        put(database, "one", json.dumps("x" * 1000).encode())
    results = opened(f"db+sqlite:///{tmp_path}/r.db")
    heard: list[ResultReport] = []
    states: list[StatusChange] = []
    running = asyncio.ensure_future(results.run(heard.extend, states.append))
    try:
        assert await until(lambda: bool(states))
        with sqlite3.connect(tmp_path / "r.db") as database:
            put(database, "two", json.dumps("y").encode())
        assert await until(lambda: [one.id for one in heard] == ["two"])
        assert len(await results.get(["one"])) == 1 and len(await results.newest()) == 2
    finally:
        running.cancel()
    assert threads and threading.get_ident() not in threads


async def test_nothing_is_made(tmp_path: Path, opened: Open) -> None:
    results = opened(f"db+sqlite:///{tmp_path}/missing.db")
    with pytest.raises(ConnectionProblem, match="There is no database"):
        await results.get(["x"])
    assert list(tmp_path.iterdir()) == []
    sqlite3.connect(tmp_path / "empty.db").execute("create table other (id integer)")
    with pytest.raises(ConnectionProblem, match="neither celery_taskmeta nor django_celery"):
        await opened(f"db+sqlite:///{tmp_path}/empty.db").newest()


async def test_a_table_of_another_name_is_found(tmp_path: Path, opened: Open) -> None:
    with celery_table(tmp_path / "r.db") as database:
        put(database, "t", b"1")
        database.execute("alter table celery_taskmeta rename to shop_taskmeta")
    assert set(await opened(f"db+sqlite:///{tmp_path}/r.db").get(["t"])) == {"t"}


async def test_the_table_of_django_celery_results(tmp_path: Path, opened: Open) -> None:
    database = sqlite3.connect(tmp_path / "django.db")
    database.execute(
        "create table django_celery_results_taskresult (id integer primary key autoincrement, "
        "task_id varchar(255) unique, periodic_task_name varchar(255), task_name varchar(255), "
        "task_args text, task_kwargs text, status varchar(50), worker varchar(100), content_type varchar(9), "
        "content_encoding varchar(64), result text, date_created datetime, date_started datetime, "
        "date_done datetime, traceback text, meta text)"
    )
    row = (
        "insert into django_celery_results_taskresult (task_id, task_name, status, worker, content_encoding, "
    )
    row += "result, date_done, traceback, meta) values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    meta = json.dumps({"children": [[["c1", None], None]]})
    done = "2026-11-25 20:00:00"
    packed = base64.b64encode(pickle.dumps([1, 2])).decode()
    database.execute(row, ("a", "shop.add", "SUCCESS", "w1@h", "utf-8", '{"n": 3}', done, None, meta))
    database.execute(row, ("b", "shop.add", "FAILURE", "w1@h", "binary", packed, done, "Traceback …", None))
    database.commit()
    found = await opened(f"django-db+sqlite:///{tmp_path}/django.db").get(["a", "b"])
    a, b = found["a"], found["b"]
    assert (a.name, a.result, a.children, a.worker, a.date_done) == (
        "shop.add",
        {"n": 3},
        ["c1"],
        "w1@h",
        1795636800.0,
    )
    assert (b.status, b.result, b.traceback) == ("FAILURE", [1, 2], "Traceback …")


async def test_a_database_that_is_not_there_is_a_connection_problem_without_its_password() -> None:
    found, _ = open_results("db+postgresql://shop:s3cret@127.0.0.1:9/db", Profile())
    assert found is not None and "s3cret" not in found.url
    with pytest.raises(ConnectionProblem) as caught:
        await found.get(["x"])
    assert "s3cret" not in str(caught.value) and caught.value.hint
    await found.close()
