"""Faults while connected: each ends in a clear line, and all comes back."""

from __future__ import annotations

import asyncio
import contextlib
import time
import urllib.error
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.errors import LazyCeleryError, NothingFound, Refused
from lazycelery.model.profile import Profile
from lazycelery.sources.amqp import events, management
from tests.amqp.conftest import Open, Vhost
from tests.sources.conftest import Watched, until
from tests.support.fleet import CeleryWorker, send
from tests.support.rabbit import RabbitServer, need_server

pytestmark = pytest.mark.broker
Worker = Callable[..., CeleryWorker]


@pytest.fixture
async def open_engine(vhost: Vhost) -> AsyncIterator[Callable[..., Awaitable[Engine]]]:
    opened: list[Engine] = []

    async def start(**profile: object) -> Engine:
        settings = {"broker": vhost.url, "management": vhost.server.management, "refresh": 0.5, **profile}
        engine = Engine(Profile(**settings))  # type: ignore[arg-type]
        opened.append(engine)
        await engine.start()
        with contextlib.suppress(LazyCeleryError):
            await engine.ready(10)
        return engine

    yield start
    for engine in opened:
        await engine.close()


async def titles(engine: Engine) -> str:
    return "\n".join(f"{each.title} {each.hint}" for each in (await engine.overview()).notices)


async def said(engine: Engine, text: str, within: float = 20) -> str:
    """The notices, once they say it."""
    deadline = time.monotonic() + within
    while text not in (found := await titles(engine)) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    return found


async def silent(engine: Engine, text: str, within: float = 20) -> str:
    """The notices, once they no longer say it."""
    deadline = time.monotonic() + within
    while text in (found := await titles(engine)) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    return found


async def test_a_channel_closed_by_404_costs_only_what_was_asked(vhost: Vhost, opened: Open) -> None:
    vhost.declare("box")
    broker = await opened(vhost.url, management=vhost.server.management)
    for _ in range(3):
        with pytest.raises(NothingFound, match="no queue 'gone'"):
            await broker.queues.purge("gone", lambda messages: None)
    reports = {each.name: each for each in await broker.queues.probe(["box", "gone"])}
    assert reports["box"].messages == 0 and reports["gone"].error == "There is no queue of this name."


async def test_a_channel_closed_by_406_is_told_and_the_next_one_works(vhost: Vhost, opened: Open) -> None:
    vhost.declare("box")
    broker = await opened(vhost.url, management=vhost.server.management)
    with pytest.raises(Refused, match="unknown delivery tag 999"), broker._server.explained():
        channel = await broker._server.channel("queues")
        channel.ack(999)
        await channel.settled()
    assert not channel.open
    [report] = await broker.queues.probe(["box"])
    assert report.messages == 0 and await broker.lost() is None


async def test_events_come_again_after_their_channel_was_closed(
    vhost: Vhost, worker: Worker, opened: Open
) -> None:
    worker("w1")
    broker = await opened(vhost.url)
    watched = await Watched(broker.events).connected()
    session = await broker._server.session("events")
    [channel] = [each for each in session._raw._channels.values() if each._consumers]
    channel.basic_ack(999)
    await until(lambda: any("unknown delivery tag" in change.reason for change in watched.changes))
    await until(lambda: watched.state == "connected")
    id = send(vhost.url, "shop.add", 1, 2)
    await until(lambda: any(event.uuid == id for event in watched.events))
    await watched.stop()


async def test_events_come_again_after_somebody_deleted_their_exchange(
    vhost: Vhost, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "REBIND", 0.3)
    path = f"/exchanges/{quote(vhost.name, safe='')}/celeryev"
    vhost.server.api("PUT", path, {"type": "topic", "durable": True})
    broker = await opened(vhost.url)
    watched = await Watched(broker.events).connected()
    vhost.server.api("DELETE", path)
    await until(lambda: any("no exchange" in change.reason for change in watched.changes))
    await asyncio.sleep(0.5)
    assert watched.state == "lost" and "celeryev" not in vhost.server.exchanges(vhost.name)
    vhost.server.api("PUT", path, {"type": "topic", "durable": True})
    await until(lambda: watched.state == "connected")
    message = {
        "properties": {},
        "routing_key": "a",
        "payload": '{"type": "x-y"}',
        "payload_encoding": "string",
    }
    vhost.server.api("POST", f"{path}/publish", message)
    await until(lambda: len(watched.events) == 1)
    # Deleted and declared again in between: nothing is told, and we are bound again all the same.
    vhost.server.api("DELETE", path)
    vhost.server.api("PUT", path, {"type": "topic", "durable": True})
    for _ in range(50):
        vhost.server.api("POST", f"{path}/publish", message)
        await asyncio.sleep(0.1)
        if len(watched.events) > 1:
            break
    assert len(watched.events) > 1
    await watched.stop()


@pytest.mark.soak
async def test_a_virtual_host_that_is_deleted_is_named_and_its_return_is_noticed(
    vhost: Vhost, open_engine: Callable[..., Awaitable[Engine]]
) -> None:
    engine = await open_engine()
    assert (await engine.overview()).connected
    vhost.server.drop_vhost(vhost.name)
    found = await said(engine, "no virtual host")
    assert f"no virtual host '{vhost.name}'" in found and "list_permissions" in found
    vhost.server.add_vhost(vhost.name)
    assert "no virtual host" not in await silent(engine, "no virtual host")


async def test_a_wrong_management_password_says_what_mends_it_and_the_rest_works(
    vhost: Vhost,
    worker: Worker,
    open_engine: Callable[..., Awaitable[Engine]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(management, "RETRY", 0.5)
    worker("w1")
    server, user = vhost.server, "ops/" + vhost.name[-4:]
    with contextlib.suppress(urllib.error.HTTPError):
        server.api("PUT", f"/users/{quote(user, safe='')}", {"password": "right", "tags": ""})
    access = {"configure": ".*", "write": ".*", "read": ".*"}
    server.api("PUT", f"/permissions/{quote(vhost.name, safe='')}/{quote(user, safe='')}", access)
    at = f"127.0.0.1:{server.management_port}"
    try:
        engine = await open_engine(management=f"http://{quote(user, safe='')}:wr0ng@{at}")
        found = await said(engine, "management API is missing")
        assert "does not take user name or password" in found and "`management`" in found
        assert "wr0ng" not in found
        [queue] = [each for each in await engine.queues() if each.name == "celery"]
        assert queue.messages == 0 and queue.type is None and queue.workers == ["w1@test"]
        assert (await engine.overview()).workers_online == 1
        untagged = await open_engine(
            broker=server.url(vhost.name, user=quote(user, safe=""), password="right")
        )
        found = await said(untagged, "management API is missing")
        assert f"rabbitmqctl set_user_tags {user} management" in found and "in the profile" in found
        server.api("PUT", f"/users/{quote(user, safe='')}", {"password": "right", "tags": "management"})
        assert "management API" not in await silent(untagged, "management API")
        [queue] = [each for each in await untagged.queues() if each.name == "celery"]
        assert queue.type == "classic"
    finally:
        server.api("DELETE", f"/users/{quote(user, safe='')}")


@pytest.fixture
def own_server() -> RabbitServer:
    need_server()
    return RabbitServer()


@pytest.mark.soak
async def test_alarms_are_a_notice_and_go_when_they_are_over(own_server: RabbitServer) -> None:
    server = await asyncio.to_thread(own_server.start)
    # As a worker does. RabbitMQ tells of an alarm when something is published: here a question to workers.
    server.api("PUT", "/exchanges/%2F/celery.pidbox", {"type": "fanout", "durable": False})
    engine = Engine(Profile(broker=server.url(), management=server.management, control_refresh=1.0))
    try:
        await engine.start()
        await engine.ready(10)
        for name, on, off in (
            ("set_vm_memory_high_watermark", "0.000001", "0.4"),
            ("set_disk_free_limit", "900000GB", "1MB"),
        ):
            await asyncio.to_thread(server.control, name, on)
            assert "takes no messages now" in await said(engine, "takes no messages now", 30)
            assert (await engine.overview()).connected
            await asyncio.to_thread(server.control, name, off)
            assert "takes no messages" not in await silent(engine, "takes no messages", 30)
    finally:
        await engine.close()
        await asyncio.to_thread(server.remove)


@pytest.mark.soak
async def test_an_engine_goes_over_to_the_other_host_and_back(own_server: RabbitServer) -> None:
    first, second = own_server, RabbitServer()
    await asyncio.gather(*(asyncio.to_thread(each.start) for each in (first, second)))
    for number, server in enumerate((first, second), 1):
        server.declare("/", f"only{number}")
    hosts = f"{first.url()};{second.url()}"
    engine = Engine(Profile(broker=hosts, refresh=0.5, queues=["only1", "only2"]))

    async def deep(name: str) -> bool:
        return any(each.name == name and each.messages == 0 for each in await engine.queues())

    async def in_time(name: str) -> bool:
        deadline = time.monotonic() + 60
        while not await deep(name) and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        return await deep(name)

    try:
        await engine.start()
        await engine.ready(10)
        assert await in_time("only1")
        await asyncio.to_thread(first.kill)
        assert await in_time("only2")
        await asyncio.to_thread(first.start)
        await asyncio.to_thread(second.kill)
        assert await in_time("only1") and "is lost" not in await silent(engine, "is lost")
    finally:
        await engine.close()
        await asyncio.gather(*(asyncio.to_thread(each.remove) for each in (first, second)))
