"""Several recorders, one PostgreSQL: everything is there once, whatever happens to whom."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

from lazycelery.engine import backlog, past
from lazycelery.engine import recorder as module
from lazycelery.model.event import Event
from lazycelery.store.history.events import unpack
from lazycelery.store.history.postgres import parts
from lazycelery.store.history.postgres import schema as tables
from lazycelery.store.history.postgres.address import LONGEST, WRITES, Address, address_of, connect
from lazycelery.store.history.postgres.parts import Day
from lazycelery.store.history.postgres.recording import SharedRecording
from lazycelery.store.history.postgres.rows import OWN_KIND, keys_of
from lazycelery.store.history.postgres.storage import Shared
from lazycelery.store.history.storage import FindingBegan, FindingEnded, Hour, Sample, Unreadable
from lazycelery.store.told import TYPES
from tests.cli.program import until
from tests.history.keeping import Monitor, files_in, found, ids, recorded
from tests.history.test_hard import Feeder
from tests.store.build import T0, beat, event, failed, received, retried, sent, started, succeeded
from tests.support.fleet import ROOT
from tests.support.postgres import PostgresServer

Made = Callable[..., Shared]
DAY = 86_400.0


def life(number: int) -> list[Event]:
    id, at = f"t{number}", number / 100
    return [sent(at, id), received(at, id), started(at, id), succeeded(at + 1, id, result=str(number))]


def rows(storage: Shared, query: str) -> list[Any]:
    connection = connect(storage.address, WRITES)
    try:
        return list(connection.execute(query.replace("{s}", storage.address.schema)).fetchall())
    finally:
        connection.close()


def whole(storage: Shared, tasks: int) -> None:
    """Each of these tasks is there once, as it ended, and each of its four events."""
    told = rows(storage, "SELECT id, state, result FROM {s}.task")
    assert sorted(told) == sorted((f"t{n}", "success", str(n)) for n in range(tasks))
    query = "SELECT count(*), count(DISTINCT (task, type)) FROM {s}.events"
    assert rows(storage, query) == [(4 * tasks, 4 * tasks)]


def writing(monitor: Monitor) -> bool:
    return monitor.recorder.status.state == "writing"


def broken(monitor: Monitor) -> bool:
    return monitor.recorder.status.state == "broken"


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", (0.2,))
    monkeypatch.setattr(module, "EVERY", 0.02)


def test_three_recorders_of_the_same_events_write_each_of_them_once(shared: Made, patient: None) -> None:
    storage = shared()
    monitors = [Monitor(storage).start() for _ in range(3)]
    for number in range(2_000):
        for monitor in monitors:
            monitor.hear(*life(number))
    for place, monitor in enumerate(monitors):
        monitor.recorder.note(Sample(T0 + place, '{"celery":[1,2,3]}', None))
        monitor.recorder.note(FindingBegan("no-workers", "", "critical", "No worker", "", T0 + place / 10))
    for monitor in monitors:
        monitor.stop()
        assert writing(monitor), monitor.recorder.status.reason
    whole(storage, 2_000)
    assert rows(storage, "SELECT count(*) FROM {s}.samples") == [(1,)]
    assert rows(storage, "SELECT count(*) FROM {s}.findings WHERE ended >= began") == [(3,)]
    assert rows(storage, "SELECT events, dropped FROM {s}.runs") == [(8_000, 0)] * 3
    assert len(ids(found(storage, limit=5_000))) == 2_000


def test_what_only_one_of_them_heard_is_there_too(shared: Made) -> None:
    storage = shared()
    first, second = Monitor(storage).start(), Monitor(storage).start()
    begin = [sent(0), received(0.1), started(0.2), retried(1), sent(2, retries=1), received(2.1, retries=1)]
    first.hear(*begin)
    assert first.wait(lambda: ids(found(storage)) == ["t1"])
    second.hear(received(2.1, retries=1, args=None, kwargs=None), started(2.2), succeeded(3))
    second.stop()
    first.hear(event("sent", 5, "t2", name="shop.x"))  # Another batch of the one that knows less.
    first.stop()
    one = next(each for each in found(storage).tasks if each.id == "t1")
    assert (one.state, one.result, one.args, one.retries) == ("success", "3", "(1, 2)", 1)
    assert rows(storage, "SELECT count(*) FROM {s}.events") == [(9,)]


def test_a_recorder_that_knows_less_takes_nothing_back(shared: Made) -> None:
    storage = shared()
    recorded(storage, [sent(0), received(0.1), started(0.2), failed(1)])
    recorded(storage, [sent(0), received(0.1), started(0.2)])
    [one] = found(storage).tasks
    assert (one.state, one.error, one.traceback) == (
        *("failure", "ValueError('x')"),
        "Traceback\nValueError: x\n",
    )


def test_a_connection_that_breaks_in_the_middle_loses_and_doubles_nothing(
    shared: Made, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = shared()
    monitors = [Monitor(storage).start() for _ in range(2)]
    kill = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name = 'lazycelery' AND pid <> pg_backend_pid()"""
    for number in range(3_000):
        for monitor in monitors:
            monitor.hear(*life(number))
        if number % 200 == 0:
            rows(storage, kill)
            time.sleep(0.03)
    for monitor in monitors:
        assert monitor.wait(lambda m=monitor: writing(m) and not m.recorder.status.behind)  # type: ignore[misc]
        monitor.stop()
    whole(storage, 3_000)


def test_an_answer_that_gets_lost_after_the_commit_doubles_nothing(
    shared: Made, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, write, lost = shared(), SharedRecording.write, [3]

    def written_and_not_told(self: SharedRecording, *args: Any, **own: Any) -> bool:
        lean = write(self, *args, **own)
        if lost[0]:
            lost[0] -= 1
            raise OSError("connection reset")
        return lean

    monkeypatch.setattr(SharedRecording, "write", written_and_not_told)
    monkeypatch.setattr(SharedRecording, "refused", lambda self, _: self._let_go() or "Gone")
    monitor = Monitor(storage)
    monitor.recorder.note(FindingBegan("no-workers", "", "critical", "No worker", "", T0))
    monitor.recorder.note(FindingEnded(T0 + 1, "no-workers", ""))
    monitor.recorder.note(Hour(int(T0) // 3600 * 3600, "task", "t", b"\x91\x05", b"\x80", b"\x80"))
    for number in range(100):
        monitor.hear(*life(number))
    monitor.start()
    assert monitor.wait(lambda: not lost[0] and writing(monitor))
    monitor.stop()
    whole(storage, 100)
    assert rows(storage, "SELECT count(*) FROM {s}.findings") == [(1,)]


@contextlib.contextmanager
def own_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.mark.soak
def test_a_server_that_is_killed_is_said_and_caught_up_with(postgres: object, patient: None) -> None:
    with own_server() as server:
        storage = Shared(address_of(server.url, "killed", ""))
        monitors = [Monitor(storage).start() for _ in range(2)]
        count = 0
        for _ in range(3):
            for _ in range(300):
                for monitor in monitors:
                    monitor.hear(*life(count))
                count += 1
            time.sleep(0.1)
            server.kill()
            for monitor in monitors:
                monitor.hear(*life(count))
                assert monitor.wait(lambda m=monitor: broken(m))  # type: ignore[misc]
                assert "database" in monitor.recorder.status.reason
            count += 1
            server.run()
            for monitor in monitors:
                assert monitor.wait(lambda m=monitor: writing(m), 15)  # type: ignore[misc]
        for monitor in monitors:
            monitor.stop()
        whole(storage, count)


@pytest.mark.soak
def test_a_server_that_hangs_is_given_up_and_caught_up_with(
    postgres: object, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLOW", 0.5)
    with own_server() as server:
        storage = Shared(address_of(server.url, "hangs", ""))
        monitor = Monitor(storage).start()
        monitor.hear(*life(0))
        assert monitor.wait(lambda: monitor.recorder.status.written is not None)
        processes = server.processes()
        for process in processes:
            process.suspend()
        for number in range(1, 500):
            monitor.hear(*life(number))
        deadline = time.monotonic() + 10
        while not broken(monitor) and time.monotonic() < deadline:
            monitor.recorder.watch()  # As the engine does every second.
            time.sleep(0.05)
        assert "does not answer" in monitor.recorder.status.reason
        for process in processes:
            process.resume()
        assert monitor.wait(lambda: writing(monitor), 15)
        monitor.stop()
        whole(storage, 500)


def test_nobody_there_is_said_and_stops_nothing(postgres: PostgresServer, patient: None) -> None:
    gone = Shared(
        Address(postgres.url.replace(str(postgres.port), "1").replace("shop@", "shop:hunter2@"), "x")
    )
    monitor = Monitor(gone)
    assert monitor.load().loaded == 0
    monitor.start().hear(*life(0))
    assert monitor.wait(lambda: broken(monitor))
    status = monitor.recorder.status
    assert status.reason.startswith("History is not written: the database does not answer")
    assert "connection refused" in status.reason
    page = found(gone)
    assert "does not answer" in page.unread[0]
    assert "hunter2" not in f"{status}{page}{gone.place}"
    monitor.stop()


def test_texts_wait_while_it_is_slow_and_follow(
    shared: Made, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BACKLOG", 100)
    storage = shared()
    monitor = Monitor(storage)
    for number in range(100):
        monitor.hear(*life(number))
    monitor.hear(*[sent(2, "f"), received(2, "f"), started(2, "f"), failed(3, "f")])
    monitor.recorder._round()
    assert monitor.recorder.status.lean == 101
    lean = {one.id: one for one in found(storage, limit=1_000).tasks}
    assert lean["t7"].args is None and "args" in lean["t7"].truncated
    assert lean["f"].error == "ValueError('x')" and lean["f"].args == "(1, 2)"
    monitor.recorder._round()
    assert monitor.recorder.status.lean == 0
    one = next(each for each in found(storage, limit=1_000).tasks if each.id == "t7")
    assert (one.args, one.result, one.truncated) == ("(1, 2)", "7", [])
    monitor.stop()


def test_a_schema_of_a_later_version_is_left_alone_and_said(shared: Made, patient: None) -> None:
    storage = shared()
    recorded(storage, life(0))
    connection = connect(storage.address, WRITES)
    connection.execute(f"INSERT INTO {storage.address.schema}.version VALUES ({tables.VERSION + 1})")
    connection.close()
    monitor = Monitor(storage)
    monitor.load()
    assert monitor.past and "later version" in monitor.past.unread[0]
    monitor.start().hear(*life(1))
    assert monitor.wait(lambda: broken(monitor))
    assert "later version" in monitor.recorder.status.reason
    monitor.stop()
    assert "later version" in found(storage).unread[0]
    assert rows(storage, "SELECT count(*) FROM {s}.tasks") == [(1,)]


def test_a_schema_of_the_first_version_is_brought_up_to_date_by_one_of_many(
    shared: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = shared()
    connection = connect(storage.address, WRITES)
    with monkeypatch.context() as before:
        before.setattr(tables, "VERSION", 1)
        tables.migrate(connection, storage.address.schema)
    assert tables.version_of(connection, storage.address.schema) == 1
    connection.close()
    monitors = [Monitor(storage).start() for _ in range(4)]
    for monitor in monitors:
        monitor.hear(*life(0))
        monitor.recorder.note(Sample(T0, "{}", None))
    for monitor in monitors:
        monitor.stop()
        assert writing(monitor), monitor.recorder.status.reason
    whole(storage, 1)
    versions = rows(storage, "SELECT version FROM {s}.version ORDER BY version")
    assert versions == [(number + 1,) for number in range(tables.VERSION)]
    assert rows(storage, "SELECT count(*) FROM {s}.samples") == [(1,)]


def test_a_role_that_may_only_read_reads_and_is_told_so_when_it_writes(
    shared: Made, postgres: PostgresServer, patient: None
) -> None:
    storage = shared()
    recorded(storage, life(0))
    role = f"reader_{storage.address.schema}"
    connection = connect(storage.address, WRITES)
    connection.execute(f"CREATE ROLE {role} LOGIN")
    connection.execute(f"GRANT USAGE ON SCHEMA {storage.address.schema} TO {role}")
    connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {storage.address.schema} TO {role}")
    connection.close()
    recorded(Shared(storage.address), [received(DAY, "next")])
    later = Monitor(storage, lambda: T0 + 3 * DAY).start()  # A day that was made after the grant.
    later.hear(received(3 * DAY, "later"))
    later.stop()
    reader = Shared(Address(postgres.url.replace("shop@", f"{role}@"), storage.address.schema))
    assert ids(found(reader)) == ["later", "next", "t0"]
    assert rows(reader, "SELECT count(*) FROM {s}.task") == [(3,)]
    monitor = Monitor(reader)
    assert monitor.load().loaded == 3
    monitor.start().hear(*life(1))
    assert monitor.wait(lambda: broken(monitor))
    assert "this user may not: permission denied" in monitor.recorder.status.reason
    monitor.stop()
    assert len(ids(found(storage))) == 3


def test_a_recorder_that_owns_no_table_writes_and_leaves_the_days_to_the_owner(
    shared: Made, postgres: PostgresServer, patient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SWEEP_EVERY", 0.0)
    storage = shared()
    recorded(storage, life(0))
    role, connection = f"writer_{storage.address.schema}", connect(storage.address, WRITES)
    connection.execute(f"CREATE ROLE {role} LOGIN")
    connection.execute(f"GRANT USAGE ON SCHEMA {storage.address.schema} TO {role}")
    for what in ("TABLES", "SEQUENCES"):
        connection.execute(f"GRANT ALL ON ALL {what} IN SCHEMA {storage.address.schema} TO {role}")
    schema = storage.address.schema
    connection.execute(f"CREATE TABLE {schema}.tasks_rest PARTITION OF {schema}.tasks DEFAULT")
    connection.close()
    writer = Shared(Address(postgres.url.replace("shop@", f"{role}@"), storage.address.schema), days=1.0)
    monitor = Monitor(writer, lambda: T0 + 2 * DAY).start()
    monitor.hear(received(2 * DAY, "later"))
    assert monitor.wait(lambda: writing(monitor)), monitor.recorder.status.reason
    for number in range(20):  # Rounds that write nothing look after the days too.
        monitor.hear(received(2 * DAY, "last"))
        if monitor.wait(lambda: bool(monitor.recorder.status.put_off), 0.3 + number / 10):
            break
    monitor.stop()
    assert writing(monitor), monitor.recorder.status.reason
    assert set(ids(found(storage))) == {"last", "later", "t0"}
    assert monitor.recorder.status.put_off.startswith("make the days ahead: this user may not: ")


def test_members_of_a_role_that_act_as_it_share_a_history(
    shared: Made, postgres: PostgresServer, settled: None
) -> None:
    storage = shared()
    role, schema = f"team_{storage.address.schema}", storage.address.schema
    connection = connect(storage.address, WRITES)
    connection.execute(f"CREATE ROLE {role}")
    connection.execute(f"CREATE SCHEMA {schema} AUTHORIZATION {role}")
    for place, name in enumerate((f"ada_{schema}", f"ben_{schema}")):
        connection.execute(f"CREATE ROLE {name} LOGIN IN ROLE {role}")
        url = postgres.url.replace("shop@", f"{name}@")
        own = Shared(Address(f"{url}?options=-crole%3D{role}", schema), days=1.0)
        monitor = Monitor(own, lambda at=2 * DAY * place: T0 + at).start()  # type: ignore[misc]
        monitor.hear(received(2 * DAY * place, f"t{place}"))
        monitor.stop()
        assert writing(monitor), monitor.recorder.status.reason
    connection.close()
    assert ids(found(storage)) == ["t1"]


def test_a_large_history_is_not_counted_to_its_end_and_its_newest_tasks_are_loaded(
    shared: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = shared()
    recorded(storage, [received(number, f"t{number}") for number in range(30)])
    monkeypatch.setattr(past, "FAILURES", 5)
    for most, told in ((10, (15, True)), (25, (30, False)), (30, (30, False))):
        monitor = Monitor(storage, max_tasks=most)
        status = monitor.load()
        assert (status.recorded, status.more_recorded) == told
        assert status.loaded == most
        rows = monitor.store.columns.vector("row")
        assert rows[rows > 0].min() > 0 and rows.max() <= monitor.store.columns.rows


def test_tasks_that_could_not_be_counted_are_loaded_all_the_same(
    shared: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = shared()
    recorded(storage, [received(number, f"t{number}") for number in range(5)])

    def count(self: Day, most: int) -> tuple[int, bool]:
        raise Unreadable("it took too long")

    monkeypatch.setattr(Day, "count", count)
    monitor = Monitor(storage)
    status = monitor.load()
    columns = monitor.store.columns
    assert status.loaded == len(columns) == 5 and "it took too long" in status.unread
    assert sorted(columns.vector("row"))[-5] > 0


@pytest.mark.parametrize(("signs", "wanted"), [(10, 8 * 5), (8_000, 5)])
def test_of_tasks_with_large_texts_fewer_pages_are_asked_for_together(
    shared: Made, monkeypatch: pytest.MonkeyPatch, signs: int, wanted: int
) -> None:
    monkeypatch.setattr(parts, "LARGEST", 40_000)
    storage = shared()
    recorded(storage, [received(n, f"t{n}", args="x" * signs) for n in range(60)])
    limits, ask = [], Day._asked

    def asked(self: Day, query: str, values: Any) -> Any:
        limits.extend(values[-1:] if "LIMIT %s" in query else [])
        return ask(self, query, values)

    monkeypatch.setattr(Day, "_asked", asked)
    got = list[Any]()
    for day in storage.opened([]):
        below = day.last + 1
        while page := day.newest(below, 5):
            below = page[-1][0]
            got += page
    assert len(got) == 60
    assert limits[:2] == [5, wanted]


def test_no_name_is_too_long_to_be_written(shared: Made) -> None:
    """An index holds 2,700 bytes a row: what is longer would stop the batch for ever."""
    storage, long = shared(), random.Random(1).randbytes(5_000).hex()
    own = event("own", 0, "t0")
    own.type = long
    recorded(storage, [received(0, "t0", worker=long), received(0, long), own])
    monitor = Monitor(storage).start()
    monitor.recorder.note(FindingBegan("task-lost", long, "critical", "Lost", "", T0))
    monitor.recorder.note(FindingEnded(T0 + 1, "task-lost", long))
    monitor.stop()
    assert writing(monitor), monitor.recorder.status.reason
    assert ids(found(storage)) == ["t0"]
    assert rows(storage, "SELECT count(*) FROM {s}.events") == [(2,)]  # An id like this the store refuses.
    assert rows(storage, "SELECT ended - began FROM {s}.findings") == [(1.0,)]


def test_the_oldest_days_go_when_all_are_too_large(shared: Made) -> None:
    storage = shared(days=30, max_bytes=3_000_000)
    for day in range(5):
        at = day * DAY
        monitor = Monitor(storage, lambda at=at: T0 + at)  # type: ignore[misc]
        for number in range(2_000):
            monitor.hear(received(at, f"d{day}-{number}", args=f"({number}, '{'x' * 200}')"))
        monitor.start().stop()
        assert writing(monitor), monitor.recorder.status.reason
    connection = connect(storage.address, WRITES)
    left = tables.bytes_of(connection, storage.address.schema)
    connection.close()
    assert sum(left.values()) <= 3_500_000
    kept = {one.id.partition("-")[0] for one in found(storage, limit=10_000).tasks}
    assert "d4" in kept and "d0" not in kept and 1 <= len(kept) < 5


def test_a_day_that_somebody_reads_for_long_goes_later_and_holds_up_no_other_reader(
    shared: Made, patient: None, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SWEEP_EVERY", 0.0)
    monkeypatch.setattr(tables, "DROP_PAUSE", 0.01)
    storage = shared(days=1.0)
    recorded(storage, life(0))
    waits: list[float] = []
    with contextlib.closing(connect(storage.address, WRITES)) as other, other.transaction():
        other.execute(f"SELECT count(*) FROM {storage.address.schema}.tasks")
        monitor = Monitor(storage, lambda: T0 + 5 * DAY).start()
        monitor.hear(received(5 * DAY, "later"))
        while not monitor.recorder.status.put_off and len(waits) < 300:
            began = time.monotonic()
            rows(storage, "SELECT count(*) FROM {s}.tasks")
            waits.append(time.monotonic() - began)
        told = monitor.recorder.status.put_off
        assert told == "remove old days: the database is locked by somebody for too long"
        assert writing(monitor) and sorted(waits)[len(waits) // 2] < 1.0
    assert monitor.wait(lambda: not monitor.recorder.status.put_off)
    monitor.stop()
    assert ids(found(storage)) == ["later"]


def test_the_server_is_told_to_give_up_before_its_connection_is_let_go() -> None:
    assert LONGEST + 1 < module.SLOW and WRITES["statement_timeout"] == f"{LONGEST}s"


def test_events_of_clocks_that_are_wrong_are_kept_and_go_to_their_day_when_it_comes(shared: Made) -> None:
    storage = shared()
    ahead, behind = received(5 * DAY, "ahead"), received(-400 * DAY, "behind")
    ahead.received = behind.received = T0
    recorded(storage, [ahead, behind, received(0, "right")])
    assert rows(storage, "SELECT count(*) FROM {s}.events_other") == [(2,)]
    # Nothing of them is too old: the clock is not believed yet.
    monitor = Monitor(storage, lambda: T0 + 5 * DAY).start()
    monitor.hear(received(5 * DAY, "ahead"), received(5 * DAY, "other"))  # The first one again.
    monitor.stop()
    assert rows(storage, "SELECT count(*) FROM {s}.events_other") == [(1,)]
    assert rows(storage, "SELECT count(*) FROM {s}.events") == [(4,)]


def test_no_secret_reaches_the_database(shared: Made) -> None:
    storage, secret = shared(), "hunter2-0815"
    own = event(f"own password={secret}", 2, "a", extra={"password": secret, f"token={secret}": 1})
    recorded(storage, [received(0, "a", kwargs=f"{{'password': '{secret}'}}"), own])
    for table in ("tasks", "events", "words"):
        assert secret not in str(rows(storage, f"SELECT t::text FROM {{s}}.{table} t"))
    assert rows(storage, "SELECT count(*) FROM {s}.events") == [(2,)]


def test_what_waits_for_long_is_packed_and_written_the_same(
    shared: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage, secret = shared(), "hunter2-0815"
    heard = [each for number in range(50) for each in life(number)]
    heard += [event("own", at, "t1", extra={"password": secret, "n": at}) for at in range(3)]
    heard += [event("other", 9, "", extra={}), beat(9)]
    recorded(storage, heard)
    written = rows(storage, "SELECT e::text FROM {s}.events e")
    monkeypatch.setattr(backlog, "LOOSE", -1)
    recorded(storage, heard)  # What is the same to the last bit is there already.
    assert sorted(rows(storage, "SELECT e::text FROM {s}.events e")) == sorted(written)
    assert len(written) == 204 and secret not in str(written)
    assert rows(storage, "SELECT events, dropped FROM {s}.runs") == [(204, 0)] * 2
    other = shared()
    recorded(other, heard)
    assert len(rows(other, "SELECT 1 FROM {s}.events")) == 204


@pytest.mark.parametrize("stage", [0, 3])
def test_the_same_events_are_written_as_into_files(shared: Made, tmp_path: Path, stage: int) -> None:
    """They are told as events here and as numbers there; what the store refused is in neither."""
    storage, files = shared(), files_in(tmp_path)
    heard = [each for number in range(300) for each in life(number)]
    heard += [received(1, None, name="shop.x"), received(1, "z" * 600)]  # type: ignore[arg-type]
    heard += [msgspec.structs.replace(received(1, f"at {at}"), timestamp=at) for at in (float("nan"), 1e308)]
    heard += [msgspec.structs.replace(received(1, "clock"), clock=2**80), started(1, "")]
    heard += [event("own", 2, "t1", extra={"n": 1}), event("own", 3, None, extra={"n": "\0"})]  # type: ignore[arg-type]
    heard += [beat(9), beat(9, kind="online"), beat(9, kind="strange"), beat(9, kind="offline")]
    for where in (storage, files):
        monitor = Monitor(where)
        monitor.store.relieve(stage, T0)
        monitor.start().hear(*heard)
        if monitor.store.second(T0 + 100, True):  # What was held back.
            monitor.recorder.hand_over(monitor.store.told)
        monitor.stop()
        assert writing(monitor) and monitor.store.events_malformed() == 3
    query = """SELECT e.type, t.id, e.at, e.received FROM {s}.events e
        LEFT JOIN {s}.tasks t ON e.task = {s}.task_key(t.id)"""
    words = dict(rows(storage, "SELECT code, word FROM {s}.words"))
    told = [
        (TYPES[kind] if kind < OWN_KIND else words[kind - OWN_KIND], *rest)
        for kind, *rest in rows(storage, query)
    ]
    database = sqlite3.connect(files.all()[0])
    tasks = dict(database.execute("SELECT n, id FROM tasks"))
    bodies = [body for (body,) in database.execute("SELECT body FROM events")]
    kept = [(one.type, tasks.get(one.task), one.at, one.received) for body in bodies for one in unpack(body)]
    assert sorted(told, key=str) == sorted(kept, key=str) and len(told) > 6


def test_events_are_joined_to_their_tasks_by_a_key_that_both_know(shared: Made) -> None:
    storage = shared()
    id = "9b2f7a10-0000-4000-8000-00000000abcd"
    recorded(storage, [received(0, id), received(0, "no uuid ü"), received(0, id.upper())])
    told = rows(storage, "SELECT t.id FROM {s}.tasks t JOIN {s}.events e ON e.task = {s}.task_key(t.id)")
    assert sorted(told) == sorted([(id,), ("no uuid ü",), (id.upper(),)])
    assert keys_of([id]) == keys_of([id, "x"])[:16]


def test_the_schema_is_of_the_broker_and_not_of_who_looks() -> None:
    one = address_of("postgresql://h/d", "", "redis://ada:secret@broker:6379/0")
    other = address_of("postgresql://h/d", "", "redis://bob:other@broker:6379/0")
    assert one.schema == other.schema and "secret" not in one.schema
    assert one.schema.startswith("lazycelery_broker_6379_0_")
    assert one.schema != address_of("postgresql://h/d", "", "redis://broker:6379/1").schema
    assert address_of("postgresql://h/d", "shop", "").schema == "lazycelery_shop"
    assert "pw" not in address_of("postgresql://u:pw@h/d?sslmode=require", "shop", "").shown


@pytest.mark.soak
def test_recorders_that_are_killed_lose_a_second_at_most_and_double_nothing(postgres: object) -> None:
    with own_server() as server:
        storage = Shared(address_of(server.url, "feeders", ""))
        stays = Feeder(server.url)
        stays.wait("writing")
        for _ in range(3):
            goes = Feeder(server.url)
            goes.wait("writing")
            time.sleep(1.5)
            goes.kill()
        killed = stays.kill()
        safe = max((number for number, at, _ in stays.said if at <= killed - 2.0), default=0)
        query = "SELECT split_part(id, '-', 2)::integer FROM {s}.task WHERE state = 'success'"
        numbers = [number for (number,) in rows(storage, query)]
        assert safe and len(numbers) == len(set(numbers)) and set(range(1, safe + 1)) <= set(numbers)
        query = "SELECT count(*), count(DISTINCT (task, type)) FROM {s}.events"
        [(count, distinct)] = rows(storage, query)
        assert count == distinct >= 3 * safe
        assert rows(storage, "SELECT count(*) FROM {s}.runs WHERE ended IS NULL") == [(4,)]


@pytest.mark.soak
def test_a_full_disk_of_the_database_is_said_and_caught_up_with(
    postgres: object, patient: None, tmp_path: Path
) -> None:
    with own_server() as server, small_disk(server, 24) as place:
        storage = Shared(address_of(server.url, "full", ""))
        admin = connect(storage.address, WRITES)
        admin.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
        admin.execute("ALTER ROLE shop SET default_tablespace = small")
        monitor = Monitor(storage, max_tasks=100_000).start()
        count = 0
        while not broken(monitor) and count < 100_000:
            for _ in range(500):
                monitor.hear(*life(count))
                count += 1
            time.sleep(0.05)
        assert "the database's disk is full" in monitor.recorder.status.reason
        before = found(storage, limit=5).tasks
        assert before  # It is still read.
        monitor.hear(*life(count))
        subprocess.run(["mount", "-o", "remount,size=400m", str(place.parent)], check=True)
        assert monitor.wait(lambda: writing(monitor) and not monitor.recorder.status.behind, 20)
        monitor.stop()
        whole(storage, count + 1)
        admin.close()


@contextlib.contextmanager
def small_disk(server: PostgresServer, megabytes: int) -> Iterator[Path]:
    """A file system of this size, with a directory that the server may use."""
    mounted = server.dir / "small"
    mounted.mkdir()
    size = f"size={megabytes}m"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", mounted], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        place = mounted / "data"
        place.mkdir()
        owner = server.dir.stat()
        os.chown(place, owner.st_uid, owner.st_gid)
        yield place
    finally:
        server.kill()
        subprocess.run(["umount", "-l", mounted], check=False)


def test_who_is_not_let_in_is_told_why(postgres: PostgresServer, patient: None) -> None:
    for url, why in (
        (postgres.url.replace("shop@", "nobody:hunter2@"), 'refuses: role "nobody" does not exist'),
        (postgres.url.replace("/postgres", "/none"), 'refuses: database "none" does not exist'),
        (f"{postgres.url}?sslmode=require", "server does not support SSL, but SSL was required"),
    ):
        away = Shared(Address(url, "lazycelery_x"))
        monitor = Monitor(away).start()
        monitor.hear(*life(0))
        assert monitor.wait(lambda m=monitor: broken(m))  # type: ignore[misc]
        monitor.stop()
        assert why in monitor.recorder.status.reason
        assert why in found(away).unread[0]
        assert "hunter2" not in f"{monitor.recorder.status}{found(away)}"


def test_what_workers_did_is_one_mark_whoever_saw_it(shared: Made, postgres: PostgresServer) -> None:
    storage = shared()
    for after in (0.0, 0.7, 3.0, 500.0):
        storage.marks().append(T0 + after, "workers", f'{{"at":{T0 + after},"by":"workers"}}')
    assert len(storage.marks().lines()) == 2
    away = Shared(Address(postgres.url.replace(str(postgres.port), "1"), "x"))
    with pytest.raises(OSError, match="does not answer"):
        away.marks().append(T0, "person", "{}")
    assert away.marks().lines() == []


@pytest.mark.soak
def test_a_server_that_hangs_while_it_is_read_does_not_hold_up_the_end(postgres: object) -> None:
    with own_server() as server:
        storage = Shared(address_of(server.url, "hangs", ""))
        recorded(storage, life(0))
        unread: list[str] = []
        parts = storage.opened(unread)
        next(parts)
        processes = server.processes()
        for process in processes:
            process.suspend()
        threading.Timer(0.5, storage.close).start()
        began = time.monotonic()
        part = next(parts, None)
        assert time.monotonic() - began < 5 and part is None and unread
        for process in processes:
            process.resume()


@contextlib.contextmanager
def asking(path: Path, url: str, name: str, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`lazycelery history` of a schema."""
    config = path / "config.toml"
    profile = {"broker": "redis://127.0.0.1:1/0", "history_url": url, "history_name": name}
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in profile.items()]
    config.write_text("[profiles.prod]\n" + "".join(lines))
    own = ("--config", str(config), "--profile", "prod", "history", "needle", *words)
    command = [sys.executable, "-m", "lazycelery", *own]
    program = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield program
    finally:
        program.kill()
        program.communicate()


def busy(server: PostgresServer) -> list[str]:
    """What it does for monitors just now."""
    query = "SELECT query FROM pg_stat_activity WHERE state = 'active' AND application_name = 'lazycelery'"
    with contextlib.closing(psycopg.connect(server.url)) as own:
        return [text for (text,) in own.execute(query).fetchall()]


def test_ctrl_c_ends_a_question_here_and_on_the_server(
    shared: Made, postgres: PostgresServer, tmp_path: Path
) -> None:
    storage = shared()
    recorded(storage, life(0))
    name = storage.address.schema.removeprefix("lazycelery_")
    for table, words in (("tasks", ()), ("events", ("--events",))):
        with contextlib.closing(connect(storage.address, WRITES)) as other, other.transaction():
            other.execute(f"LOCK TABLE {storage.address.schema}.{table}")
            with asking(tmp_path, postgres.url, name, *words) as program:
                until(lambda: busy(postgres))
                began = time.monotonic()
                program.send_signal(signal.SIGINT)
                assert program.wait(10) == 130 and time.monotonic() - began < 2
            until(lambda: not busy(postgres), seconds=2)


def test_ctrl_c_does_not_wait_for_a_server_that_does_not_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://shop@127.0.0.1:{silent.getsockname()[1]}/shop?connect_timeout=30"
        with asking(tmp_path, url, "silent") as program:
            silent.settimeout(20)
            connection, _ = silent.accept()
            began = time.monotonic()
            program.send_signal(signal.SIGINT)
            assert program.wait(10) == 130 and time.monotonic() - began < 2
            connection.close()


def test_marks_that_cannot_be_read_do_not_hold_up_the_end(shared: Made) -> None:
    storage = shared()
    storage.marks().append(T0, "person", "{}")
    with contextlib.closing(connect(storage.address, WRITES)) as other, other.transaction():
        other.execute(f"LOCK TABLE {storage.address.schema}.marks")
        reader = threading.Thread(target=storage.marks().lines, daemon=True)
        reader.start()
        deadline = time.monotonic() + 5
        while not storage._connections and time.monotonic() < deadline:
            time.sleep(0.02)
        reader.join(0.3)
        assert reader.is_alive()
        storage.close()
        reader.join(5)
        assert not reader.is_alive()


def test_without_its_driver_the_package_to_install_is_named(
    monkeypatch: pytest.MonkeyPatch, patient: None
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    storage = Shared(address_of("postgresql://h/d", "shop", ""))
    assert "pip install 'lazycelery[postgres]'" in found(storage).unread[0]
    monitor = Monitor(storage).start()
    monitor.hear(*life(0))
    assert monitor.wait(lambda: broken(monitor))
    monitor.stop()
    assert "psycopg, which is not installed" in monitor.recorder.status.reason
