"""A thousand retries of a filter keep queue, priority, headers, stamps and order; each runs once."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from lazycelery.engine.engine import Engine
from lazycelery.model.action import Order
from lazycelery.model.profile import Profile
from lazycelery.model.task import TaskQuery
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker

pytestmark = [pytest.mark.broker, pytest.mark.soak]
THOUSAND = 1000
QUEUES = ("celery", "slow")
STEPS = (0, 3, 6, 9)
NEW = ("id", "retries", "eta", "expires", "lazycelery_retry_of", "lazycelery_tag")
"""Headers that a retry sets anew."""


def publish(url: str) -> None:
    """Two queues, four priorities, stamped tasks with a header of their own; they fail."""
    with Celery("client", broker=url, set_as_current=False) as app:
        for number in range(THOUSAND):
            app.send_task(
                "shop.charge",
                args=(f"n{number}",),
                queue=QUEUES[number % 2],
                priority=STEPS[number // 2 % 4],
                headers={"tenant": "acme", "x-number": number, "stamped_headers": ["tenant"]},
                stamps={"tenant": "acme"},
                tenant="acme",
            )


def lists(broker: RedisServer) -> dict[str, list[dict[str, Any]]]:
    """Waiting messages by list, next to run first."""
    client, found = broker.client(), {}
    for queue in QUEUES:
        for step in STEPS:
            key = f"{queue}\x06\x16{step}" if step else queue
            found[key] = [json.loads(raw) for raw in client.lrange(key, 0, -1)[::-1]]  # type: ignore[index, union-attr]
    return found


def kept(message: dict[str, Any]) -> Any:
    headers = {name: value for name, value in message["headers"].items() if name not in NEW}
    return headers, base64.b64decode(message["body"]), message["properties"]["priority"]


async def test_a_thousand(broker: RedisServer, tmp_path: Path) -> None:
    publish(broker.url)
    before = lists(broker)
    assert sum(map(len, before.values())) == THOUSAND
    profile = Profile(
        broker=broker.url, allow=["all"], audit_file=str(tmp_path / "audit"), history=False, timeout=5.0
    )
    engine = Engine(profile)
    await engine.start()
    await engine.ready(15)
    ids = [each["headers"]["id"] for waiting in before.values() for each in waiting]
    for id, message in (await engine._parts.broker.queues.find(ids)).items():
        engine._parts.store.raw.keep(id, message)  # As a look at each of them does.
    worker = CeleryWorker(broker.url, "w1", queues=",".join(QUEUES))
    await asyncio.to_thread(worker.start)
    await until_failed(engine, "state:failure", THOUSAND)
    await asyncio.to_thread(worker.stop)
    plan = await engine.plan(Order(action="retry", filter="state:failure name:shop.charge"))
    assert (plan.count, plan.grades) == (THOUSAND, {"exact": THOUSAND})
    assert plan.queues == dict.fromkeys(QUEUES, THOUSAND // 2)
    outcome = await engine.act(plan.id, plan.word)
    assert (outcome.done, outcome.failed, outcome.unknown) == (THOUSAND, 0, 0)
    after = lists(broker)
    assert {key: [kept(each) for each in each_list] for key, each_list in after.items()} == {
        key: [kept(each) for each in each_list] for key, each_list in before.items()
    }
    assert {each["headers"]["lazycelery_tag"] for each_list in after.values() for each in each_list} == {
        outcome.tag
    }
    await asyncio.to_thread(worker.start)
    await until_failed(engine, f"state:failure tag:{outcome.tag}", THOUSAND)
    ran = Path(worker.log).read_text().count("card declined for order n7'")
    assert ran in (1, 2), "once in this worker's log, and once in the traceback perhaps"
    await asyncio.to_thread(worker.stop)
    await engine.close()


async def until_failed(engine: Engine, filter: str, count: int) -> None:
    for _ in range(1200):
        if (await engine.tasks(TaskQuery(filter=filter, limit=1))).matched == count:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{filter}: {(await engine.tasks(TaskQuery(filter=filter, limit=1))).matched}")
