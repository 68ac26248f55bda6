"""A real MariaDB: Celery's result table, and its tables as Kombu's broker."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from lazycelery.model.message import StoredMessage
from lazycelery.model.profile import Profile
from lazycelery.model.reports import ResultReport
from lazycelery.sources import open_broker
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.results import open_results
from tests.sources.conftest import until
from tests.support.broker import free_port
from tests.support.fleet import send

pytestmark = [pytest.mark.broker, pytest.mark.soak]
GRANT = (
    "create database shop; create user 'shop'@'127.0.0.1' identified by 'pw'; "
    "grant all on shop.* to 'shop'@'127.0.0.1'"
)


@pytest.fixture
def place() -> Iterator[str]:
    """`user:password@host:port/database`."""
    assert shutil.which("mariadbd"), "apt-get install mariadb-server"
    folder = Path(tempfile.mkdtemp(prefix="lazycelery-mariadb-"))
    whose = []
    if os.getuid() == 0:
        account = pwd.getpwnam("mysql")
        os.chown(folder, account.pw_uid, account.pw_gid)
        whose = ["--user=mysql"]
    data, sock, port = f"--datadir={folder}/data", f"--socket={folder}/s", free_port()
    make = ["mariadb-install-db", *whose, data, "--auth-root-authentication-method=normal", "--skip-test-db"]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    process = subprocess.Popen(
        [
            *("mariadbd", *whose, data, sock, f"--port={port}"),
            *("--bind-address=127.0.0.1", f"--pid-file={folder}/pid"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        while subprocess.run(["mariadb", sock, "-e", GRANT], stderr=subprocess.DEVNULL).returncode:
            assert time.monotonic() < deadline, "MariaDB did not start"
            time.sleep(0.2)
        yield f"shop:pw@127.0.0.1:{port}/shop"
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


async def test_results_and_a_broker(place: str) -> None:
    app = Celery("writer", backend=f"db+mysql+pymysql://{place}", set_as_current=False)
    app.backend.store_result("t1", {"n": 42}, "SUCCESS")
    results, _ = open_results(f"db+mysql://{place}", Profile())
    assert results is not None and ":pw@" not in results.url
    assert (await results.get(["t1", "none"]))["t1"].result == {"n": 42}
    heard: list[ResultReport] = []
    states: list[StatusChange] = []
    running = asyncio.ensure_future(results.run(heard.extend, states.append))
    assert await until(lambda: bool(states))
    for state in ("STARTED", "SUCCESS"):
        app.backend.store_result("t2", 1, state)
        assert await until(lambda state=state: ("t2", state) in [(each.id, each.status) for each in heard])
    running.cancel()
    assert [each.id for each in await results.newest(5)] == ["t2", "t1"]
    await results.close()

    url = f"sqla+mysql+pymysql://{place}"
    for number in range(3):
        send(url, "shop.add", number, 1, queue="mail", sent_event=False)
    broker = open_broker(Profile(broker=url))
    await broker.connect()
    assert [message.args for message in (await broker.queues.peek("mail")).messages] == [
        [0, 1],
        [1, 1],
        [2, 1],
    ]
    saved: list[StoredMessage] = []
    result = await broker.queues.purge("mail", saved.extend)
    assert (result.removed, result.after, len(saved)) == (3, 0, 3)
    assert await broker.queues.put_back(saved) == 3
    await broker.close()
