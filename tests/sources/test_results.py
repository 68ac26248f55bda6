"""Results of real tasks: asked for, found, heard; large ones are cut."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from lazycelery.errors import ConnectionProblem
from lazycelery.model.profile import Profile
from lazycelery.model.reports import ResultReport
from lazycelery.sources.protocols.status import StatusChange
from lazycelery.sources.results import open_results
from lazycelery.sources.results.redis import RedisResults, key_prefix
from tests.sources.conftest import until
from tests.sources.servers import Wire, certificate, server_tls, serving
from tests.support.broker import RedisServer, free_port, server_binary
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker


@pytest.fixture
async def results(broker: RedisServer) -> AsyncIterator[RedisResults]:
    found, _ = open_results(broker.url, Profile())
    assert isinstance(found, RedisResults)
    yield found
    await found.close()


def write(
    broker: RedisServer, id: str, result: Any, prefix: str = "", ttl: int | None = 1000, **more: Any
) -> None:
    document = json.dumps({"status": "SUCCESS", "result": result, "traceback": None, "task_id": id, **more})
    key = f"{prefix}celery-task-meta-{id}"
    broker.client().set(key, document, ex=ttl)
    broker.client().publish(key, document)


async def test_real_results_are_read_with_all_that_celery_tells(
    broker: RedisServer, results: RedisResults, worker: Callable[..., CeleryWorker]
) -> None:
    worker("w1", env={"TEST_EXTENDED": "1"})
    fine, bad = send(broker.url, "shop.add", 1, 2), send(broker.url, "shop.charge", 42)
    await until(lambda: broker.client().exists(f"celery-task-meta-{fine}", f"celery-task-meta-{bad}") == 2)
    found = await results.get([fine, bad, "unknown"])
    assert set(found) == {fine, bad}
    assert (found[fine].status, found[fine].result, found[fine].worker) == ("SUCCESS", 3, "w1@test")
    assert found[fine].args == [1, 2] and found[fine].queue == "celery" and found[fine].date_done
    assert found[bad].status == "FAILURE" and "card declined" in str(found[bad].traceback)
    assert found[bad].result["exc_type"] == "ValueError"


async def test_results_are_heard_as_they_are_written_even_after_the_broker_died(
    broker: RedisServer, results: RedisResults
) -> None:
    heard: list[ResultReport] = []
    changes: list[StatusChange] = []
    task = asyncio.ensure_future(results.run(heard.extend, changes.append))
    await until(lambda: changes and changes[-1].state == "connected", what="connected")
    write(broker, "one", 1)
    await until(lambda: heard, what="one")
    broker.client().publish("celery-task-meta-odd", b"\xff not json")
    broker.kill()
    await until(lambda: changes[-1].state == "lost", what="lost")
    broker.start()
    await until(lambda: changes[-1].state == "connected", what="again")
    write(broker, "two", 2)
    await until(lambda: len(heard) == 2, what="two")
    assert [(report.id, report.result) for report in heard] == [("one", 1), ("two", 2)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_large_result_is_cut_and_not_fetched_whole(
    broker: RedisServer, results: RedisResults
) -> None:
    write(broker, "big", "x" * 10_000_000, date_done="2026-11-21T01:29:27+00:00")
    write(broker, "small", 1)
    found = await results.get(["big", "small"])
    assert found["big"].cut and found["big"].size > 10_000_000 and len(found["big"].result) < 20_000
    assert found["big"].date_done and not found["small"].cut
    sent = broker.client().info("stats")["total_net_output_bytes"]
    assert sent < 5_000_000


async def test_the_newest_are_those_with_the_longest_life(broker: RedisServer, results: RedisResults) -> None:
    for n in range(50):
        write(broker, f"t{n}", n, ttl=1000 + n, date_done=f"2026-11-21T01:29:{n:02}+00:00")
    broker.client().set("celery-task-meta-broken", "{")
    broker.client().lpush("celery-task-meta-list", "x")
    found = await results.newest(5)
    assert [report.id for report in found] == ["t49", "t48", "t47", "t46", "t45"]


async def test_many_ids_are_asked_in_pages(broker: RedisServer, results: RedisResults) -> None:
    for n in range(250):
        write(broker, f"t{n}", n)
    found = await results.get([f"t{n}" for n in range(260)])
    assert len(found) == 250 and found["t249"].result == 249


@pytest.mark.parametrize(
    ("prefix", "key"), [(None, ""), ("", ""), ("acme", "acme_"), ("acme:", "acme:"), ("a-", "a-")]
)
def test_a_prefix_is_joined_as_celery_does(prefix: str | None, key: str) -> None:
    assert key_prefix(prefix) == key


async def test_a_prefix_is_used_to_read_and_to_hear(broker: RedisServer) -> None:
    found, _ = open_results(broker.url, Profile(result_prefix="acme"))
    assert found is not None
    write(broker, "plain", 0)
    write(broker, "mine", 1, prefix="acme_")
    assert set(await found.get(["plain", "mine"])) == {"mine"}
    assert [report.id for report in await found.newest()] == ["mine"]
    await found.close()


async def test_an_unreachable_backend_is_a_connection_problem() -> None:
    found, _ = open_results(f"redis://:secret@127.0.0.1:{free_port()}/0", Profile())
    assert found is not None
    with pytest.raises(ConnectionProblem) as caught:
        await found.get(["x"])
    assert "secret" not in str(caught.value) and caught.value.hint
    await found.close()


async def test_results_are_read_and_heard_through_tls(broker: RedisServer, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    async with serving(Wire(broker.port).handle, server_tls(cert, key)) as port:
        found, _ = open_results(f"rediss://localhost:{port}/0", Profile(tls_ca=cert))
        assert found is not None
        await read_and_heard(found, broker)
        refused, _ = open_results(f"rediss://localhost:{port}/0", Profile())
        assert refused is not None
        with pytest.raises(ConnectionProblem):
            await refused.get(["x"])
        await refused.close()


async def test_results_are_read_and_heard_through_sentinel(broker: RedisServer, tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "sentinel.conf"
    config.write_text(f"port {port}\nbind 127.0.0.1\nsentinel monitor one 127.0.0.1 {broker.port} 1\n")
    sentinel = subprocess.Popen([server_binary(), str(config), "--sentinel"], stdout=subprocess.DEVNULL)
    try:
        profile = Profile(master_name="one", result_prefix="acme")
        found, _ = open_results(f"sentinel://127.0.0.1:{port}/0", profile)
        assert found is not None
        deadline = asyncio.get_running_loop().time() + 10
        while True:
            try:
                await found.get(["x"])
                break
            except ConnectionProblem:
                assert asyncio.get_running_loop().time() < deadline
                await asyncio.sleep(0.1)
        await read_and_heard(found, broker, "acme_")
    finally:
        sentinel.terminate()
        sentinel.wait(10)


async def read_and_heard(found: Any, broker: RedisServer, prefix: str = "") -> None:
    """A result is read by id, and another one heard; then the backend is closed."""
    heard: list[ResultReport] = []
    states: list[StatusChange] = []
    running = asyncio.ensure_future(found.run(heard.extend, states.append))
    await until(lambda: states and states[-1].state == "connected")
    write(broker, "mine", 1, prefix=prefix)
    await until(lambda: "mine" in [each.id for each in heard])
    assert (await found.get(["mine"]))["mine"].result == 1
    running.cancel()
    await found.close()
