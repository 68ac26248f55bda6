"""Backends that are read by id, with real results: memcached, and what moto plays of S3 and DynamoDB."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest
from celery import Celery

from lazycelery.errors import ConnectionProblem
from lazycelery.model.profile import Profile
from lazycelery.sources.results import open_results
from lazycelery.sources.results.backends import BackendResults
from tests.support.broker import RedisServer, free_port
from tests.support.fleet import CeleryWorker, send

pytestmark = [pytest.mark.broker, pytest.mark.soak]


@pytest.fixture
def memcached() -> Iterator[str]:
    program = shutil.which("memcached")
    assert program, "apt-get install memcached"
    port = free_port()
    process = subprocess.Popen([program, "-u", "nobody", "-l", "127.0.0.1", "-p", str(port)])
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield f"cache+memcached://127.0.0.1:{port}/"
    process.terminate()
    process.wait(10)


async def test_memcached_is_read_by_id(broker: RedisServer, memcached: str) -> None:
    worker = CeleryWorker(broker.url, "w1", backend=memcached, env={"TEST_EXTENDED": "1"}).start()
    results, _ = open_results(memcached, Profile())
    assert isinstance(results, BackendResults) and "by task id" in results.note
    try:
        added, failed = send(broker.url, "shop.add", 1, 2), send(broker.url, "shop.charge", 7)
        deadline = time.monotonic() + 15
        found = {}
        while len(found) < 2 and time.monotonic() < deadline:
            found = await results.get([added, failed, "nobody"])
        assert (found[added].result, found[added].args, found[failed].status) == (3, [1, 2], "FAILURE")
        assert await results.newest() == []
    finally:
        worker.kill()
        await results.close()


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    from moto.server import ThreadedMotoServer

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    yield host, port
    server.stop()


async def test_s3_is_read_by_id(amazon: tuple[str, int]) -> None:
    import boto3

    boto3.client("s3").create_bucket(Bucket="results")
    app = Celery("writer", backend="s3://", set_as_current=False)
    app.conf.update(s3_bucket="results", s3_base_path="shop/")
    app.backend.store_result("t1", {"n": 42}, "SUCCESS")
    results, _ = open_results("s3://results/shop/", Profile())
    assert results is not None
    found = await results.get(["t1", "t2"])
    assert set(found) == {"t1"} and found["t1"].result == {"n": 42}
    await results.close()


async def test_dynamodb_is_read_by_id_and_no_table_is_made(amazon: tuple[str, int]) -> None:
    import boto3

    host, port = amazon
    url = f"dynamodb://testing:testing@{host}:{port}/results"
    results, _ = open_results(url, Profile())
    assert results is not None
    with pytest.raises(ConnectionProblem):
        await results.get(["t1"])
    assert boto3.client("dynamodb").list_tables()["TableNames"] == []
    app = Celery("writer", backend=url, set_as_current=False)
    app.backend.store_result("t1", {"n": 42}, "SUCCESS")
    assert (await results.get(["t1", "t2"]))["t1"].result == {"n": 42}
    await results.close()
