"""file:// read directly, and the backends that are read by id through Celery's own classes."""

from __future__ import annotations

import asyncio
import os
import pickle
from pathlib import Path

import pytest

from lazycelery.errors import ConnectionProblem
from lazycelery.model.profile import Profile
from lazycelery.model.reports import ResultReport
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.results import open_results
from lazycelery.sources.results.backends import KINDS, REFUSED
from lazycelery.sources.results.documents import read_document
from tests.sources.conftest import until
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send


@pytest.mark.broker
async def test_files_of_real_workers_are_read_listed_and_heard(broker: RedisServer, tmp_path: Path) -> None:
    url = f"file://{tmp_path}"
    worker = CeleryWorker(broker.url, "w1", backend=url, env={"TEST_EXTENDED": "1"}).start()
    results, _ = open_results(url, Profile())
    assert results is not None
    heard: list[ResultReport] = []
    states: list[StatusChange] = []
    running = asyncio.ensure_future(results.run(heard.extend, states.append))
    try:
        assert await until(lambda: bool(states))
        added, failed = send(broker.url, "shop.add", 1, 2), send(broker.url, "shop.charge", 7)
        assert await until(lambda: {each.id for each in heard} == {added, failed})
        found = await results.get([added, failed, "nobody", "../../etc/passwd"])
        assert (found[added].result, found[added].args, found[failed].status) == (3, [1, 2], "FAILURE")
        assert {each.id for each in await results.newest()} == {added, failed} and len(found) == 2
    finally:
        running.cancel()
        worker.kill()
        await results.close()
    assert all(name.startswith("celery-task-meta-") for name in os.listdir(tmp_path))


async def test_large_packed_and_pickled_files(tmp_path: Path) -> None:
    from kombu.compression import compress

    document = b'{"status": "SUCCESS", "result": "%s", "task_id": "t"}'
    body, kind = compress(document % b"packed", "gzip")
    (tmp_path / "celery-task-meta-packed").write_bytes(
        b"\0celery-compressed\0" + kind.encode() + b"\0" + body
    )
    (tmp_path / "celery-task-meta-large").write_bytes(document % (b"x" * 1_000_000))
    (tmp_path / "celery-task-meta-pickled").write_bytes(pickle.dumps({"status": "FAILURE", "result": open}))
    results, _ = open_results(f"file://localhost{tmp_path}", Profile())
    assert results is not None
    found = await results.get(["packed", "large", "pickled"])
    assert found["packed"].result == "packed" and found["large"].cut
    assert (found["pickled"].status, found["pickled"].result) == ("FAILURE", None)
    await results.close()


async def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    results, _ = open_results(f"file://{tmp_path}/no", Profile())
    assert results is not None
    with pytest.raises(ConnectionProblem, match="There is no folder"):
        await results.newest()
    await results.close()
    assert not (tmp_path / "no").exists()


def test_a_bomb_is_not_unpacked() -> None:
    from kombu.compression import compress

    body, kind = compress(b"0" * 50_000_000, "gzip")
    assert read_document("t", b"\0celery-compressed\0" + kind.encode() + b"\0" + body) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rpc://", "nobody else can read them"),
        ("django-db", "--backend django-db+postgresql"),
        ("cache+memory://", "worker's own memory"),
        ("mongodb://h/db", "not read yet"),
        ("cassandra://h", "unpickles"),
        ("nonsense://h", "are not read"),
    ],
)
def test_what_is_not_read_says_why(url: str, words: str) -> None:
    results, why = open_results(url, Profile())
    assert results is None and words in why


@pytest.mark.parametrize("scheme", sorted(KINDS))
async def test_by_id_it_says_what_is_missing_or_that_nobody_is_there(scheme: str) -> None:
    place = "+memcached://127.0.0.1:9/" if scheme == "cache" else "://u:s3cret@127.0.0.1:9/bucket"
    results, why = open_results(scheme + place, Profile())
    assert results is not None and not why and "s3cret" not in results.url
    with pytest.raises(ConnectionProblem) as caught:
        await results.get(["x"])
    assert caught.value.hint and "s3cret" not in str(caught.value)
    await results.close()


def test_every_backend_of_celery_is_read_or_refused_in_words() -> None:
    from celery.app.backends import BACKEND_ALIASES

    for name in BACKEND_ALIASES:
        url = f"{name}+sqlite:///x" if name in ("db", "database") else f"{name}://h/0"
        results, why = open_results(url, Profile())
        assert results is not None or len(why) > 20, name
    assert not set(KINDS) & set(REFUSED)


async def test_many_new_files_are_told_in_portions(tmp_path: Path) -> None:
    results, _ = open_results(f"file://{tmp_path}", Profile())
    assert results is not None
    heard: list[list[ResultReport]] = []
    states: list[StatusChange] = []
    running = asyncio.ensure_future(results.run(heard.append, states.append))
    try:
        assert await until(lambda: bool(states))
        for number in range(450):
            (tmp_path / f"celery-task-meta-{number}").write_bytes(b'{"status": "SUCCESS", "result": 1}')
        assert await until(lambda: sum(map(len, heard)) >= 450)
        assert max(map(len, heard)) <= 100
    finally:
        running.cancel()
        await results.close()
