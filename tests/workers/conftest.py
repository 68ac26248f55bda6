"""Two real workers of one kind on one kind of broker: each action is tried on every pair."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from celery import Celery

from tests.actions.live import Live, live
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker
from tests.support.rabbit import RabbitServer

W1, W2 = "w1@test", "w2@test"


class Place(NamedTuple):
    """Where the workers are; `tool` asks them independently of what is tested."""

    broker: str
    pool: str
    url: str
    management: str | None
    tool: Celery

    def ask(self, method: str, worker: str = W1, **arguments: Any) -> Any:
        """What a worker says, by Celery's own client."""
        for _ in range(5):
            replies = self.tool.control.broadcast(
                method, arguments=arguments, destination=[worker], reply=True, timeout=2, limit=1
            )
            if replies:
                return replies[0][worker]
        raise AssertionError(f"{worker} does not answer {method}")

    def queues(self, worker: str = W1) -> set[str]:
        return {queue["name"] for queue in self.ask("active_queues", worker)}


def place(broker: str, pool: str, *marks: Any) -> Any:
    return pytest.param((broker, pool), id=f"{broker}-{pool}", marks=marks)


PLACES = [
    place("redis", "prefork"),
    place("rabbitmq", "prefork"),
    place("redis", "threads", pytest.mark.soak),
    place("redis", "solo", pytest.mark.soak),
    place("rabbitmq", "threads", pytest.mark.soak),
    place("rabbitmq", "solo", pytest.mark.soak),
]


@pytest.fixture(scope="module", params=PLACES)
def at(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Two workers, `w1` on celery and mail, `w2` on celery; the first with what pools need to restart."""
    broker, pool = request.param
    with ExitStack() as stack:
        url, management = _open(broker, request, stack)
        started = []
        for name, queues in (("w1", "celery,mail"), ("w2", "celery")):
            one = CeleryWorker(
                url,
                name,
                pool=pool,
                queues=queues,
                backend="" if broker == "rabbitmq" else None,
                env={"TEST_POOL_RESTARTS": "1"} if name == "w1" else {},
            )
            stack.callback(one.kill)
            started.append(one.launch())
        for one in started:
            one.ready()
        tool = Celery("tool", broker=url, set_as_current=False)
        stack.callback(tool.close)
        yield Place(broker, pool, url, management, tool)


def _open(broker: str, request: pytest.FixtureRequest, stack: ExitStack) -> tuple[str, str | None]:
    if broker == "redis":
        redis = RedisServer().start()
        stack.callback(redis.remove)
        return redis.url, None
    rabbit: RabbitServer = request.getfixturevalue("rabbit")
    name = f"test/{uuid.uuid4().hex[:8]}"
    rabbit.add_vhost(name)
    stack.callback(rabbit.drop_vhost, name)
    return rabbit.url(name), rabbit.management


@pytest.fixture
async def here(at: Place, tmp_path: Path) -> AsyncIterator[Live]:
    """Actions on that cluster."""
    async with open_live(at, tmp_path) as one:
        yield one


def open_live(at: Place, directory: Path, **profile: Any) -> Any:
    return live(at.url, directory, results=False, management=at.management, **profile)


async def online(here: Live, *names: str) -> None:
    """Wait until these workers are known to be there."""
    deadline = time.monotonic() + 15
    while not {*names} <= {worker.name for worker in here.actions._context.online()}:
        assert time.monotonic() < deadline, here.store.workers(time.time())
        await here.survey()


async def told(question: Callable[[], Any]) -> Any:
    """A question to the independent tool, beside our loop."""
    return await asyncio.to_thread(question)
