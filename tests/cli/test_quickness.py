"""One answer, and out: quick, and nothing left behind."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.model.profile import Profile
from tests.cli.program import lazycelery
from tests.support.broker import RedisServer
from tests.support.fleet import ROOT, CeleryWorker

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def fleet(shared_broker: RedisServer) -> Iterator[RedisServer]:
    workers = [CeleryWorker(shared_broker.url, name, concurrency=1).start() for name in ("w1", "w2")]
    yield shared_broker
    for each in workers:
        each.kill()


class Cost(NamedTuple):
    wall: float
    cpu: float


def cost(command: Callable[[], object]) -> Cost:
    """Seconds of one process, by the clock and of the processor."""
    used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command()
    wall, now = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(wall, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime)


def load() -> None:
    """Only the start of it: an interpreter that loads what the command needs."""
    needed = "import lazycelery.cli.root, lazycelery.config, lazycelery.engine.engine, redis.asyncio"
    subprocess.run([sys.executable, "-c", needed], cwd=ROOT, check=True)


@pytest.mark.skipif(sys.platform == "win32", reason="processor time of children is not told")
def test_status_of_a_local_fleet_costs_little_more_than_its_start(fleet):
    def status() -> None:
        done = lazycelery(fleet.url, "status", "--json")
        assert (done.code, done.json["workers_online"]) == (0, 2)

    # In turn, and the best of three: a busy machine slows both. On an idle one: 0.3 s and 0.6 s.
    starts, answers = zip(*((cost(load), cost(status)) for _ in range(3)), strict=True)
    assert min(one.wall for one in answers) < 4 * min(one.wall for one in starts) + 0.2
    assert min(one.cpu for one in answers) < 3 * min(one.cpu for one in starts)


@pytest.mark.parametrize("command", ["status", "tasks", "peek celery", "events --for 0.3"])
def test_a_command_leaves_nothing_on_the_broker(fleet, command):
    client = fleet.client()
    before = set(client.keys())
    lazycelery(fleet.url, *command.split())
    assert set(client.keys()) - before == set()


async def test_an_engine_ends_by_itself_long_before_a_command_would_give_up(fleet):
    for _ in range(3):
        engine = Engine(Profile(broker=fleet.url))
        await engine.start()
        await engine.ready()
        began = time.monotonic()
        await engine.close()
        assert time.monotonic() - began < 1.0
