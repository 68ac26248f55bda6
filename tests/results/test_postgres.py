"""A real PostgreSQL: Celery's result table, and its tables as Kombu's broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
import sqlalchemy

from lazycelery.errors import ConnectionProblem
from lazycelery.model.message import StoredMessage
from lazycelery.model.profile import Profile
from lazycelery.model.reports import ResultReport
from lazycelery.sources import open_broker
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.results import open_results
from lazycelery.sources.results.sql import SqlResults
from tests.results.test_sql import first_result
from tests.sources.conftest import until
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send
from tests.support.postgres import PostgresServer

pytestmark = [pytest.mark.broker, pytest.mark.soak]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    server = PostgresServer()
    try:
        yield server.start()
    finally:
        server.remove()


def admin(postgres: PostgresServer) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(postgres.url.replace("://", "+psycopg://"))


async def test_results_of_real_workers_and_no_way_to_write(
    broker: RedisServer, postgres: PostgresServer
) -> None:
    url = f"db+{postgres.url}".replace("://", "+psycopg://")
    env = {"TEST_EXTENDED": "1", "TEST_TRACK_STARTED": "1"}
    worker = CeleryWorker(broker.url, "w1", backend=url, env=env).start()
    results, _ = open_results(f"db+{postgres.url}", Profile())
    assert isinstance(results, SqlResults)
    heard: list[ResultReport] = []
    states: list[StatusChange] = []
    try:
        await first_result(results, send(broker.url, "shop.add", 1, 2))
        running = asyncio.ensure_future(results.run(heard.extend, states.append))
        assert await until(lambda: bool(states))
        failed, slow = send(broker.url, "shop.charge", 7), send(broker.url, "shop.nap", 3)
        assert await until(lambda: (slow, "SUCCESS") in {(each.id, each.status) for each in heard}, 20)
        running.cancel()
        report = (await results.get([failed]))[failed]
        assert (report.status, report.name, report.args) == ("FAILURE", "shop.charge", [7])
        assert report.date_done and abs(report.date_done - time.time()) < 60
        assert [each.id for each in await results.newest(2)] == [slow, failed]
        with pytest.raises(ConnectionProblem, match="read-only transaction"):
            await results._thread.do(
                lambda: results._engine.connect().exec_driver_sql("delete from celery_taskmeta")
            )
    finally:
        worker.kill()
        await results.close()


async def test_a_million_rows_cost_a_look_little(postgres: PostgresServer) -> None:
    with admin(postgres).begin() as connection:
        connection.exec_driver_sql("drop table if exists celery_taskmeta")
        connection.exec_driver_sql(
            "create table celery_taskmeta (id serial primary key, task_id varchar(155) unique, "
            "status varchar(50), result bytea, date_done timestamp, traceback text)"
        )
        connection.exec_driver_sql(
            "insert into celery_taskmeta (task_id, status, result, date_done) select 't' || n, 'SUCCESS', "
            "convert_to(n::text, 'UTF8'), now() at time zone 'UTC' from generate_series(1, 1000000) n"
        )
    results, _ = open_results(f"db+{postgres.url}", Profile())
    assert isinstance(results, SqlResults)
    await results._thread.do(results._fresh)
    began = time.perf_counter()
    for _ in range(20):
        assert await results._thread.do(results._fresh) == []
    look = (time.perf_counter() - began) / 20
    began = time.perf_counter()
    assert next(each.id for each in await results.newest(200)).startswith("t")
    newest = time.perf_counter() - began
    began = time.perf_counter()
    assert len(await results.get([f"t{n}" for n in range(1000, 1100)])) == 100
    by_id = time.perf_counter() - began
    print(f"look {look * 1000:.1f} ms, newest 200 {newest * 1000:.1f} ms, 100 by id {by_id * 1000:.1f} ms")
    assert look < 0.1 and newest < 0.5 and by_id < 0.5
    await results.close()


async def test_it_serves_as_broker_and_a_purge_locks_what_it_saves(postgres: PostgresServer) -> None:
    url = f"sqla+{postgres.url}".replace("://", "+psycopg://")
    ids = [send(url, "shop.add", number, 1, queue="mail", sent_event=False) for number in range(5)]
    broker = open_broker(Profile(broker=url))
    await broker.connect()
    [report] = await broker.queues.probe(["mail"])
    assert report.messages == 5
    assert [message.id for message in (await broker.queues.peek("mail")).messages] == ids
    saved: list[StoredMessage] = []

    def save(page: list[StoredMessage]) -> None:
        with admin(postgres).connect() as other:  # A worker would wait here.
            free = other.exec_driver_sql("select id from kombu_message for update skip locked").all()
        assert free == []
        saved.extend(page)

    result = await broker.queues.purge("mail", save)
    assert (result.removed, result.after, len(saved)) == (5, 0, 5)
    assert await broker.queues.put_back(saved) == 5
    await broker.close()
