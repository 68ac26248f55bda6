"""Errors in groups, of a real worker that fails in three ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.errors import NothingFound, UsageError
from lazycelery.model.faults import ErrorPage, ErrorQuery
from lazycelery.model.profile import Profile
from lazycelery.model.task import TaskQuery
from tests.cli.program import lazycelery
from tests.sources.conftest import until
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker


@asynccontextmanager
async def watching(profile: Profile) -> AsyncIterator[Engine]:
    engine = Engine(profile)
    await engine.start()
    try:
        await engine.ready(20)
        yield engine
    finally:
        await engine.close()


async def groups(engine: Engine, failures: int, **query: Any) -> ErrorPage:
    for _ in range(300):
        page = await engine.errors(ErrorQuery(**query))
        if page.failures >= failures:
            return page
        await asyncio.sleep(0.1)
    raise AssertionError(page)


async def test_three_ways_to_fail_are_three_groups(shared_broker: RedisServer, tmp_path: Path) -> None:
    broker = shared_broker.url
    profile = Profile(broker=broker, history_dir=str(tmp_path), recorder=True)
    worker = CeleryWorker(broker, "breaks", queues="breaks").start()
    try:
        async with watching(profile) as engine:
            await asyncio.to_thread(fail, broker, ("key", "json", "gateway"), 2)
            page = await groups(engine, 6, sort="last")
            known = {group.type: group for group in page.groups}
            assert {name: group.count for name, group in known.items()} == {
                "KeyError": 2,
                "JSONDecodeError": 2,
                "TimeoutError": 2,
            }
            late = known["TimeoutError"]
            assert late.message == "gateway did not answer for order <n> within <n> s"
            assert late.place == "support/tasks.py in breaks" and late.code and late.code.startswith("raise")
            assert known["KeyError"].message == "<key>" and page.mark is None and late.new is None
            members = await engine.tasks(TaskQuery(filter=f"error_group:{late.id}"))
            assert members.matched == 2 and all("gateway" in (row.error or "") for row in members.rows)
            detail = await engine.error_group(late.id)
            told = {one.field: one for one in detail.differences}
            assert (
                told["worker"].same
                and not told["args.1"].same
                and told["args.0"].values[0].value == "gateway"
            )
            assert (await engine.heat("worker")).failed == [[6]]
            with pytest.raises(NothingFound):
                await engine.error_group("0123456789")
            with pytest.raises(UsageError):
                await engine.error_group("no*such")
            with pytest.raises(UsageError):
                await engine.errors(ErrorQuery(since="yesterdayish"))

            await engine.mark("release 1.4")
            await asyncio.to_thread(send, broker, "shop.charge", 7, queue="breaks")
            await asyncio.to_thread(fail, broker, ("key",), 1)
            page = await groups(engine, 8)
            assert [group.type for group in page.groups if group.new] == ["ValueError"]
            assert all(group.new is not None for group in page.groups)
            ids = {group.id for group in page.groups}

        reading = Profile(broker=broker, history_dir=str(tmp_path))
        async with watching(reading) as engine:
            assert {group.id for group in (await groups(engine, 8)).groups} == ids
            page = await groups(engine, 1, new=True)
            assert [group.type for group in page.groups] == ["ValueError"] and page.mark is not None
            assert (page.matched, page.failures) == (1, 1)
            before = await engine.errors(ErrorQuery(since="1h"))
            assert before.failures == 8
        done = await asyncio.to_thread(lazycelery, broker, "errors", "--json")
        assert done.code == 0 and {group["id"] for group in done.json["groups"]} <= ids
    finally:
        worker.kill()


def fail(broker: str, ways: tuple[str, ...], times: int) -> None:
    for way in ways:
        for order in range(1, times + 1):
            send(broker, "shop.breaks", way, order, queue="breaks")


@pytest.mark.soak
async def test_a_worker_that_begins_anew_sets_a_mark(shared_broker: RedisServer, tmp_path: Path) -> None:
    worker = CeleryWorker(shared_broker.url, "anew", queues="anew").start()
    try:
        async with watching(Profile(broker=shared_broker.url, history_dir=str(tmp_path))) as engine:
            assert await until(lambda: worker.name in engine._parts.marks._starts, 30)
            await asyncio.to_thread(worker.stop)
            await asyncio.to_thread(worker.start)
            assert await until(lambda: engine._parts.marks._own, 30)
            [mark] = (await engine.errors(ErrorQuery())).marks
            assert mark.name.startswith("anew@test began anew") and mark.by == "workers"
    finally:
        worker.stop()
