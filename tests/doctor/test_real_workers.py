"""What workers do wrong, for real: found, explained, cured, gone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from lazycelery.model.action import Order
from tests.doctor.clinic import Clinic, clinic
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, app_env, send
from tests.support.rabbit import RabbitServer

pytestmark = pytest.mark.broker
Start = Callable[..., CeleryWorker]


def control(
    broker: RedisServer | str, method: str, whom: list[str] | None = None, **arguments: object
) -> object:
    """A control command as Celery's own client sends it."""
    from celery import Celery

    url = broker if isinstance(broker, str) else broker.url
    with Celery("client", broker=url, set_as_current=False) as app:
        return app.control.broadcast(method, arguments=arguments, destination=whom, reply=True, timeout=2)


def conf(**settings: object) -> dict[str, str]:
    return {"TEST_CONF": json.dumps(settings)}


async def test_a_solo_worker_inside_a_task_answers_nobody(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    release = tmp_path / "release"
    worker("solo", pool="solo", concurrency=1)
    async with clinic(broker.url) as doctor:
        send(broker.url, "shop.wait_for", str(release))
        send(broker.url, "shop.add", 1, 1)
        finding = await doctor.finds("worker-busy-control", "solo@test", 15)
        assert "asked, and silent" in str(finding.evidence)
        assert "worker-lost" not in await doctor.codes()
        release.touch()
        await doctor.cured("worker-busy-control")


async def test_a_full_worker_with_work_behind_it(broker: RedisServer, worker: Start, tmp_path: Path) -> None:
    release = tmp_path / "release"
    worker("w1", concurrency=2)
    async with clinic(broker.url, limits={"saturated": 3}) as doctor:
        for _ in range(6):
            send(broker.url, "shop.wait_for", str(release))
        finding = await doctor.finds("worker-saturated", "w1@test", 15)
        assert "2 slots run shop.wait_for" in finding.title
        release.touch()
        await doctor.cured("worker-saturated")


@pytest.mark.soak
async def test_a_stopped_process_hangs_until_it_goes_on(broker: RedisServer, worker: Start) -> None:
    one = worker("w1")
    worker("w2", queues="mail")  # With nobody left that would be the finding.
    assert one.process is not None
    async with clinic(broker.url) as doctor:
        await doctor.healthy(3)
        os.killpg(one.process.pid, signal.SIGSTOP)
        try:
            finding = await doctor.finds("worker-lost", "w1@test", 30)
            assert "hangs" in finding.title or "went without goodbye" in finding.title
        finally:
            os.killpg(one.process.pid, signal.SIGCONT)
        await doctor.cured("worker-lost")


@pytest.mark.soak
async def test_workers_whose_connections_are_cut_for_a_moment_are_not_lost(
    broker: RedisServer, worker: Start
) -> None:
    worker("w1")
    worker("w2", pool="threads")
    client = broker.client()
    async with clinic(broker.url) as doctor:
        await doctor.healthy(3)
        for _ in range(3):
            for one in client.client_list():
                if one["cmd"] in ("brpop", "psubscribe") and "lazycelery" not in one["name"]:
                    client.client_kill_filter(_id=one["id"])
            await doctor.silent("worker-lost", 5)


@pytest.mark.soak
async def test_a_killed_worker_on_rabbitmq_is_lost_within_seconds_and_a_stopped_one_hangs(
    rabbit: RabbitServer, broker: RedisServer
) -> None:
    rabbit.add_vhost("lost")
    url = rabbit.url("lost")
    fleet = [CeleryWorker(url, f"w{n}", backend=broker.url) for n in range(3)]
    try:
        for one in fleet:
            await asyncio.to_thread(one.start)
        async with clinic(url, management=rabbit.management) as doctor:
            await doctor.silent("worker-lost", 4)
            stopped = fleet[0].process
            assert stopped is not None
            os.killpg(stopped.pid, signal.SIGSTOP)
            fleet[1].kill()
            try:
                finding = await doctor.finds("worker-lost", "w1@test", 8)
                assert "nobody listens at its mailbox" in str(finding.evidence)
                await doctor.finds("worker-busy-control", "w0@test", 8)
                assert "w0@test" not in [
                    one.subject
                    for one in (await doctor.engine.doctor()).findings
                    if "nobody listens" in str(one.evidence)
                ]
            finally:
                os.killpg(stopped.pid, signal.SIGCONT)
            fleet[1].start()
            await doctor.cured("worker-lost")
    finally:
        for one in fleet:
            await asyncio.to_thread(one.kill)
        rabbit.drop_vhost("lost")


@pytest.mark.soak
async def test_a_deaf_worker_is_told_from_one_at_rest(broker: RedisServer, worker: Start) -> None:
    one = worker("w1")
    async with clinic(broker.url) as doctor:
        await doctor.healthy(3)
        control(broker, "play_deaf")
        for number in range(3):
            send(broker.url, "shop.add", number, 1)
        finding = await doctor.finds("worker-deaf", "w1@test", 40)
        assert "takes nothing from celery" in finding.title
        one.stop()
        one.start()
        await doctor.cured("worker-deaf")
        await doctor.healthy(2)


@pytest.mark.soak
async def test_a_hoarder_beside_an_idle_worker(broker: RedisServer, worker: Start, tmp_path: Path) -> None:
    release = tmp_path / "release"
    worker("w1", concurrency=1, env={"TEST_PREFETCH": "4"})
    send(broker.url, "shop.wait_for", str(release))
    for number in range(3):
        send(broker.url, "shop.add", number, 1)
    await asyncio.sleep(2)
    worker("w2", concurrency=2)
    async with clinic(broker.url, limits={"hoarded": 3}) as doctor:
        finding = await doctor.finds("prefetch-hoarding", "w1@test", 20)
        assert "3 tasks behind shop.wait_for" in finding.title and finding.related == ["w2@test"]
        release.touch()
        await doctor.cured("prefetch-hoarding")


@pytest.mark.soak
async def test_slots_full_of_short_tasks_that_hang_are_told_within_seconds(
    broker: RedisServer, worker: Start
) -> None:
    """What usually takes a hundredth of a second runs for five: nobody waits a minute for it."""
    worker("w1")
    async with clinic(broker.url) as doctor:
        await doctor.healthy(2)
        for _ in range(30):
            send(broker.url, "shop.nap", 0.01)
        await asyncio.sleep(2)
        for _ in range(3):
            send(broker.url, "shop.nap", 20)
        finding = await doctor.finds("worker-saturated", "w1@test", 12)
        assert "times as long as 95 % of its kind" in str(finding.evidence)
        await doctor.cured("worker-saturated", 40)


@pytest.mark.soak
async def test_a_rate_limit_that_keeps_tasks_back(broker: RedisServer, worker: Start) -> None:
    worker("w1", env={"TEST_PREFETCH": "4"})
    control(broker, "rate_limit", task_name="shop.add", rate_limit="10/m")
    async with clinic(broker.url) as doctor:
        for number in range(5):
            send(broker.url, "shop.add", number, 1)
        finding = await doctor.finds("rate-limited-backlog", "w1@test", 40)
        assert "shop.add" in finding.title
        await doctor.cured("rate-limited-backlog", 40)


@pytest.mark.soak
async def test_a_rate_limit_on_rabbitmq_and_a_worker_without_one(
    rabbit: RabbitServer, broker: RedisServer
) -> None:
    rabbit.add_vhost("limited")
    url = rabbit.url("limited")
    fleet = [
        CeleryWorker(url, name, queues=name, backend=broker.url, env={"TEST_PREFETCH": "4"})
        for name in ("w1", "w2")
    ]
    try:
        for one in fleet:
            await asyncio.to_thread(one.start)
        arguments = {"task_name": "shop.add", "rate_limit": "10/m"}
        await asyncio.to_thread(control, url, "rate_limit", ["w1@test"], **arguments)
        async with clinic(url, management=rabbit.management, control_refresh=10.0) as doctor:
            await doctor.silent("rate-limited-backlog", 3)
            for number in range(5):
                send(url, "shop.add", number, 1, queue="w1")
                send(url, "shop.add", number, 1, queue="w2")
            finding = await doctor.finds("rate-limited-backlog", "w1@test", 15)
            assert "shop.add" in finding.title and not finding.related
            await doctor.cured("rate-limited-backlog", 45)
    finally:
        for one in fleet:
            await asyncio.to_thread(one.kill)
        rabbit.drop_vhost("limited")


@pytest.mark.soak
async def test_settings_and_versions_that_differ(broker: RedisServer, worker: Start) -> None:
    worker("w1")
    odd = worker(
        "w2",
        env={
            **conf(task_acks_late=True, result_expires=0, accept_content=["json", "pickle"]),
            "TEST_VERSION": "5.0.1",
            "C_FORCE_ROOT": "1",  # Else Celery refuses pickle where the tests run as root.
        },
    )
    async with clinic(broker.url) as doctor:
        finding = await doctor.finds("config-drift", "celery")
        assert "task_acks_late: Celery's own on w1@test; True on w2@test" in str(finding.evidence)
        assert (await doctor.finds("results-without-expiry")).subject == "w2@test"
        assert (await doctor.finds("pickle-accepted")).subject == "w2@test"
        assert "5.0.1" in (await doctor.finds("version-mixed")).title
        odd.stop()
        for code in ("config-drift", "results-without-expiry", "pickle-accepted", "version-mixed"):
            await doctor.cured(code, 8)
        await doctor.healthy(1)


@pytest.mark.soak
async def test_no_results_and_a_backend_that_dies(broker: RedisServer, worker: Start) -> None:
    one = worker("w1", backend="")
    async with clinic(broker.url) as doctor:
        await doctor.finds("results-off", within=8)
        one.stop()
        await doctor.cured("results-off")
    backend = RedisServer().start()
    try:
        worker("w2", backend=backend.url)
        async with clinic(broker.url) as doctor:
            await doctor.healthy(2)
            backend.kill()
            await doctor.finds("backend-unreachable", within=15)
            assert "broker-unreachable" not in await doctor.codes()
            backend.start()
            await doctor.cured("backend-unreachable", 30)
    finally:
        backend.remove()


@pytest.mark.soak
async def test_a_broker_that_throws_away_and_reply_queues_that_stay(
    broker: RedisServer, worker: Start
) -> None:
    worker("w1")
    client = broker.client()
    client.config_set("maxmemory", 100 << 20)
    client.config_set("maxmemory-policy", "allkeys-lru")
    leaked = [f"{n}\x06\x16\x06\x16{n}.reply.celery.pidbox" for n in range(60)]
    client.sadd("_kombu.binding.reply.celery.pidbox", *leaked)
    async with clinic(broker.url) as doctor:
        finding = await doctor.finds("broker-memory", within=5)
        assert "allkeys-lru" in finding.title
        assert (await doctor.finds("reply-queue-leak")).evidence[0].value in range(60, 63)
        client.config_set("maxmemory-policy", "noeviction")
        client.srem("_kombu.binding.reply.celery.pidbox", *leaked)
        await doctor.cured("broker-memory", 15)
        await doctor.cured("reply-queue-leak", 15)


async def beat(
    broker: RedisServer, tmp_path: Path, name: str, env: dict[str, str]
) -> asyncio.subprocess.Process:
    import sys

    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "celery", "-A", "tests.support.tasks", "beat"),
        *("-s", str(tmp_path / name), "--pidfile", str(tmp_path / f"{name}.pid")),
        env={**app_env(broker.url), **env},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


@pytest.mark.soak
async def test_no_beat_one_beat_two_beats(broker: RedisServer, worker: Start, tmp_path: Path) -> None:
    env = conf(beat_schedule={"tick": {"task": "shop.add", "schedule": 1.0, "args": [1, 1]}})
    worker("w1", env=env)
    beats: list[asyncio.subprocess.Process] = []
    try:
        async with clinic(broker.url, limits={"beat_grace": 2}) as doctor:
            finding = await doctor.finds("beat-missing", "shop.add", 12)
            assert "due every 1s" in finding.title
            beats.append(await beat(broker, tmp_path, "one", env))
            await doctor.cured("beat-missing")
            await asyncio.sleep(6)
            assert "beat-duplicate" not in await doctor.codes()
            beats.append(await beat(broker, tmp_path, "two", env))
            finding = await doctor.finds("beat-duplicate", within=15)
            assert len(finding.related) == 2
            beats.pop().terminate()
            await doctor.cured("beat-duplicate", 25)
    finally:
        for one in beats:
            one.terminate()
            await one.wait()


@pytest.mark.soak
async def test_a_wrong_clock(broker: RedisServer, worker: Start, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import time\n_time = time.time\ntime.time = lambda: _time() - 90.0\n"
    )
    one = CeleryWorker(broker.url, "late")
    one.env["PYTHONPATH"] = f"{tmp_path}{os.pathsep}{one.env['PYTHONPATH']}"
    worker("w1")
    one.start()
    try:
        async with clinic(broker.url) as doctor:
            finding = await doctor.finds("clock-skew", "late@test", 20)
            assert "behind" in finding.title
            one.stop()
            await doctor.cured("clock-skew")
    finally:
        one.stop()


async def sent_again(doctor: Clinic, id: str) -> None:
    plan = await doctor.engine.plan(Order(action="retry", targets=[id]))
    await doctor.engine.act(plan.id, plan.word)


@pytest.mark.soak
async def test_dead_letters_that_lead_nowhere_are_found_until_a_queue_gets_them(rabbit: RabbitServer) -> None:
    vhost = "letters"
    rabbit.add_vhost(vhost)
    rabbit.declare(vhost, "mail", x_dead_letter_exchange="dlx")
    rabbit.declare(vhost, "fine", x_dead_letter_exchange="", x_dead_letter_routing_key="graves")
    rabbit.declare(vhost, "graves")
    async with clinic(rabbit.url(vhost), management=rabbit.management) as doctor:
        finding = await doctor.finds("dead-letters-lost", within=60)
        assert (finding.subject, finding.severity) == ("mail", "warning")
        assert finding.title == "Dead letters of mail are lost: there is no exchange dlx."
        rabbit.api("PUT", f"/exchanges/{vhost}/dlx", {"type": "fanout", "durable": True})
        rabbit.api("POST", f"/bindings/{vhost}/e/dlx/q/graves", {"routing_key": ""})
        await doctor.cured("dead-letters-lost", 60)
    rabbit.drop_vhost(vhost)
