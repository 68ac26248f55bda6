"""Brokers, workers and engines that die while somebody watches."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lazycelery.engine import backend, past
from lazycelery.engine.client import spawn
from lazycelery.engine.engine import Engine
from lazycelery.errors import ConnectionProblem
from lazycelery.model.profile import Profile
from lazycelery.model.reports import ResultReport
from lazycelery.sources.replay.tape import Tape
from lazycelery.sources.results.redis import RedisResults
from tests.engine.test_contract import state_of, until
from tests.engine.test_hostile import event
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker


async def test_a_broker_that_dies_and_returns_is_picked_up_and_nothing_known_is_lost(
    broker: RedisServer, worker: Callable[..., CeleryWorker], tmp_path: Path
) -> None:
    worker("w1")
    tape = tmp_path / "outage.tape"
    engine = Engine(Profile(broker=broker.url, refresh=0.5, control_refresh=1, record=str(tape)))
    await engine.start()
    try:
        await engine.ready(10)
        before = send(broker.url, "shop.add", 1, 2)

        async def first_ended() -> bool:
            return await state_of(engine, before) == "success"

        assert await until(first_ended)
        assert (await engine.overview()).lag is not None
        broker.kill()

        async def told() -> bool:
            overview = await engine.overview()
            return not overview.connected and bool(overview.sources[0].reason) and overview.lag is None

        assert await until(told)
        assert await state_of(engine, before) == "success"
        broker.start()

        async def back() -> bool:
            overview = await engine.overview()
            return overview.connected and overview.workers_online == 1 and overview.sources[1].gaps >= 1

        assert await until(back, 30)
        after = send(broker.url, "shop.charge", 5)

        async def second_failed() -> bool:
            return await state_of(engine, after) == "failure"

        assert await until(second_failed, 30)
    finally:
        await engine.close()
    links = [frame.said.state for frame in Tape(tape).frames() if frame.kind == "links"]
    assert (links[0], links[1], links[-1]) == ("connected", "lost", "connected"), "a replay tells it too"
    told = [(frame.at, frame.said) for frame in Tape(tape).frames() if frame.kind == "broker"]
    assert [change.state for _, change in (told[0], told[1], told[-1])] == ["connected", "lost", "connected"]
    [gone, *_], back = [at for at, change in told if change.state == "lost"], told[-1][0]
    middle = (gone + back) / 2 - Tape(tape).start
    replay = Engine(Profile(broker=f"replay://{tape}?speed=1&paused=1&from={middle}"))
    await replay.start()
    try:

        async def away() -> bool:
            overview = await replay.overview()
            return not overview.connected and overview.sources[0].reason == told[1][1].reason

        assert await until(away), "its header is as that of the one who watched"
        await replay.replay("jump", Tape(tape).end)

        async def there() -> bool:
            return (await replay.overview()).connected

        assert await until(there)
    finally:
        await replay.close()


async def test_what_ended_while_no_event_came_through_is_learnt_from_the_backend(broker: RedisServer) -> None:
    engine = Engine(Profile(broker=broker.url, timeout=0.3))
    await engine.start()
    client = broker.client()
    try:
        await engine.ready(10)
        for step in ("received", "started"):
            told = event(type=f"task-{step}", hostname="w@gone", uuid="unseen-end", name="shop.x")
            client.publish("/0.celeryev/task.multi", told)

        async def started() -> bool:
            return await state_of(engine, "unseen-end") == "started"

        assert await until(started)
        meta = {"status": "SUCCESS", "result": 5, "task_id": "unseen-end", "children": []}
        client.set("celery-task-meta-unseen-end", json.dumps(meta))
        client.client_kill_filter(_type="pubsub")

        async def learnt() -> bool:
            return await state_of(engine, "unseen-end") == "success"

        assert await until(learnt, 20)
    finally:
        await engine.close()


async def test_what_ended_unseen_while_nobody_watched_is_asked_for_and_once(
    broker: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tasks of the recorded history are older than the newest results, which are read at the start. That one
    is said to have started tells nothing: its run may have ended unseen."""

    async def none(self: RedisResults, limit: int = 200) -> list[ResultReport]:
        return []

    monkeypatch.setattr(RedisResults, "newest", none)
    client, asked = broker.client(), list[str]()
    profile = Profile(broker=broker.url, timeout=0.3, history_dir=str(tmp_path), recorder=True)
    engine = Engine(profile)
    await engine.start()
    try:
        await engine.ready(10)
        for id in ("left-1", "left-2", "left-3"):
            told = event(type="task-received", hostname="w@gone", uuid=id, name="shop.x")
            client.publish("/0.celeryev/task.multi", told)

        async def heard() -> bool:
            return await state_of(engine, "left-3") == "received"

        assert await until(heard)
    finally:
        await engine.close()
    for id, status in (("left-1", "SUCCESS"), ("left-2", "SUCCESS"), ("left-3", "STARTED")):
        meta = {"status": status, "result": 5, "task_id": id, "children": []}
        client.set(f"celery-task-meta-{id}", json.dumps(meta))
    monkeypatch.setattr(past, "STILL", 0.0)
    one = RedisResults.get
    monkeypatch.setattr(RedisResults, "get", lambda self, ids: (asked.extend(ids), one(self, ids))[1])
    monkeypatch.setattr(backend, "UNSEEN_EVERY", 0.5)
    again = Engine(profile)
    await again.start()
    try:
        await again.ready(10)

        async def learnt() -> bool:
            states = [await state_of(again, id) for id in ("left-1", "left-2", "left-3")]
            return states == ["success", "success", "unknown"]

        assert await until(learnt, 20)
        await asyncio.sleep(3)
        assert sorted(set(asked)) == sorted(asked) and "left-3" in asked
    finally:
        await again.close()


async def test_results_of_another_database_are_not_taken_for_ours(broker: RedisServer) -> None:
    engine = Engine(Profile(broker=broker.url, timeout=0.3))
    await engine.start()
    try:
        await engine.ready(10)
        assert await until(lambda: connected(engine, "results"))
        assert [source.gaps for source in (await engine.overview()).sources] == [0, 0, 0, 0]
        for db, id in ((5, "foreign"), (0, "ours")):
            meta = json.dumps({"status": "SUCCESS", "result": db, "task_id": id, "children": []})
            client = broker.client(db)
            client.set(f"celery-task-meta-{id}", meta)
            client.publish(f"celery-task-meta-{id}", meta)

        async def seen() -> bool:
            return await state_of(engine, "ours") == "success"

        assert await until(seen)
        assert await state_of(engine, "foreign") is None
    finally:
        await engine.close()


async def connected(engine: Engine, source: str) -> bool:
    return any(one.name == source and one.state == "connected" for one in (await engine.overview()).sources)


async def test_a_wrong_certificate_file_is_told_and_not_waited_for(broker: RedisServer) -> None:
    engine = Engine(Profile(broker=f"rediss://127.0.0.1:{broker.port}/0", tls_ca="/nonexistent/ca.pem"))
    await engine.start()
    try:
        with pytest.raises(ConnectionProblem, match="TLS"):
            await engine.ready(10)
    finally:
        await engine.close()


async def test_events_stay_off_for_new_workers_once_locked_and_what_is_switched_is_logged(
    broker: RedisServer, worker: Callable[..., CeleryWorker]
) -> None:
    worker("w1", events=False)
    engine = Engine(Profile(broker=broker.url, allow=["events"], enable_events=True, control_refresh=1))
    await engine.start()
    try:
        await engine.ready(10)

        async def switched() -> bool:
            return [entry.targets for entry in await engine.audit()] == [["w1@test"]]

        assert await until(switched)
        await engine.lock()
        worker("w2", events=False)

        async def both() -> bool:
            return (await engine.overview()).workers_online == 2

        assert await until(both)
        assert await switched()
    finally:
        await engine.close()
    assert [entry.title.split(",")[0] for entry in await engine.audit()] == [
        "Task events off again",
        "Task events on for workers that came later",
    ]


async def test_a_killed_worker_is_said_to_be_lost(
    broker: RedisServer, worker: Callable[..., CeleryWorker]
) -> None:
    one = worker("w1")
    engine = Engine(Profile(broker=broker.url, control_refresh=1, timeout=0.5))
    await engine.start()
    try:
        await engine.ready(10)
        one.kill()

        async def lost() -> bool:
            [seen] = await engine.workers()
            return seen.state == "offline" and bool(seen.why)

        assert await until(lost, 25)
        [notice] = [one for one in (await engine.overview()).notices if one.code != "note"]
        assert notice.code == "no-workers" and "w1@test is lost" in notice.title
    finally:
        await engine.close()


async def test_while_the_broker_hangs_no_worker_is_said_to_be_lost(
    broker: RedisServer, worker: Callable[..., CeleryWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lazycelery.store.worker_views.LOST_AFTER", 7.0)
    worker("w1")
    engine = Engine(Profile(broker=broker.url, refresh=0.5, control_refresh=1, timeout=1))
    await engine.start()
    assert broker.process is not None
    try:
        await engine.ready(10)

        async def state() -> str:
            (known,) = await engine.workers()
            return known.state

        async def heard() -> bool:
            return (await engine.workers())[0].heartbeat_age is not None

        assert await until(heard, 20)
        broker.process.send_signal(signal.SIGSTOP)
        seen = {await state()}

        async def doubted() -> bool:
            seen.add(await state())
            return "unknown" in seen

        assert await until(doubted, 30)
        await asyncio.sleep(2)
        assert await state() == "unknown" and "offline" not in seen
        broker.process.send_signal(signal.SIGCONT)

        async def back() -> bool:
            return await state() == "online"

        assert await until(back, 30)
    finally:
        broker.process.send_signal(signal.SIGCONT)
        await engine.close()


@pytest.mark.soak
async def test_a_solo_worker_in_its_task_is_busy_however_long_it_is_silent(
    broker: RedisServer, worker: Callable[..., CeleryWorker], tmp_path: Path
) -> None:
    release = tmp_path / "release"
    worker("solo", pool="solo", concurrency=1)
    worker("other", queues="other")
    running = send(broker.url, "shop.wait_for", str(release))
    await until(lambda: unacked(broker))
    engine = Engine(Profile(broker=broker.url, control_refresh=1, timeout=0.5))
    await engine.start()
    try:
        await engine.ready(10)

        async def states() -> dict[str, str]:
            return {one.name: one.state for one in await engine.workers()}

        ends = time.monotonic() + 13  # Longer than the silence after which another one is lost.
        while time.monotonic() < ends:
            assert await states() == {"solo@test": "busy", "other@test": "online"}
            await asyncio.sleep(0.5)
        release.touch()

        async def free() -> bool:
            return await states() == {"solo@test": "online", "other@test": "online"}

        assert await until(free, 20)
        assert await state_of(engine, running) == "success"
    finally:
        release.touch()
        await engine.close()


async def unacked(broker: RedisServer) -> bool:
    """Whether a worker has taken a message."""
    return bool(broker.client().keys("unacked*")) or not broker.client().llen("celery")


async def test_a_worker_that_says_goodbye_is_offline_without_alarm(
    broker: RedisServer, worker: Callable[..., CeleryWorker]
) -> None:
    one = worker("w1")
    engine = Engine(Profile(broker=broker.url))
    await engine.start()
    try:
        await engine.ready(10)
        one.stop()

        async def offline() -> bool:
            return (await engine.workers())[0].state == "offline"

        assert await until(offline, 10)
        codes = {notice.code for notice in (await engine.overview()).notices}
        assert "worker-lost" not in codes
    finally:
        await engine.close()


async def test_an_engine_process_that_is_killed_is_told_and_can_be_started_again(broker: RedisServer) -> None:
    profile = Profile(broker=broker.url)
    process = spawn()
    client = await process.connect(profile)
    await client.api.ready(10)
    waiting = asyncio.create_task(client.api.tick(-2, 30))  # type: ignore[arg-type]
    os.kill(process.pid, signal.SIGKILL)
    await asyncio.wait_for(client.ended.wait(), 5)
    with pytest.raises(ConnectionProblem, match="ended"):
        await client.api.overview()
    await asyncio.gather(waiting, return_exceptions=True)
    await client.close()
    again = await spawn().connect(profile)
    assert (await again.api.ready(10)).connected
    await again.close()


async def test_the_engine_process_ends_when_its_face_is_gone(broker: RedisServer) -> None:
    process = spawn()
    client = await process.connect(Profile(broker=broker.url))
    await client.api.ready(10)
    await asyncio.to_thread(process.end)
    assert not process.alive


async def test_engine_is_imported_without_faces_and_without_celery() -> None:
    code = (
        "import sys, lazycelery.engine.engine as e; "
        "bad = {'textual', 'click', 'celery', 'kombu', 'rich'} & set(sys.modules); "
        "sys.exit(repr(bad) if bad else 0)"
    )
    import sys

    done = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    assert await done.wait() == 0


async def test_an_engine_that_is_given_up_while_it_starts_ends() -> None:
    process = spawn()
    asking = asyncio.create_task(process.connect(Profile(broker="redis://127.0.0.1:1/0")))
    await asyncio.sleep(0.05)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking

    async def ended() -> bool:
        return not process.alive

    try:
        assert await until(ended, 15)
    finally:
        process.end(0.1)
