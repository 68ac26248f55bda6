from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from lazycelery.actions.backup import BackupFile
from lazycelery.errors import Refused
from lazycelery.model.action import Order
from tests.actions.live import live
from tests.support.broker import RedisServer
from tests.support.fleet import ROOT, CeleryWorker, send

pytestmark = pytest.mark.broker
Start = Callable[..., CeleryWorker]
STEPS = ("celery", "celery\x06\x163", "celery\x06\x166", "celery\x06\x169")


def lists(client: redis.Redis) -> dict[str, list[bytes]]:
    return {key: client.lrange(key, 0, -1) for key in STEPS}  # type: ignore[misc]


def fill(broker: RedisServer, number: int = 6) -> None:
    for each in range(number):
        for priority in (0, 3, 6, 9):
            send(broker.url, "shop.echo", each, "ü\x00'", priority=priority, kwargs={"each": [each]})


async def test_a_failed_task_is_retried_exactly_and_succeeds(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    flag = tmp_path / "flag"
    old = send(broker.url, "shop.until_file", str(flag), backend=broker.url)
    async with live(broker.url, tmp_path) as here:
        await here.remember(old)
        await asyncio.to_thread(worker)
        await here.survey()
        await here.until(lambda: here.state(old) == "failure")
        flag.touch()
        plan = await here.actions.plan(Order(action="retry", targets=[old]))
        assert (plan.items[0].grade, plan.title) == ("exact", "Retry 1 task exactly, to celery")
        outcome = await here.actions.act(plan.id)
        new = outcome.items[0].new_id or ""
        assert outcome.proof == f"new task {new[:8]}…: succeeded on w1@test"
        assert json.loads(broker.client().get(f"celery-task-meta-{new}"))["result"] == "found"  # type: ignore[arg-type]


async def test_a_failed_task_is_retried_from_the_result_backend(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    flag = tmp_path / "with spaces and 'quotes' \\ and a backslash"
    await asyncio.to_thread(lambda: worker(env={"TEST_EXTENDED": "1"}))
    async with live(broker.url, tmp_path) as here:
        old = send(broker.url, "shop.until_file", str(flag), backend=broker.url)
        await here.until(lambda: here.state(old) == "failure")
        flag.touch()
        plan = await here.actions.plan(Order(action="retry", targets=[old]))
        assert (plan.items[0].grade, plan.items[0].source) == ("arguments", "result")
        outcome = await here.actions.act(plan.id)
        assert outcome.proof.endswith("succeeded on w1@test")
        task = here.store.task(outcome.items[0].new_id or "", time.time())
        assert task is not None
        assert task.root_id == old


async def test_a_lossy_repr_alone_is_refused_and_a_faithful_one_runs(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    await asyncio.to_thread(worker)
    async with live(broker.url, tmp_path) as here:
        lossy = send(broker.url, "shop.charge", "back\\slash")
        faithful = send(broker.url, "shop.charge", "n7", kwargs={"amount": 3})
        await here.until(lambda: {here.state(lossy), here.state(faithful)} == {"failure"})
        refused = await here.actions.plan(Order(action="retry", targets=[lossy]))
        assert (refused.refused or "").startswith("unsafe: the event's text holds a backslash")
        plan = await here.actions.plan(Order(action="retry", targets=[faithful]))
        assert (plan.items[0].grade, plan.items[0].source) == ("arguments", "event")
        outcome = await here.actions.act(plan.id)
        assert outcome.proof.endswith("failed on w1@test")
        again = here.store.task(outcome.items[0].new_id or "", time.time())
        assert again is not None
        assert again.error == "ValueError('card declined for order n7')"


async def test_a_waiting_task_revoked_never_runs(broker: RedisServer, worker: Start, tmp_path: Path) -> None:
    await asyncio.to_thread(lambda: worker(concurrency=1))
    mark = tmp_path / "mark"
    async with live(broker.url, tmp_path) as here:
        busy = send(broker.url, "shop.nap", 2)
        await here.until(lambda: here.state(busy) == "started")
        victims = [send(broker.url, "shop.until_file", str(mark), backend=broker.url) for _ in range(3)]
        last = send(broker.url, "shop.add", 1, 1)
        outcome = await here.do("revoke", *victims)
        assert (outcome.done, outcome.failed) == (3, 0)
        assert "w1@test flagged them" in outcome.proof
        await here.until(lambda: here.state(last) == "success")
        await here.until(lambda: {here.state(each) for each in victims} == {"revoked"})
        tasks = [here.store.task(each, time.time()) for each in victims]
        assert [task.started for task in tasks if task] == [None, None, None]


async def test_a_running_task_is_terminated(broker: RedisServer, worker: Start, tmp_path: Path) -> None:
    await asyncio.to_thread(worker)
    async with live(broker.url, tmp_path) as here:
        nap = send(broker.url, "shop.nap", 60)
        await here.until(lambda: here.state(nap) == "started")
        outcome = await here.do("terminate", nap, signal="KILL")
        assert outcome.proof == f"terminated {nap[:8]}: w1@test sent KILL and marked it revoked"


async def test_a_soft_time_limit_signal_fails_the_task(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    await asyncio.to_thread(worker)
    async with live(broker.url, tmp_path) as here:
        nap = send(broker.url, "shop.nap", 60)
        await here.until(lambda: here.state(nap) == "started")
        outcome = await here.do("terminate", nap, signal="USR1")
        assert outcome.proof == f"terminated {nap[:8]}: w1@test sent USR1; it is failure now"


async def test_a_mark_of_the_worker_is_not_taken_for_the_end(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    await asyncio.to_thread(worker)
    async with live(broker.url, tmp_path) as here:
        nap = send(broker.url, "shop.nap", 5)
        await here.until(lambda: here.state(nap) == "started")
        plan = await here.actions.plan(Order(action="terminate", targets=[nap], params={"signal": "INT"}))
        assert any("ignored by prefork" in warning for warning in plan.warnings)
        outcome = await here.actions.act(plan.id, plan.word)
        assert outcome.proof.endswith("sent INT; no end seen within 3 s")
        await here.until(lambda: here.state(nap) == "success")


async def test_a_thread_pool_refuses_to_terminate_and_runs_what_it_has(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    await asyncio.to_thread(lambda: worker(pool="threads", concurrency=1, env={"TEST_PREFETCH": "5"}))
    async with live(broker.url, tmp_path) as here:
        await here.until_online()
        nap = send(broker.url, "shop.nap", 3)
        await here.until(lambda: here.state(nap) == "started")
        plan = await here.actions.plan(Order(action="terminate", targets=[nap]))
        assert "threads pool" in (plan.refused or "")
        # What it prefetched is in the pool's own queue by now: a revoke comes too late, and is told so.
        naps = [send(broker.url, "shop.nap", 0.1) for _ in range(4)]
        await here.until(lambda: {here.state(each) for each in naps} <= {"received", "started"})
        plan = await here.actions.plan(Order(action="revoke", targets=naps))
        assert any("whose pool of threads takes at once" in each for each in plan.warnings), plan.warnings
        await here.actions.act(plan.id)
        await here.until(lambda: {here.state(each) for each in naps} == {"success"})


async def test_purge_and_restore_bring_every_byte_back_in_order(broker: RedisServer, tmp_path: Path) -> None:
    fill(broker)
    client = broker.client()
    before = lists(client)
    async with live(broker.url, tmp_path) as here:
        purged = await here.do("purge", "celery")
        assert purged.proof == f"purged celery: 24 removed, 0 left, backup {purged.backup}"
        assert not any(lists(client).values())
        restored = await here.do("restore", purged.backup or "")
        assert restored.proof.endswith("celery: 0 before, 24 after")
        assert lists(client) == before


async def test_restored_tasks_run_before_newcomers_by_priority(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    old = [send(broker.url, "shop.add", each, 0, priority=priority) for priority in (6, 0) for each in (1, 2)]
    async with live(broker.url, tmp_path, results=False) as here:
        purged = await here.do("purge", "celery")
        new = send(broker.url, "shop.add", 9, 0, priority=0)
        await here.do("restore", purged.backup or "")
        await asyncio.to_thread(lambda: worker(concurrency=1))
        times: dict[str, float] = {}

        def all_received() -> bool:
            tasks = [here.store.task(each, time.time()) for each in (*old, new)]
            times.update({task.id: task.received for task in tasks if task and task.received})
            return len(times) == len(tasks)

        await here.until(all_received)
        assert sorted(times, key=lambda each: times[each]) == [old[2], old[3], new, old[0], old[1]]


async def test_a_full_disk_during_the_backup_leaves_the_queue_untouched(
    broker: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(broker)
    before = lists(broker.client())
    written = 0

    def full(descriptor: int, data: bytes) -> None:
        nonlocal written
        written += len(data)
        if written > 2000:
            raise OSError(28, "No space left on device")
        real(descriptor, data)

    from lazycelery.actions import backup

    real = backup.write_all
    monkeypatch.setattr(backup, "write_all", full)
    async with live(broker.url, tmp_path) as here:
        with pytest.raises(Refused, match="No space left"):
            await here.do("purge", "celery")
        assert lists(broker.client()) == before
        assert list((tmp_path / "backups").iterdir()) == []
        assert [entry.outcome for entry in here.audit.entries()] == ["failed", "intent"]


KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from lazycelery.actions import backup
from tests.actions.live import live

async def main():
    pages = 0
    def add(writer, lines):
        nonlocal pages
        pages += 1
        real(writer, lines)
        if pages == int(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)
    real = backup.BackupWriter.add
    backup.BackupWriter.add = add
    async with live(sys.argv[1], Path(sys.argv[2])) as here:
        await here.do("purge", "celery")
asyncio.run(main())
"""


@pytest.mark.parametrize("page", [1, 3])
async def test_kill_9_in_the_middle_of_a_purge_loses_nothing(
    broker: RedisServer, tmp_path: Path, page: int
) -> None:
    fill(broker)
    before = lists(broker.client())
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, broker.url, str(tmp_path), str(page)],
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert killed.returncode == -9
    (part,) = (tmp_path / "backups").iterdir()
    file = BackupFile(part)
    assert not file.complete
    assert 0 < file.total < 24
    async with live(broker.url, tmp_path) as here:
        assert [entry.outcome for entry in here.audit.entries()] == ["intent"]
        (broken_off,) = here.audit.read()
        assert (broken_off.ok, broken_off.outcome) == (False, "began, no outcome: broken off")
        outcome = await here.do("restore", str(part))
        assert "put back 24 messages" in outcome.proof
    assert lists(broker.client()) == before


async def test_events_are_switched_on_and_off(broker: RedisServer, worker: Start, tmp_path: Path) -> None:
    await asyncio.to_thread(lambda: worker(events=False))
    async with live(broker.url, tmp_path) as here:
        await here.until_online()
        on = await here.do("events", on=True)
        assert on.items[0].replies == {"w1@test": {"ok": "task events enabled"}}
        task = send(broker.url, "shop.add", 1, 2, sent_event=False)
        await here.until(lambda: here.state(task) == "success")
        off = await here.do("events", "w1@test", on=False)
        assert off.items[0].replies == {"w1@test": {"ok": "task events disabled"}}
        assert off.undo == "lazycelery worker events on w1@test --allow events"
        again = await here.do("events", "w1@test", on=False)
        assert (again.done, again.undo) == (1, None), "it changed nothing, so there is nothing to undo"
