"""Why a broker cannot be reached: each cause has its own plain words and its cure."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lazycelery.errors import ConnectionProblem, LazyCeleryError, UsageError
from lazycelery.model.profile import Profile
from lazycelery.sources import open_broker
from lazycelery.sources.control import Control
from tests.sources.conftest import Open, Watched, until
from tests.sources.servers import Wire, answering, certificate, server_tls, serving, silent
from tests.support.broker import RedisServer, free_port, server_binary

pytestmark = pytest.mark.broker


async def problem(opened: Open, url: str, **profile: Any) -> LazyCeleryError:
    with pytest.raises(LazyCeleryError) as caught:
        await opened(url, **profile)
    assert "secret" not in str(caught.value) and caught.value.title
    return caught.value


async def test_a_closed_port_is_refused(opened: Open) -> None:
    said = await problem(opened, f"redis://:secret@127.0.0.1:{free_port()}/0")
    assert isinstance(said, ConnectionProblem) and "refused" in said.title and said.hint


async def test_of_a_host_with_two_addresses_it_is_told_that_one_refuses(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()

    async def both(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{end}", port)) for end in (1, 2)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", both)
    said = await problem(opened, f"redis://both.invalid:{port}/0")
    assert said.title == f"Nothing listens at both.invalid:{port}: connection refused."


async def test_a_host_that_does_not_exist_is_named(opened: Open) -> None:
    said = await problem(opened, "redis://no-such-host.invalid/0")
    assert "No host" in said.title and "no-such-host.invalid" in said.title


async def test_a_host_that_says_nothing_ends_in_time(opened: Open) -> None:
    async with serving(silent) as port:
        started = time.monotonic()
        said = await problem(opened, f"redis://127.0.0.1:{port}/0", timeout=0.3)
        assert "in time" in said.title and time.monotonic() - started < 8


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.0 400 Bad Request\r\n\r\n", "web server"),
        (b"AMQP\x00\x00\x09\x01", "AMQP"),
        (b"SSH-2.0-OpenSSH\r\n", "not Redis"),
        (b"", "not Redis"),
        (b"-LOADING Redis is loading the dataset in memory\r\n", "loading"),
        (b"-DENIED Redis is running in protected mode because\r\n", "protected mode"),
        (b"-ERR unknown command 'AUTH', with args beginning with: 'secret' \r\n", "refused a command"),
        (b"-ERR max number of clients reached\r\n", "connection left"),
    ],
)
async def test_what_answers_instead_is_told(opened: Open, answer: bytes, words: str) -> None:
    async with serving(answering(answer)) as port:
        assert words in (await problem(opened, f"redis://:secret@127.0.0.1:{port}/0", timeout=1)).title


async def test_passwords_missing_wrong_and_needless(opened: Open, broker: RedisServer) -> None:
    said = await problem(opened, f"redis://:secret@127.0.0.1:{broker.port}/0")
    assert "no password set" in said.title
    broker.client().config_set("requirepass", "right")
    said = await problem(opened, broker.url)
    assert "wants a password" in said.title and "PASSWORD@" in said.hint
    said = await problem(opened, f"redis://:secret@127.0.0.1:{broker.port}/0")
    assert "refused the" in said.title and "credentials" in said.hint
    await opened(f"redis://:right@127.0.0.1:{broker.port}/0")


async def test_a_database_out_of_range_is_told(opened: Open, broker: RedisServer) -> None:
    said = await problem(opened, f"redis://127.0.0.1:{broker.port}/99")
    assert "no database of that number" in said.title


async def test_a_replica_is_refused(opened: Open, broker: RedisServer) -> None:
    replica = RedisServer("--replicaof", "127.0.0.1", str(broker.port)).start()
    try:
        assert "read-only replica" in (await problem(opened, replica.url)).title
    finally:
        replica.remove()


async def test_a_broker_that_refuses_writes_is_told(opened: Open, broker: RedisServer) -> None:
    link = await opened(broker.url)
    client = broker.client()
    client.config_set("maxmemory", "1mb")
    client.config_set("maxmemory-policy", "noeviction")
    with pytest.raises(ConnectionProblem, match="out of memory"):
        await link.mailbox.call("ping")


class TestAcl:
    @pytest.fixture(autouse=True)
    def users(self, broker: RedisServer) -> None:
        everything = "~* &*"
        client = broker.client()
        client.execute_command("ACL", "SETUSER", "watcher", "on", ">pw", *everything.split(), "+@all")
        client.execute_command("ACL", "SETUSER", "blind", "on", ">pw", *everything.split(), "+@all", "-scan")
        client.execute_command("ACL", "SETUSER", "nothing", "on", ">pw", "-@all")
        limited = ("on", ">pw", "~celery*", "~_kombu*", "~unacked*", "~*.reply*", "&*", "+@all")
        client.execute_command("ACL", "SETUSER", "limited", *limited)

    async def test_a_user_with_a_name_works(self, opened: Open, broker: RedisServer, worker: Any) -> None:
        worker("w1")
        link = await opened(f"redis://watcher:pw@127.0.0.1:{broker.port}/0")
        (report,) = await Control(link.mailbox).survey()
        assert report.ping and (await link.queues.names()) == ["celery"]
        watched = await Watched(link.events).connected()
        await until(lambda: watched.events, what="a heartbeat")
        await watched.stop()

    async def test_a_wrong_password_of_a_user_is_told(self, opened: Open, broker: RedisServer) -> None:
        said = await problem(opened, f"redis://watcher:secret@127.0.0.1:{broker.port}/0")
        assert "user name or password" in said.title

    async def test_a_user_without_rights_is_told_which(self, opened: Open, broker: RedisServer) -> None:
        said = await problem(opened, f"redis://nothing:pw@127.0.0.1:{broker.port}/0")
        assert "let us in" in said.title and "ACL" in said.hint

    async def test_a_user_who_may_not_scan_still_sees_queues(
        self, opened: Open, broker: RedisServer, worker: Any
    ) -> None:
        worker("w1", queues="celery,high")
        link = await opened(f"redis://blind:pw@127.0.0.1:{broker.port}/0", queues=["high"])
        assert await link.queues.names() == ["celery", "high"]

    async def test_a_forbidden_queue_does_not_hide_the_others(
        self, opened: Open, broker: RedisServer
    ) -> None:
        broker.client().lpush("celery", "{}")
        link = await opened(f"redis://limited:pw@127.0.0.1:{broker.port}/0")
        for _ in range(2):
            seen, forbidden = await link.queues.probe(["celery", "other"])
            assert seen.messages == 1 and seen.error is None
            assert forbidden.messages is None and "not let" in str(forbidden.error)


class TestTls:
    @pytest.fixture
    def files(self, tmp_path: Path) -> tuple[str, str]:
        return certificate(tmp_path)

    async def test_a_trusted_certificate_is_accepted_by_every_connection(
        self, opened: Open, broker: RedisServer, files: tuple[str, str], worker: Any
    ) -> None:
        worker("w1")
        async with serving(Wire(broker.port).handle, server_tls(*files)) as port:
            link = await opened(f"rediss://localhost:{port}/0", tls_ca=files[0])
            (report,) = await Control(link.mailbox).survey()
            assert report.ping and link.notes == []
            watched = await Watched(link.events).connected()
            await until(lambda: watched.events, what="a heartbeat through TLS")
            await watched.stop()
            await link.close()

    async def test_an_unknown_certificate_is_refused_by_default(
        self, opened: Open, broker: RedisServer, files: tuple[str, str]
    ) -> None:
        async with serving(Wire(broker.port).handle, server_tls(*files)) as port:
            said = await problem(opened, f"rediss://:secret@localhost:{port}/0")
            assert "not trusted" in said.title and "tls_ca" in said.hint

    async def test_an_unknown_certificate_is_accepted_when_told_so_and_noted(
        self, opened: Open, broker: RedisServer, files: tuple[str, str]
    ) -> None:
        async with serving(Wire(broker.port).handle, server_tls(*files)) as port:
            for url, verify in (
                (f"rediss://localhost:{port}", False),
                (f"rediss://localhost:{port}?ssl_cert_reqs=none", True),
            ):
                link = await opened(url, tls_verify=verify)
                assert link.tls_unverified and link.notes == []
                await link.close()

    async def test_a_certificate_for_another_host_is_refused(
        self, opened: Open, broker: RedisServer, tmp_path: Path
    ) -> None:
        cert, key = certificate(tmp_path, "elsewhere.example")
        async with serving(Wire(broker.port).handle, server_tls(cert, key)) as port:
            said = await problem(opened, f"rediss://localhost:{port}/0", tls_ca=cert)
            assert "not trusted" in said.title

    async def test_tls_to_a_plain_port_is_told(self, opened: Open, broker: RedisServer) -> None:
        said = await problem(opened, f"rediss://:secret@127.0.0.1:{broker.port}/0", timeout=1)
        assert "plain Redis" in said.title and "redis://" in said.hint

    async def test_plain_to_a_tls_port_is_told(
        self, opened: Open, broker: RedisServer, files: tuple[str, str]
    ) -> None:
        async with serving(Wire(broker.port).handle, server_tls(*files)) as port:
            said = await problem(opened, f"redis://:secret@127.0.0.1:{port}/0", timeout=1)
            assert "speaks TLS" in said.title and "rediss://" in said.hint

    async def test_an_unreadable_authority_is_a_usage_error(self, opened: Open) -> None:
        with pytest.raises(UsageError, match="TLS file"):
            await opened("rediss://localhost:1/0", tls_ca="/no/such/file.pem")


async def test_a_unix_socket_and_a_database_number_work(opened: Open, tmp_path: Path) -> None:
    socket = f"{tmp_path}/r.sock"
    server = RedisServer("--unixsocket", socket).start()
    try:
        server.client(db=3).lpush("celery", "{}")
        for url in (f"redis+socket://{socket}?virtual_host=3", f"unix://{socket}?db=3"):
            link = await opened(url)
            assert (await link.queues.probe(["celery"]))[0].messages == 1
            watched = await Watched(link.events).connected()
            await watched.stop()
        said = await problem(opened, f"redis+socket://{tmp_path}/none.sock")
        assert "does not exist" in said.title
    finally:
        server.remove()


class TestSentinel:
    @pytest.fixture
    def sentinel(self, broker: RedisServer, tmp_path: Path) -> Iterator[int]:
        port = free_port()
        config = tmp_path / "sentinel.conf"
        config.write_text(f"port {port}\nbind 127.0.0.1\nsentinel monitor one 127.0.0.1 {broker.port} 1\n")
        process = subprocess.Popen(
            [server_binary(), str(config), "--sentinel"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        yield port
        process.terminate()
        process.wait(10)

    async def connected(self, opened: Open, url: str, **profile: Any) -> Any:
        deadline = time.monotonic() + 10
        while True:
            try:
                return await opened(url, **profile)
            except ConnectionProblem:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.1)

    async def test_its_only_primary_needs_no_name(self, opened: Open, sentinel: int, worker: Any) -> None:
        worker("w1")
        url = f"sentinel://127.0.0.1:1/0;sentinel://127.0.0.1:{sentinel}/0"
        link = await self.connected(opened, url)
        (report,) = await Control(link.mailbox).survey()
        assert report.ping
        watched = await Watched(link.events).connected()
        await until(lambda: watched.events, what="a heartbeat")
        await watched.stop()

    async def test_a_wrong_name_is_told(self, opened: Open, sentinel: int) -> None:
        await self.connected(opened, f"sentinel://127.0.0.1:{sentinel}/0", master_name="one")
        said = await problem(opened, f"sentinel://127.0.0.1:{sentinel}/0?master_name=two")
        assert "no working primary" in said.title and "master_name" in said.hint

    async def test_several_primaries_must_be_chosen_from(
        self, opened: Open, sentinel: int, broker: RedisServer
    ) -> None:
        await self.connected(opened, f"sentinel://127.0.0.1:{sentinel}/0")
        import redis

        redis.Redis(port=sentinel).sentinel_monitor("two", "127.0.0.1", broker.port, 1)
        with pytest.raises(UsageError, match="one, two"):
            await opened(f"sentinel://127.0.0.1:{sentinel}/0")


async def test_a_lost_broker_is_told_and_found_again(opened: Open, broker: RedisServer) -> None:
    link = await opened(broker.url)
    assert await link.lost() is None
    broker.kill()
    assert "refused" in str(await link.lost())
    with pytest.raises(ConnectionProblem, match="connection refused"):
        await link.queues.probe(["celery"])
    broker.start()
    assert await link.lost() is None and (await link.queues.probe(["celery"]))[0].messages == 0


async def test_commands_are_counted(opened: Open, broker: RedisServer) -> None:
    link = await opened(broker.url)
    before = link.commands_sent()
    await link.lost()
    assert link.commands_sent() == before + 1


@pytest.mark.parametrize("url", ["redis://:p@ss/w0rd@127.0.0.1:6379/3", "redis://127.0.0.1:6379/w0rd@x/0"])
def test_no_piece_of_a_password_is_told_when_a_url_is_cut_wrongly(url: str) -> None:
    with pytest.raises(UsageError) as told:
        open_broker(Profile(broker=url))
    assert "w0rd" not in str(told.value) and "%2F" in str(told.value)
