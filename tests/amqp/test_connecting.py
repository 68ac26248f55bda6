"""What can go wrong at the door of RabbitMQ, each told in plain words, and the way back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from lazycelery.errors import ConnectionProblem, LazyCeleryError
from lazycelery.model.message import StoredMessage
from lazycelery.model.profile import Profile
from lazycelery.sources.amqp.address import parse_address
from tests.amqp.conftest import Open, Vhost
from tests.sources.conftest import Watched, until
from tests.sources.servers import Wire, certificate, serving
from tests.support.broker import RedisServer, free_port
from tests.support.rabbit import RabbitServer, need_server

pytestmark = pytest.mark.broker
SECRET = "s3cret"
Secured = tuple[RabbitServer, int, str]
"""A node, its port for TLS, and the certificate that vouches for it."""


async def problem_of(opened: Open, url: str, **profile: object) -> LazyCeleryError:
    with pytest.raises(ConnectionProblem) as told:
        await opened(url, **profile)
    assert SECRET not in str(told.value) and told.value.hint
    return told.value


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("amqp://", "amqp://127.0.0.1:5672//"),
        ("amqp://host", "amqp://host:5672//"),
        ("amqp://host/", "amqp://host:5672//"),
        ("amqp://host//", "amqp://host:5672//"),
        ("amqp://host/%2F", "amqp://host:5672//"),
        ("pyamqp://u:p@host:1/shop", "amqp://host:1/shop"),
        ("amqp://host/team%2Fa", "amqp://host:5672/team/a"),
        ("amqps://u:p@host", "amqps://host:5671//"),
        ("amqp://u:p@h1/v;amqp://h2:7", "amqp://h1:5672, h2:7/v"),
        ("amqp://u:p@h1;h2", "amqp://h1:5672, h2:5672//"),
        ("amqp://[::1]/v", "amqp://[::1]:5672/v"),
    ],
)
def test_a_url_is_taken_apart(url: str, label: str) -> None:
    assert parse_address(url, Profile()).label == label


def test_credentials_are_decoded_and_default_to_guest() -> None:
    found = parse_address("amqp://us%2Fer:s3cret%40x@host", Profile())
    assert (found.username, found.password) == ("us/er", "s3cret@x")
    assert SECRET not in repr(found) and SECRET not in found.label
    found = parse_address("amqp://host", Profile())
    assert (found.username, found.password) == ("guest", "guest")


def test_tls_checks_certificates_unless_told_otherwise() -> None:
    assert parse_address("amqp://h", Profile()).tls is None
    tls = parse_address("amqps://h?ssl_ca_certs=/a", Profile()).tls
    assert tls is not None and tls.verify and tls.check_hostname and tls.ca == "/a"
    for url, verify in (("amqps://h?ssl_cert_reqs=none", True), ("amqps://h", False)):
        tls = parse_address(url, Profile(tls_verify=verify)).tls
        assert tls is not None and not tls.verify and not tls.check_hostname


async def test_a_closed_port(opened: Open) -> None:
    problem = await problem_of(opened, f"amqp://u:{SECRET}@127.0.0.1:{free_port()}//")
    assert "Nothing listens" in problem.title


async def test_a_wrong_password(vhost: Vhost, opened: Open, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    problem = await problem_of(opened, vhost.server.url(vhost.name, password=SECRET))
    assert "refuses user name or password" in problem.title
    assert SECRET not in caplog.text


async def test_a_wrong_virtual_host(vhost: Vhost, opened: Open) -> None:
    problem = await problem_of(opened, vhost.server.url("no such"))
    assert "no virtual host 'no such'" in problem.title and "%2F" in problem.hint


async def test_tls_where_none_is_spoken(vhost: Vhost, opened: Open) -> None:
    problem = await problem_of(opened, vhost.server.url(vhost.name, scheme="amqps"))
    assert "does not speak TLS" in problem.title and "amqp://" in problem.hint


async def test_a_redis_is_named(opened: Open) -> None:
    server = RedisServer().start()
    try:
        problem = await problem_of(opened, f"amqp://127.0.0.1:{server.port}//")
        assert "is a Redis, not RabbitMQ" in problem.title
    finally:
        server.remove()


@pytest.fixture
async def web_server() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_a_web_server_is_named(opened: Open, web_server: int) -> None:
    problem = await problem_of(opened, f"amqp://127.0.0.1:{web_server}//")
    assert "is a web server, not RabbitMQ" in problem.title


async def test_a_port_that_never_answers_ends_in_time(opened: Open) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        port = silent.getsockname()[1]
        began = asyncio.get_running_loop().time()
        await problem_of(opened, f"amqp://127.0.0.1:{port}//", timeout=0.5)
        assert asyncio.get_running_loop().time() - began < 6


async def test_the_second_node_is_taken_when_the_first_is_down(vhost: Vhost, opened: Open) -> None:
    live = vhost.url.replace("amqp://", "")
    broker = await opened(
        f"amqp://guest:guest@127.0.0.1:{free_port()}/{vhost.name.replace('/', '%2F')};{live}"
    )
    assert await broker.lost() is None


async def test_what_needs_the_management_is_told_when_it_is_missing(vhost: Vhost, opened: Open) -> None:
    broker = await opened(vhost.url, management="http://127.0.0.1:9")
    assert await broker.queues.names() == []
    facts = await broker.facts()
    assert "http://127.0.0.1:9 does not answer (connection refused)" in (facts.management or "")
    assert "rabbitmq-plugins enable" in facts.management_cure and broker.notes == []
    there = await opened(
        vhost.url, management=f"http://guest:{SECRET}@127.0.0.1:{vhost.server.management_port}"
    )
    await there.queues.names()
    why = (await there.facts()).management or ""
    assert "does not take user name or password of guest" in why and SECRET not in why
    guessed = await opened(vhost.url)  # Nobody said that there is one.
    assert await guessed.queues.names() == []
    [note] = guessed.notes
    assert "The management API is missing" in note and (await guessed.facts()).management is None


async def test_a_killed_broker_is_told_and_everything_comes_back(opened: Open) -> None:
    need_server()
    server = RabbitServer().start()
    try:
        broker = await opened(server.url(), management=server.management)
        watched = await Watched(broker.events).connected()
        await broker.mailbox.call("ping", timeout=0.5)
        server.kill()
        await until(lambda: watched.state == "lost", 25)
        assert watched.changes[-1].reason and watched.changes[-1].next_try
        assert await broker.lost()
        with pytest.raises(ConnectionProblem):
            await broker.queues.probe(["kept"])
        await asyncio.to_thread(server.start)
        await until(lambda: watched.state == "connected", 30)
        server.declare("/", "kept")
        [report] = await broker.queues.probe(["kept"])
        assert report.messages == 0
        assert (await broker.mailbox.call("ping", timeout=0.5)).replies == []
        await watched.stop()
        await broker.close()
        await until(lambda: set(server.queues("/")) == {"kept"})
    finally:
        await asyncio.to_thread(server.remove)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A node that also speaks TLS, the port of it, and its authority."""
    need_server()
    cert, key = certificate(tmp_path_factory.mktemp("tls"))
    port = free_port()
    server = RabbitServer(
        f"listeners.ssl.1 = 127.0.0.1:{port}\n"
        f"ssl_options.cacertfile = {cert}\n"
        f"ssl_options.certfile = {cert}\n"
        f"ssl_options.keyfile = {key}\n"
        "ssl_options.verify = verify_none\n"
    ).start()
    yield server, port, cert
    server.remove()


async def test_certificates_are_checked_and_tls_works(secured: Secured, opened: Open) -> None:
    server, port, cert = secured
    url = f"amqps://guest:guest@127.0.0.1:{port}//"
    problem = await problem_of(opened, url)
    assert "is not trusted" in problem.title and "tls_ca" in problem.hint
    broker = await opened(url, tls_ca=cert, management=server.management)
    assert await broker.lost() is None and broker.notes == []
    lax = await opened(url, tls_verify=False, management=server.management)
    assert lax.tls_unverified and lax.notes == []
    plain = await problem_of(opened, f"amqp://guest:guest@127.0.0.1:{port}//")
    assert "speaks TLS" in plain.title and "amqps://" in plain.hint


async def test_a_broker_that_takes_no_messages_is_told_and_then_it_goes_on(
    secured: Secured, opened: Open
) -> None:
    server, _, _ = secured
    broker = await opened(server.url(), management=server.management)
    server.api(
        "PUT", "/exchanges/%2F/celery.pidbox", {"type": "fanout", "durable": False}
    )  # As a worker does.
    mailbox = "w1@test.celery.pidbox"  # Of a worker that would answer, but cannot while the alarm lasts.
    server.declare("/", mailbox)
    server.api("POST", f"/bindings/%2F/e/celery.pidbox/q/{mailbox}", {})
    server.declare("/", "box")
    raw = broker.codec.build(task="t", args=[], kwargs={}, queue="box", new_id="1", headers={})
    message = StoredMessage(queue="box", priority=0, raw=raw)
    await broker.queues.publish([message])
    server.control("set_vm_memory_high_watermark", "0.000001")
    try:
        for _ in range(100):  # RabbitMQ tells of the alarm when something is published.
            with contextlib.suppress(ConnectionProblem):
                await broker.mailbox.call("ping", timeout=0.1)
                assert not broker.blocked, "the alarm's silence was taken for the worker's own"
            if broker.blocked:
                break
        assert broker.blocked == "low on memory"
        with pytest.raises(ConnectionProblem, match="takes no messages now") as told:
            await broker.queues.publish([message])
        assert told.value.nothing_done
        with pytest.raises(ConnectionProblem, match="takes no messages now") as told:
            await broker.queues.shift("box", lambda each: "box", print, print, 10)
        assert told.value.nothing_done
        with pytest.raises(ConnectionProblem, match="takes no messages now"):
            await broker.mailbox.call("ping", timeout=0.5)
        [report] = await broker.queues.probe(["box"])  # Reading goes on.
        assert report.messages == 1
    finally:
        server.control("set_vm_memory_high_watermark", "0.4")
    await until(lambda: not broker.blocked, 20)
    assert await broker.queues.publish([message]) == 1


@pytest.mark.soak
async def test_a_line_that_goes_dead_without_a_word_is_noticed(vhost: Vhost, opened: Open) -> None:
    wire = Wire(vhost.server.port)
    async with serving(wire.handle) as port:
        url = vhost.url.replace(f":{vhost.server.port}/", f":{port}/")
        broker = await opened(url, management=vhost.server.management)
        watched = await Watched(broker.events).connected()
        wire.flows.clear()
        await until(lambda: watched.state == "lost", 40)
        assert watched.changes[-1].reason
        wire.flows.set()
        await until(lambda: watched.state == "connected", 20)
        await watched.stop()
