"""Remote control of real workers: all kinds of pools, quick, and without a trace on the broker."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lazycelery.sources.control import Control
from lazycelery.sources.redis import mailbox as mailbox_module
from tests.sources.conftest import Open, until
from tests.support.broker import RedisServer
from tests.support.fleet import ROOT, CeleryWorker, app_env, send

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def fleet(shared_broker: RedisServer) -> Iterator[RedisServer]:
    """Five workers of three kinds."""
    kinds = {"w1": "prefork", "w2": "prefork", "w3": "threads", "w4": "solo", "w5": "threads"}
    workers = [
        CeleryWorker(
            shared_broker.url, name, pool=pool, concurrency=1 if pool == "solo" else 2, queues="celery,high"
        )
        for name, pool in kinds.items()
    ]
    try:
        for one in workers:
            one.launch()
        for one in workers:
            one.ready()
        yield shared_broker
    finally:
        for one in workers:
            one.kill()


async def test_a_survey_tells_all_about_every_kind_of_worker(opened: Open, fleet: RedisServer) -> None:
    link = await opened(fleet.url)
    reports = await Control(link.mailbox).survey()
    assert [report.worker for report in reports] == [f"w{n}@test" for n in range(1, 6)]
    pools = []
    for report in reports:
        stats = report.stats
        assert report.ping and not report.errors and stats is not None and report.active == []
        assert {queue.name for queue in report.queues or ()} == {"celery", "high"}
        assert "shop.add" in (report.registered or ()) and isinstance(report.conf, dict)
        assert stats.pid and stats.uptime is not None and (stats.rss or 0) > 10_000_000
        assert "password" not in stats.broker
        pools.append((stats.pool, stats.concurrency, len(stats.processes)))
    assert pools == [
        ("prefork", 2, 2),
        ("prefork", 2, 2),
        ("threads", 2, 0),
        ("solo", 1, 1),
        ("threads", 2, 0),
    ]


async def test_five_workers_answer_four_questions_in_150_ms(opened: Open, fleet: RedisServer) -> None:
    link = await opened(fleet.url)
    control = Control(link.mailbox)
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        reports = await control.survey(what=("ping", "stats", "active", "active_queues"))
        taken.append(time.perf_counter() - started)
        assert len(reports) == 5 and all(report.queues and report.stats for report in reports)
    assert min(taken) < 0.15, taken


async def test_calls_at_the_same_time_do_not_take_each_others_replies(
    opened: Open, fleet: RedisServer
) -> None:
    link = await opened(fleet.url)
    calls = [link.mailbox.call(method) for method in ("ping", "clock", "stats", "active_queues") * 5]
    for method, replies in zip(
        ("ping", "clock", "stats", "active_queues") * 5, await asyncio.gather(*calls), strict=True
    ):
        assert replies.complete and replies.expected == 5
        for value in replies.by_worker().values():
            key = {"ping": "ok", "clock": "clock", "stats": "uptime"}.get(method)
            assert key in value if key else isinstance(value, list)


async def test_a_destination_alone_answers(opened: Open, fleet: RedisServer) -> None:
    link = await opened(fleet.url)
    replies = await link.mailbox.call("ping", destination=["w2@test"])
    assert list(replies.by_worker()) == ["w2@test"] and replies.complete and replies.expected == 1


async def test_a_destination_that_is_nobody_is_silent(opened: Open, fleet: RedisServer) -> None:
    link = await opened(fleet.url)
    (one, two) = await Control(link.mailbox).survey(destination=["w1@test", "gone@test"], timeout=0.4)
    assert (one.worker, one.ping) == ("gone@test", False) and (two.worker, two.ping) == ("w1@test", True)


async def test_an_unknown_command_is_an_error_in_the_report_and_no_exception(
    opened: Open, fleet: RedisServer
) -> None:
    link = await opened(fleet.url)
    reports = await Control(link.mailbox).survey(what=("ping", "no_such_command"))
    assert all("no_such_command" in report.errors["no_such_command"] for report in reports)


async def test_workers_names_the_mailboxes(opened: Open, fleet: RedisServer) -> None:
    link = await opened(fleet.url)
    assert await link.mailbox.workers() == [f"w{n}@test" for n in range(1, 6)]


async def test_nothing_of_ours_remains_after_close(opened: Open, fleet: RedisServer) -> None:
    client = fleet.client()
    before = set(client.scan_iter())
    link = await opened(fleet.url)
    await Control(link.mailbox).survey()
    assert set(client.scan_iter()) > before
    await link.close()
    assert set(client.scan_iter()) == before


async def test_a_cancelled_call_leaves_nothing_after_close(opened: Open, fleet: RedisServer) -> None:
    client = fleet.client()
    before = set(client.scan_iter())
    link = await opened(fleet.url)
    calls = [asyncio.ensure_future(link.mailbox.call("stats")) for _ in range(20)]
    await asyncio.sleep(0.003)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    await link.close()
    # A worker that was just about to answer finds no binding any more.
    await asyncio.sleep(0.2)
    assert set(client.scan_iter()) == before


async def test_a_reply_that_comes_when_its_queue_was_given_back_is_deleted(
    opened: Open, broker: RedisServer
) -> None:
    client = broker.client()
    link = await opened(broker.url)
    client.sadd("_kombu.binding.celery.pidbox", "\x06\x16\x06\x16late@test.celery.pidbox")
    watching = broker.client().pubsub()
    watching.psubscribe("/*.celery.pidbox")
    call = asyncio.ensure_future(link.mailbox.call("ping"))
    await until(lambda: client.smembers("_kombu.binding.reply.celery.pidbox"), what="binding")
    (member,) = client.smembers("_kombu.binding.reply.celery.pidbox")
    closing = asyncio.ensure_future(link.close())
    await until(lambda: not client.exists("_kombu.binding.reply.celery.pidbox"), what="binding gone")
    # As a worker does that had read the binding before.
    client.lpush(member.decode().split("\x06\x16")[-1], b"{}")
    await closing
    await call
    assert not [key for key in client.scan_iter() if key.endswith(b".reply.celery.pidbox")]


async def test_the_reply_queue_is_given_back_when_idle_and_made_again(
    opened: Open, fleet: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailbox_module, "IDLE", 0.1)
    client = fleet.client()
    link = await opened(fleet.url)
    await link.mailbox.call("ping")
    await until(
        lambda: not client.exists("_kombu.binding.reply.celery.pidbox"), what="reply queue given back"
    )
    assert (await link.mailbox.call("ping")).complete


async def test_a_late_reply_has_a_time_to_live(opened: Open, broker: RedisServer, worker: Any) -> None:
    worker("w1")
    client = broker.client()
    link = await opened(broker.url)
    await link.mailbox.call("ping")
    queue = f"{link.mailbox._oid}.reply.celery.pidbox"  # type: ignore[attr-defined]
    for _ in range(300):
        client.lpush(queue, "forgotten")
    await link.mailbox.call("ping", timeout=1)
    assert client.llen(queue) == 0 or client.ttl(queue) > 0


async def test_without_workers_the_answer_is_immediate(opened: Open, broker: RedisServer) -> None:
    link = await opened(broker.url)
    started = time.perf_counter()
    replies = await link.mailbox.call("ping", timeout=5)
    assert (replies.expected, replies.replies, replies.complete) == (0, [], True)
    assert time.perf_counter() - started < 1
    assert await Control(link.mailbox).survey() == []


async def test_a_stopped_worker_is_silent_and_a_killed_one_is_not_waited_for(
    opened: Open, broker: RedisServer, worker: Callable[..., CeleryWorker]
) -> None:
    _, second = worker("w1"), worker("w2")
    link = await opened(broker.url)
    assert second.process is not None
    os.kill(second.process.pid, signal.SIGSTOP)
    replies = await link.mailbox.call("ping", timeout=0.5)
    assert (replies.expected, list(replies.by_worker()), replies.complete) == (2, ["w1@test"], False)
    second.kill()
    await until(lambda: broker.client().publish("/0.celery.pidbox", b"") == 1, what="the broker noticed")
    started = time.perf_counter()
    one, two = await Control(link.mailbox).survey(timeout=5)
    assert time.perf_counter() - started < 2
    assert one.ping is True and (two.worker, two.ping) == ("w2@test", False)


async def test_a_solo_worker_in_a_task_is_silent_and_its_late_reply_disturbs_nobody(
    opened: Open, broker: RedisServer, worker: Callable[..., CeleryWorker]
) -> None:
    worker("w1", pool="solo", concurrency=1)
    link = await opened(broker.url)
    send(broker.url, "shop.nap", 1.5)
    await asyncio.sleep(0.3)
    assert not (await link.mailbox.call("ping", timeout=0.3)).complete
    replies = await link.mailbox.call("ping", timeout=5)
    assert replies.complete and replies.by_worker() == {"w1@test": {"ok": "pong"}}


async def test_tasks_are_told_with_their_true_arguments(
    opened: Open, broker: RedisServer, worker: Callable[..., CeleryWorker]
) -> None:
    worker("w1", concurrency=1, env={"TEST_PREFETCH": "4"})
    running = send(broker.url, "shop.nap", 5, kwargs={"order": {"id": 7}})
    waiting = send(broker.url, "shop.add", 1, 2)
    later = send(broker.url, "shop.add", 3, 4, countdown=60)
    link = await opened(broker.url)
    control = Control(link.mailbox)

    async def held() -> bool:
        return len(await control.reserved()) == 1 and len(await control.scheduled()) == 1

    deadline = time.monotonic() + 10
    while not await held():
        assert time.monotonic() < deadline
    (report,) = await control.survey()
    assert report.active is not None
    (active,) = report.active
    assert (active.id, active.phase, active.safe) == (running, "active", True) and active.pid
    assert active.args == "(5,)" and active.time_start is not None and active.routing_key == "celery"
    (reserved,) = await control.reserved()
    assert (reserved.id, reserved.args, reserved.safe) == (waiting, [1, 2], False)
    (scheduled,) = await control.scheduled()
    assert (scheduled.id, scheduled.phase, scheduled.args) == (later, "scheduled", [3, 4]) and scheduled.eta
    found = {task.id: task for task in await control.query_tasks([running, waiting, later, "unknown"])}
    assert found[running].kwargs == {"order": {"id": 7}} and not found[running].safe
    assert set(found) == {running, waiting, later}


async def test_a_revoked_task_never_runs_and_events_can_be_switched(
    opened: Open, broker: RedisServer, worker: Callable[..., CeleryWorker], tmp_path: Path
) -> None:
    worker("w1", concurrency=1, events=False)
    link = await opened(broker.url)
    control = Control(link.mailbox)
    send(broker.url, "shop.nap", 0.5)
    doomed = send(broker.url, "shop.until_file", str(tmp_path / "x"), backend=broker.url)
    replies = await control.revoke([doomed])
    assert replies.complete and "flagged as revoked" in replies.by_worker()["w1@test"]["ok"]
    await until(
        lambda: b"REVOKED" in (broker.client().get(f"celery-task-meta-{doomed}") or b""), what="revoked"
    )
    assert "enabled" in str((await control.set_events(True)).by_worker())
    assert "disabled" in str((await control.set_events(False)).by_worker())


async def test_a_worker_that_answers_in_pickle_is_understood(
    opened: Open, broker: RedisServer, tmp_path: Path
) -> None:
    (tmp_path / "pickled.py").write_text(
        "import os\nfrom celery import Celery\n"
        "app = Celery('p', broker=os.environ['TEST_BROKER'])\n"
        "app.conf.update(task_serializer='pickle', accept_content=['pickle', 'json'])\n"
    )
    one = CeleryWorker(broker.url, "p1", env={"C_FORCE_ROOT": "1"})
    one.command = [part.replace("tests.support.tasks", "pickled") for part in one.command]
    one.env["PYTHONPATH"] = str(tmp_path)
    one.start()
    try:
        link = await opened(broker.url)
        (report,) = await Control(link.mailbox).survey()
        assert report.ping and report.stats is not None and report.stats.pool == "prefork"
        assert report.queues is not None and report.queues[0].name == "celery"
    finally:
        one.kill()


async def test_a_beat_is_no_worker_and_is_not_waited_for(
    opened: Open, broker: RedisServer, worker: Callable[..., CeleryWorker], tmp_path: Path
) -> None:
    worker("w1")
    (tmp_path / "beating.py").write_text(
        "import os\nfrom celery import Celery\n"
        "app = Celery('b', broker=os.environ['TEST_BROKER'])\n"
        "app.conf.beat_enable_remote_control = True\n"
    )
    env = {**app_env(broker.url), "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    beat = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "beating", "beat", "-s", str(tmp_path / "schedule")],
        env=env,
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        link = await opened(broker.url)
        client = broker.client()
        await until(
            lambda: (
                any(b"celerybeat@" in m for m in client.smembers("_kombu.binding.celery.pidbox"))
                and client.publish("/0.celery.pidbox", b"") == 2
            ),
            30,
            "a beat with a mailbox",
        )
        started = time.perf_counter()
        (report,) = await Control(link.mailbox).survey(timeout=5)
        assert time.perf_counter() - started < 3
        assert report.worker == "w1@test" and report.stats is not None
        replies = await link.mailbox.call("stats", timeout=5)
        assert replies.expected == 1 and replies.complete
    finally:
        beat.terminate()
        beat.wait(10)


async def test_a_broker_that_forgot_us_between_calls_does_not_deafen_us(
    opened: Open, broker: RedisServer, worker: Callable[..., CeleryWorker]
) -> None:
    worker("w1")
    link = await opened(broker.url)
    assert (await link.mailbox.call("ping")).complete
    broker.client().delete("_kombu.binding.reply.celery.pidbox")
    await asyncio.sleep(mailbox_module.FRESH)
    assert (await link.mailbox.call("ping")).complete
