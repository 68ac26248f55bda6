"""SQS, as far as its usual stand-in (moto) plays it: Amazon itself is not to be had in a test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from lazycelery.errors import NothingFound
from lazycelery.model.message import StoredMessage
from tests.kombu.conftest import OpenEngine, until

pytestmark = [pytest.mark.broker, pytest.mark.soak]
OPTIONS: dict[str, Any] = {"region": "us-east-1", "queue_name_prefix": "jobs-", "is_secure": False}


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"sqs://testing:testing@{host}:{port}//"
    server.stop()


async def test_depths_and_sending_and_nothing_else(url: str, open_engine: OpenEngine) -> None:
    app = Celery("client", broker=url, set_as_current=False)
    app.conf.broker_transport_options = dict(OPTIONS)
    for number in range(3):
        app.send_task("shop.add", (number, 1), queue="mail")
    engine = await open_engine(url, transport_options=dict(OPTIONS), timeout=5)
    overview = await engine.ready(15)
    told = [notice.title for notice in overview.notices]
    assert "SQS has no fanout: no events, no remote control; queue depths only." in told
    assert "testing:testing" not in overview.broker

    async def depth() -> tuple[str, int | None, int | None]:
        await engine.refresh()
        [queue] = await engine.queues()
        return queue.name, queue.messages, queue.unacked

    assert await depth() == ("mail", 3, 0)
    broker = engine._broker
    raw = broker.codec.build(task="shop.add", args=[9, 9], kwargs={}, queue="mail", new_id="n9", headers={})
    assert await broker.queues.publish([StoredMessage(queue="mail", priority=0, raw=raw)]) == 1
    with pytest.raises(NothingFound, match="no queue nope"):
        await broker.queues.publish([StoredMessage(queue="nope", priority=0, raw=raw)])
    with app.connection() as connection:
        taken = connection.channel().basic_get("mail")
        assert taken is not None

        async def counted() -> bool:
            return await depth() == ("mail", 3, 1)

        assert await until(counted)
