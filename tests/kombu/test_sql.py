"""sqla+sqlite:// as a broker: depths, looks, purge and restore; no events, and that is said."""

from __future__ import annotations

from pathlib import Path

import kombu
import pytest
import sqlalchemy

from lazycelery.errors import ConnectionProblem, LazyCeleryError
from lazycelery.model.action import Order
from lazycelery.model.message import StoredMessage
from lazycelery.model.profile import Profile
from lazycelery.model.task import TaskQuery
from lazycelery.sources import open_broker
from lazycelery.sources.kombu import sql
from lazycelery.sources.wire import task_id_of
from tests.kombu.conftest import OpenBroker, OpenEngine, until
from tests.support.fleet import send


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqla+sqlite:///{tmp_path}/broker.db"


def rows(url: str) -> list[tuple[object, ...]]:
    with sqlalchemy.create_engine(url.removeprefix("sqla+")).connect() as connection:
        found = connection.execute(
            sqlalchemy.text("select id, visible, payload from kombu_message order by id")
        )
        return [tuple(row) for row in found]


async def test_depths_and_looks_change_nothing(url: str, opened: OpenBroker) -> None:
    ids = [send(url, "shop.add", number, 1, queue="mail", sent_event=False) for number in range(3)]
    send(url, "shop.add", 0, 0, queue="celery", sent_event=False)
    before = rows(url)
    queues = (await opened(url)).queues
    assert await queues.names() == ["celery", "mail"]
    mail, missing = await queues.probe(["mail", "nothing"])
    assert (mail.messages, mail.bound, missing.messages, missing.bound) == (3, True, 0, False)
    page = await queues.peek("mail", 1, 5)
    assert [message.id for message in page.messages] == ids[1:] and page.total == 3
    assert [message.position for message in page.messages] == [1, 2]
    assert set(await queues.find(ids)) == set(ids)
    assert (await queues.find(ids, limit=1)).cut == 1
    assert rows(url) == before


async def test_a_purge_saves_before_it_removes_and_what_is_sent_can_be_read_by_kombu(
    url: str, opened: OpenBroker
) -> None:
    ids = [send(url, "shop.add", number, 1, queue="mail", sent_event=False) for number in range(3)]
    queues = (await opened(url)).queues

    def failing(page: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(LazyCeleryError, match="No space left") as raised:
        await queues.purge("mail", failing)
    assert raised.value.nothing_done and len(rows(url)) == 3
    saved: list[StoredMessage] = []
    result = await queues.purge("mail", saved.extend)
    assert (result.before, result.removed, result.after) == (3, 3, 0) and rows(url) == []
    assert await queues.put_back(saved) == 3
    with kombu.Connection(url) as connection:
        channel = connection.channel()
        taken = [channel.basic_get("mail", no_ack=True) for _ in range(3)]
    assert [message.headers["id"] for message in taken] == ids


async def test_a_purge_holds_a_page_of_messages_at_most(
    url: str, opened: OpenBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "PAGE", 2)
    ids = [send(url, "shop.add", number, 1, queue="mail", sent_event=False) for number in range(5)]
    queues = (await opened(url)).queues
    await queues.names()
    asked = list[str]()
    sqlalchemy.event.listen(
        queues._engine, "before_cursor_execute", lambda c, cursor, statement, *more: asked.append(statement)
    )
    pages = list[list[StoredMessage]]()
    result = await queues.purge("mail", lambda page: pages.append(list(page)))
    assert (result.before, result.removed, result.after) == (5, 5, 0)
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [task_id_of(each.raw) for page in pages for each in page] == ids
    assert [each.position for page in pages for each in page] == [*range(5)]
    reading = [each for each in asked if "payload" in each.partition("FROM")[0] and "count" not in each]
    assert len(reading) == 3 and all(" IN " in each for each in reading)


async def test_the_engine_shows_queues_and_says_what_is_missing(url: str, open_engine: OpenEngine) -> None:
    id = send(url, "shop.add", 1, 2, queue="mail", sent_event=False)
    engine = await open_engine(url, allow=["revoke"])
    overview = await engine.ready(10)
    assert overview.connected and overview.lacks.keys() >= {"events", "control"}
    states = {source.name: source.state for source in overview.sources}
    assert (states["broker"], states["events"], states["control"]) == ("connected", "off", "off")
    told = [notice.title for notice in overview.notices]
    assert "SQL has no fanout: no events, no remote control; queues and their waiting messages only." in told
    assert not [notice for notice in overview.notices if notice.severity != "info"], told
    [queue] = await engine.queues()
    assert (queue.name, queue.messages) == ("mail", 1)

    async def swept() -> bool:
        return [row.id for row in (await engine.tasks(TaskQuery())).rows] == [id]

    assert await until(swept)
    plan = await engine.plan(Order(action="revoke", targets=[id]))
    assert "SQL has no fanout" in (plan.refused or "")
    with pytest.raises(LazyCeleryError, match="has no fanout"):
        await engine.act(plan.id, plan.word)


async def test_a_database_that_is_no_broker_is_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    broker = open_broker(Profile(broker=f"sqla+sqlite:///{file}"))
    with pytest.raises(ConnectionProblem, match="no database"):
        await broker.connect()
    assert not file.exists()
    file.touch()
    with pytest.raises(ConnectionProblem, match="no table kombu_queue"):
        await broker.connect()
    await broker.close()
    assert file.stat().st_size == 0
