"""What a whole session costs the broker, and that nothing of it stays behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from lazycelery.model.profile import Profile
from lazycelery.sources.control import Control
from lazycelery.sources.results import open_results
from tests.sources.conftest import Open, Watched, until
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker
FORBIDDEN = {"keys", "smembers", "hgetall", "hvals", "flushdb", "flushall", "monitor", "config|set"}


def of_ours(broker: RedisServer, before: dict[str, int]) -> dict[str, int]:
    """Commands that ran since, by name."""
    stats = broker.client().info("commandstats")
    calls = {name.removeprefix("cmdstat_"): entry["calls"] for name, entry in stats.items()}
    return {name: count - before.get(name, 0) for name, count in calls.items() if count > before.get(name, 0)}


async def test_a_whole_session_uses_no_unbounded_command_and_leaves_no_trace(
    opened: Open, broker: RedisServer
) -> None:
    client = broker.client()
    for n in range(20):
        send(broker.url, "shop.add", n, n, backend=broker.url)
    keys = set(client.scan_iter())
    before, others = of_ours(broker, {}), connections(broker)
    link = await opened(broker.url)
    watched = await Watched(link.events).connected()
    await Control(link.mailbox).survey(timeout=0.2)
    await link.queues.probe(await link.queues.names())
    page = await link.queues.peek("celery")
    await link.queues.find([str(page.messages[0].id), "nowhere"])
    await link.queues.in_flight()
    results, _ = open_results(broker.url, Profile())
    assert results is not None
    await results.newest()
    await results.get(["x"])
    saved: list[object] = []
    await link.queues.purge("celery", saved.extend)
    await link.queues.put_back(saved)  # type: ignore[arg-type]
    await watched.stop()
    await results.close()
    await link.close()
    used = of_ours(broker, before)
    assert used.keys() & FORBIDDEN == set(), used
    assert set(client.scan_iter()) == keys
    await until(lambda: connections(broker) <= others, what="our connections closed")


def connections(broker: RedisServer) -> set[str]:
    return {one["id"] for one in broker.client().client_list() if one["resp"] == "2"}


async def test_rest_costs_less_than_20_commands_a_second_whatever_the_number_of_keys(
    opened: Open, broker: RedisServer, worker: Callable[..., CeleryWorker]
) -> None:
    worker("w1", queues="celery,high,low")
    pipe = broker.client().pipeline()
    for n in range(50_000):
        pipe.set(f"celery-task-meta-{n}", "x")
    pipe.execute()
    link = await opened(broker.url)
    await Control(link.mailbox).survey()
    await link.queues.probe(await link.queues.names())
    before, started = link.commands_sent(), time.monotonic()
    for _ in range(5):  # Ten seconds as the engine lives them, without the waiting.
        await link.queues.probe(await link.queues.names())
        await link.lost()
    await Control(link.mailbox).survey()
    assert (link.commands_sent() - before) / 10 < 10
    assert time.monotonic() - started < 10
    await asyncio.sleep(0)
