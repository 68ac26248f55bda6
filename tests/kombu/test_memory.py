"""memory:// in this very process."""

from __future__ import annotations

import asyncio

import kombu
from celery import Celery

from lazycelery.model.message import StoredMessage
from lazycelery.sources.protocols.events import EventBatch
from tests.kombu.conftest import OpenBroker, until


async def test_events_depths_and_sending_in_one_process(opened: OpenBroker) -> None:
    broker = await opened("memory://")
    heard: list[EventBatch] = []
    states: list[str] = []
    stream = broker.events
    assert stream is not None
    reading = asyncio.ensure_future(
        broker.events.run(heard.append, lambda change: states.append(change.state))
    )

    async def subscribed() -> bool:
        return states == ["connected"]

    assert await until(subscribed)
    with Celery("client", broker="memory://", set_as_current=False) as app:
        app.send_task("shop.add", (1, 2), queue="memory-mail")
        with app.events.default_dispatcher() as dispatcher:
            dispatcher.send("worker-heartbeat", freq=2.0, active=0, processed=3)

    async def arrived() -> bool:
        return bool(heard)

    assert await until(arrived)
    assert [event.type for event in heard[0].events] == ["worker-heartbeat"] and heard[0].events[
        0
    ].processed == 3
    reading.cancel()
    assert "memory-mail" in await broker.queues.names()
    [report, unknown] = await broker.queues.probe(["memory-mail", "no-such"])
    assert report.messages == 1 and unknown.messages is None and not unknown.bound
    message = broker.codec.build(
        task="shop.add", args=[3, 4], kwargs={}, queue="memory-mail", new_id="n1", headers={}
    )
    assert await broker.queues.publish([StoredMessage(queue="memory-mail", priority=0, raw=message)]) == 1
    with kombu.Connection("memory://") as connection:
        channel = connection.channel()
        taken = [channel.basic_get("memory-mail", no_ack=True) for _ in range(2)]
    assert [message.decode()[0] for message in taken] == [[1, 2], [3, 4]]
