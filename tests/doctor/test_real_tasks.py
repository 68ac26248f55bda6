"""What becomes of tasks, for real: found, explained, cured, gone."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lazycelery.errors import NothingFound
from lazycelery.model.action import Order
from tests.doctor.clinic import Clinic, clinic
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker
Start = Callable[..., CeleryWorker]


async def act(doctor: Clinic, action: str, *targets: str) -> None:
    plan = await doctor.engine.plan(Order(action=action, targets=list(targets)))  # type: ignore[arg-type]
    await doctor.engine.act(plan.id, plan.word)


async def test_a_poisonous_message_and_its_revocation(broker: RedisServer, worker: Start) -> None:
    worker("w1", concurrency=1)
    async with clinic(broker.url, allow=["revoke"]) as doctor:
        id = send(broker.url, "shop.poison")
        finding = await doctor.finds("poison-message", id, 20)
        assert finding.severity == "critical" and finding.actions == ["revoke"]
        await act(doctor, "revoke", id)
        await doctor.cured("poison-message", 30)


async def test_an_unknown_name_a_spike_of_failures_and_silent_senders(
    broker: RedisServer, worker: Start
) -> None:
    worker("w1", env={"TEST_SENT_EVENTS": "0"})
    async with clinic(broker.url, limits={"sent_watched": 3}) as doctor:
        for number in range(12):
            send(broker.url, "shop.charge", number, sent_event=False)
        finding = await doctor.finds("failure-spike", "shop.charge", 10)
        assert "card declined" in str(finding.evidence) and finding.actions == ["retry"]
        assert (await doctor.finds("sent-events-off", within=10)).severity == "info"
        send(broker.url, "shop.add", 1, 1)
        send(broker.url, "shop.chrage", 1)
        finding = await doctor.finds("task-unregistered", "shop.chrage", 10)
        assert "Did you mean shop.charge?" in finding.title
        await doctor.cured("sent-events-off", 10)


@pytest.mark.soak
async def test_what_failed_is_forgotten_when_it_stops(broker: RedisServer, worker: Start) -> None:
    worker("w1")
    async with clinic(broker.url) as doctor:
        for number in range(10):
            send(broker.url, "shop.charge", number)
            send(broker.url, "shop.add", number, 1)
        send(broker.url, "shop.chrage", 1)
        await doctor.finds("failure-spike", "shop.charge", 10)
        await doctor.finds("task-unregistered", "shop.chrage", 10)
        assert not [one for one in (await doctor.engine.doctor()).findings if one.subject == "shop.add"]
        await doctor.cured("failure-spike", 150)
        await doctor.cured("task-unregistered", 30)


async def test_what_the_backend_says_to_run_is_asked_for_at_its_worker(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    """The backend still holds that a task began on a worker which died with it, and is here again."""
    worker("w1", env={"TEST_TRACK_STARTED": "1", "TEST_SENT_EVENTS": "0"}, events=False)
    dead, told = "dead-with-its-worker", {"pid": 1, "hostname": "w1@test"}
    document = {"task_id": dead, "status": "STARTED", "result": told, "traceback": None, "children": []}
    broker.client().set(f"celery-task-meta-{dead}", json.dumps(document))
    runs = send(broker.url, "shop.wait_for", str(tmp_path / "release"), 60, sent_event=False)
    await asyncio.sleep(1)
    async with clinic(broker.url, history=False) as doctor:
        assert (await doctor.engine.why(dead)).text == (
            "Began on w1@test, process 1, as the result backend tells, and w1@test answers and does not run "
            "it: it was probably lost with an earlier process of that worker."
        )
        assert (await doctor.engine.why(runs)).text.startswith("Runs on w1@test, process ")
        examination = await doctor.engine.doctor()
        [unchecked] = [one.why for one in examination.unchecked if one.code == "task-lost"]
        assert f"{dead[:8]}] began" in unchecked and runs[:8] not in unchecked
    (tmp_path / "release").touch()


async def test_an_eta_beyond_the_visibility_timeout(broker: RedisServer, worker: Start) -> None:
    worker("w1")
    async with clinic(broker.url, allow=["revoke"]) as doctor:
        near = send(broker.url, "shop.add", 1, 1, countdown=600)
        await doctor.healthy(2)
        id = send(broker.url, "shop.add", 1, 1, countdown=7200)
        finding = await doctor.finds("eta-beyond-visibility", "w1@test", 8)
        assert finding.related == [id] and near not in finding.related
        assert "1h" in str(finding.evidence)
        await act(doctor, "revoke", id)
        await doctor.cured("eta-beyond-visibility", 40)


@pytest.mark.soak
async def test_a_task_far_beyond_its_usual_and_its_end(broker: RedisServer, worker: Start) -> None:
    worker("w1")
    async with clinic(broker.url, allow=["terminate"], limits={"stalled_least": 11}) as doctor:
        for _ in range(25):
            send(broker.url, "shop.nap", 0.01)
        id = send(broker.url, "shop.nap", 120)
        finding = await doctor.finds("task-stalled", id, 25)
        assert "times its usual" in finding.title and finding.actions == ["terminate"]
        await act(doctor, "terminate", id)
        await doctor.cured("task-stalled")


@pytest.mark.soak
async def test_what_a_killed_worker_leaves_behind(broker: RedisServer, worker: Start) -> None:
    """Its running task is lost, its reserved ones are orphaned, and both are told apart."""
    victim = worker("w1", concurrency=1, env={"TEST_PREFETCH": "4"})
    worker("w2", queues="mail")
    async with clinic(broker.url, allow=["retry"]) as doctor:
        running = send(broker.url, "shop.nap", 600)
        waiting = [send(broker.url, "shop.nap", 600) for _ in range(3)]
        await asyncio.sleep(3)
        victim.kill()
        death, ends = await doctor.finds("worker-lost", "w1@test", 30), time.monotonic() + 60
        while "3 messages it held and 1 task it ran" not in death.title:
            assert time.monotonic() < ends, death.title
            death = await doctor.finds("worker-lost", "w1@test", 5)
        worker("w1", queues="mail")  # Once it is back, what it left behind stands alone.
        finding = await doctor.finds("message-orphaned", "celery", 30)
        assert finding.evidence[0].value == 3 and waiting[0][:8] in finding.evidence[0].text
        assert finding.title.startswith("3 messages of celery are held by nobody, back in about")
        finding = await doctor.finds("task-lost", running, 60)
        assert finding.actions == ["retry"]
        await act(doctor, "retry", running)
        await doctor.cured("task-lost")
        broker.client().delete("unacked", "unacked_index")
        await doctor.cured("message-orphaned", 30)


@pytest.mark.parametrize("watched", [True, pytest.param(False, marks=pytest.mark.soak)])
async def test_what_a_worker_held_that_was_killed_and_came_back_under_its_name(
    broker: RedisServer, worker: Start, watched: bool
) -> None:
    """Whoever saw it happen, or comes later: it is no more silent than a worker that stays away."""
    victim = worker("w1", concurrency=1, env={"TEST_PREFETCH": "4"})

    async def killed() -> list[str]:
        ids = [send(broker.url, "shop.nap", 600) for _ in range(4)]
        await asyncio.sleep(8)
        victim.kill()
        worker("w1", concurrency=1, env={"TEST_PREFETCH": "4"})
        return ids[1:]

    left = [] if watched else await killed()
    async with clinic(broker.url) as doctor:
        left = left or await killed()
        finding = await doctor.finds("message-orphaned", "celery", 40)
        assert finding.evidence[0].value == 3 and left[0][:8] in finding.evidence[0].text
        assert "rate-limited-backlog" not in await doctor.codes()


@pytest.mark.soak
async def test_a_task_that_outlives_the_visibility_timeout(broker: RedisServer, worker: Start) -> None:
    worker("w1", env={"TEST_VISIBILITY": "20"})
    async with clinic(broker.url) as doctor:
        id = send(broker.url, "shop.late", 30)
        finding = await doctor.finds("duplicate-delivery", id, 28)
        assert "will be delivered again" in finding.title
        await doctor.cured("duplicate-delivery", 60)


@pytest.mark.soak
async def test_a_chord_with_a_member_that_does_not_come(broker: RedisServer, worker: Start) -> None:
    from celery import Celery, chord

    worker("w1")
    async with clinic(broker.url, limits={"chord": 3}) as doctor:
        app = Celery("client", broker=broker.url, backend=broker.url, set_as_current=False)
        there, lost = app.signature("shop.add", (1, 1)), app.signature("shop.add", (2, 2), queue="nobody")
        waited_for = chord([there, lost], app=app)(app.signature("shop.echo"))
        finding = await doctor.finds("chord-stuck", within=40)
        assert "waits for 1 member of 2" in finding.title
        worker("w2", queues="nobody")
        await doctor.cured("chord-stuck", 40)
        assert waited_for.get(timeout=10)
        # What goes later, with its server, would ask for that for 20 s, in the next test's loop.
        app.backend.remove_pending_result = lambda result: result


@pytest.mark.soak
async def test_retries_that_come_as_a_storm(broker: RedisServer, worker: Start) -> None:
    worker("w1")
    async with clinic(broker.url) as doctor:
        for _ in range(40):
            send(broker.url, "shop.flaky", 3)
        finding = await doctor.finds("retry-storm", "shop.flaky", 20)
        assert "gateway timed out" in str(finding.evidence)
        await doctor.cured("retry-storm", 150)


@pytest.mark.soak
async def test_a_backlog_that_grows_and_one_that_is_worked_off(
    broker: RedisServer, worker: Start, tmp_path: Path
) -> None:
    release, over = tmp_path / "release", threading.Event()
    worker("w1", concurrency=1)

    def flood() -> None:
        while not over.is_set():
            send(broker.url, "shop.wait_for", str(release))
            time.sleep(0.3)

    sender = threading.Thread(target=flood)
    async with clinic(broker.url, limits={"growth": 30}) as doctor:
        sender.start()
        try:
            finding = await doctor.finds("backlog-growing", "celery", 60)
            assert "grows by" in finding.title
        finally:
            over.set()
            sender.join()
        release.touch()
        await doctor.cured("backlog-growing", 60)


async def test_what_a_rate_limit_keeps_back_is_never_put_back_as_an_orphan(
    broker: RedisServer, worker: Start
) -> None:
    """It is in no list of its worker, and would run twice."""
    from celery import Celery

    worker("w1", env={"TEST_PREFETCH": "4"})
    with Celery("client", broker=broker.url, set_as_current=False) as app:
        limit = {"task_name": "shop.add", "rate_limit": "1/m"}
        app.control.broadcast("rate_limit", arguments=limit, reply=True, timeout=2)
    for number in range(4):
        send(broker.url, "shop.add", number, 1)
    async with clinic(broker.url, allow=["restore"]) as doctor:
        await asyncio.sleep(3)
        assert broker.client().hlen("unacked") == 3
        with pytest.raises(NothingFound, match="rate limit"):
            await doctor.engine.plan(Order(action="restore", params={"orphans": True}))
        assert "message-orphaned" not in await doctor.codes()
