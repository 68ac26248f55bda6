"""The history of a real engine on a real broker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lazycelery.engine.api import EngineApi
from lazycelery.engine.client import spawn
from lazycelery.engine.engine import Engine
from lazycelery.engine.memory import files_of
from lazycelery.errors import NothingFound, UsageError
from lazycelery.model.action import Order
from lazycelery.model.history import HistoryQuery
from lazycelery.model.profile import Profile
from lazycelery.model.recorded import RecordedKind, RecordedQuery
from lazycelery.model.task import TaskQuery
from tests.engine.test_contract import state_of, until
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker


def profile_of(broker: RedisServer, tmp_path: Path, **own: object) -> Profile:
    return Profile(broker=broker.url, history_dir=str(tmp_path / "history"), **{"recorder": True, **own})  # type: ignore[arg-type]


async def over_the_pipe(api: EngineApi, failed: str) -> None:
    """What real workers told of a task, page by page."""

    async def asked(kind: RecordedKind, filter: str = "") -> list[Any]:
        page = await api.recorded(RecordedQuery(kind=kind, filter=filter))
        found = list(page.entries)
        while page.next is not None:
            page = await api.recorded(RecordedQuery(kind=kind, filter=filter, after=page.next))
            found += page.entries
        return found

    told = await asked("events", failed)
    own = [one for one in told if one.type != "task-sent"]  # That comes by another way, sooner or later.
    assert [one.type for one in own] == ["task-failed", "task-started", "task-received"] and len(told) == 4
    assert {(one.id, one.name) for one in told} == {(failed, "shop.charge")}
    assert {one.worker.partition("@")[0] for one in own} == {"w1"}
    assert [one.id for one in (await api.recorded(RecordedQuery(kind="events", limit=1))).entries] == [failed]

    with pytest.raises(NothingFound):
        await api.recorded(RecordedQuery(kind="events", after="nonsense"))


async def test_a_killed_engine_is_followed_by_one_that_knows_what_it_knew(
    broker: RedisServer, worker: Callable[..., CeleryWorker], tmp_path: Path
) -> None:
    worker("w1")
    profile = profile_of(broker, tmp_path)
    process = spawn()
    client = await process.connect(profile)
    await client.api.ready(10)
    failed = send(broker.url, "shop.charge", 5)

    async def seen() -> bool:
        return await state_of(client.api, failed) == "failure"

    async def written() -> bool:
        told = (await client.api.history(HistoryQuery())).tasks
        return [(task.id, task.state) for task in told] == [(failed, "failure")]

    assert await until(seen) and await until(written)
    await over_the_pipe(client.api, failed)
    os.kill(process.pid, signal.SIGKILL)
    await client.close()
    broker.client().delete(f"celery-task-meta-{failed}")  # Nobody else remembers it.
    again = await spawn().connect(profile)
    overview = await again.api.ready(10)
    task = await again.api.task(failed, fetch=False)
    assert (task.state, task.name) == ("failure", "shop.charge") and "history" in task.marks
    assert "card declined" in (task.traceback or "")
    assert overview.history.interrupted and overview.history.loaded == 1
    assert [notice.code for notice in overview.notices if notice.code.startswith("history")] == [
        "history-interrupted"
    ]
    await again.close()


async def test_one_engine_records_and_the_other_reads_along_and_takes_over(
    broker: RedisServer, worker: Callable[..., CeleryWorker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lazycelery.engine import memory, recorder

    monkeypatch.setattr(recorder, "TAKE_OVER", 0.3)
    monkeypatch.setattr(memory, "SAMPLE_EVERY", 1)
    worker("w1")
    profile = profile_of(broker, tmp_path)
    first, second = Engine(profile), Engine(profile)

    async def writing() -> bool:
        return (await first.overview()).history.state == "writing"

    await first.start()
    assert await until(writing)
    await second.start()
    await first.ready(10)
    await second.ready(10)

    async def said() -> bool:
        codes = {notice.code: notice for notice in (await second.overview()).notices}
        return "history-along" in codes and str(os.getpid()) in codes["history-along"].title

    assert await until(said)
    one = send(broker.url, "shop.add", 1, 2)

    async def both_find(id: str) -> bool:
        pages = [await engine.history(HistoryQuery()) for engine in (first, second)]
        return all(id in [task.id for task in page.tasks] for page in pages)

    assert await until(lambda: both_find(one))

    async def sampled() -> bool:
        page = await second.recorded(RecordedQuery(kind="samples"))
        return {"online"} == {each.state for each in page.samples if each.worker} and any(
            each.queue and each.consumers for each in page.samples
        )

    assert await until(sampled)
    await first.close()

    async def took_over() -> bool:
        return (await second.overview()).history.state == "writing"

    assert await until(took_over)
    other = send(broker.url, "shop.add", 3, 4)

    async def found() -> bool:
        tasks = (await second.history(HistoryQuery(filter="state:success"))).tasks
        return sorted(task.id for task in tasks) == sorted([one, other])

    assert await until(found)
    await second.close()


async def test_an_engine_that_only_looks_reads_it_and_writes_nothing(
    broker: RedisServer, worker: Callable[..., CeleryWorker], tmp_path: Path
) -> None:
    worker("w1")
    recording = Engine(profile_of(broker, tmp_path))
    await recording.start()
    await recording.ready(10)
    one = send(broker.url, "shop.add", 1, 2)

    async def seen() -> bool:
        return await state_of(recording, one) == "success"

    assert await until(seen)
    assert (await recording.statistics("task", 3600)).recorded_until is None  # It counts itself.
    await recording.close()
    ended = time.time()
    broker.client().flushdb()
    profile = profile_of(broker, tmp_path, recorder=False)
    before = {path: path.stat().st_mtime for path in files_of(profile).all()}
    looking = Engine(profile)
    await looking.start()
    await looking.ready(10)
    plan = await looking.plan(
        Order(action="retry", filter="name:shop.add")
    )  # Nobody has asked for tasks yet.
    assert [item.target for item in plan.items] == [one]
    [row] = (await looking.tasks(TaskQuery())).rows
    assert (row.id, row.state, row.past) == (one, "success", True)
    with pytest.raises(UsageError):
        await looking.history(HistoryQuery(filter="nonsense:1"))
    counted = await looking.statistics("task", 7201)
    assert [row.succeeded for row in counted.rows] == [1]
    assert counted.recorded_until is not None and ended - 3 < counted.recorded_until < ended + 1
    await looking.close()
    assert {path: path.stat().st_mtime for path in files_of(profile).all()} == before


async def test_who_only_looks_knows_from_it_what_the_result_backend_does_not_tell(
    broker: RedisServer, worker: Callable[..., CeleryWorker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a task that is not among the newest of the history, once it is opened."""
    from lazycelery.engine import memory, past

    worker("w1")
    recording = Engine(profile_of(broker, tmp_path))
    await recording.start()
    await recording.ready(10)
    older, newer = [send(broker.url, "shop.nap", 0.3) for _ in range(2)]

    async def seen() -> bool:
        return [await state_of(recording, one) for one in (older, newer)] == ["success"] * 2

    assert await until(seen)
    told = {one: await recording.task(one) for one in (older, newer)}
    await recording.close()

    async def looked() -> tuple[Engine, set[str]]:
        looking = Engine(profile_of(broker, tmp_path, recorder=False))
        await looking.start()
        await looking.ready(10)
        page = await looking.tasks(TaskQuery(filter="runtime:>250ms"))
        return looking, {row.id for row in page.rows}

    looking, rows = await looked()
    history = (await looking.overview()).history
    assert rows == {older, newer} and (history.loaded, history.recorded) == (2, 2)
    await looking.close()
    monkeypatch.setattr(memory, "FEW", 1)
    monkeypatch.setattr(past, "AT_ONCE", 1)
    looking, rows = await looked()
    left = ({older, newer} - rows).pop()
    one = await looking.task(left)
    for name in ("state", "received", "started", "runtime", "worker", "queue"):
        assert getattr(one, name) == getattr(told[left], name), name
    await looking.close()


async def test_a_clock_that_jumps_back_and_forth_is_survived_by_history_and_statistics(
    broker: RedisServer, worker: Callable[..., CeleryWorker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole process' clock, as when somebody sets that of the machine; the workers' stays right."""
    worker("w1")
    real, ahead = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + ahead[0])
    engine = Engine(profile_of(broker, tmp_path, history_days=1.0), clock=lambda: time.time())
    await engine.start()
    await engine.ready(10)
    sent: list[str] = []

    async def one_more() -> None:
        sent.append(send(broker.url, "shop.add", 1, 2))

        async def ended() -> bool:
            page = await engine.history(HistoryQuery(filter="state:success"))
            return [task.id for task in page.tasks] == sent[::-1]

        assert await until(ended), (sent, await engine.history(HistoryQuery()))

    async def counted(least: int) -> bool:
        rows = (await engine.statistics("task", 3600)).rows
        return sum(row.succeeded for row in rows) >= least

    await one_more()
    assert await until(lambda: counted(1))
    for jump, least in ((-3 * 86_400.0, 1), (0.0, 2)):
        ahead[0] = jump
        await one_more()
        assert await until(lambda n=least: counted(n)), jump  # type: ignore[misc]
        overview = await engine.overview()
        assert (overview.history.state, overview.history.dropped) == ("writing", 0)
        assert overview.connected and abs(overview.now - time.time()) < 5
    await engine.close()
    again = Engine(profile_of(broker, tmp_path))
    ahead[0] = 0.0
    await again.start()
    await again.ready(10)
    assert {row.id for row in (await again.tasks(TaskQuery())).rows} >= set(sent)
    await again.close()


async def test_history_can_be_done_without(broker: RedisServer, tmp_path: Path) -> None:
    engine = Engine(profile_of(broker, tmp_path, history=False))
    await engine.start()
    await engine.ready(10)
    assert (await engine.overview()).history.state == "off"
    with pytest.raises(NothingFound):
        await engine.history(HistoryQuery())
    await engine.close()
    assert not (tmp_path / "history").exists()
