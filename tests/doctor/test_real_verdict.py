"""The verdict line of every state, on a real fleet, on Redis and on RabbitMQ."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from lazycelery.errors import NothingFound
from lazycelery.model.action import Order
from lazycelery.model.verdict import Thing
from tests.doctor.clinic import Clinic, clinic
from tests.doctor.test_real_nobody import BROKERS, Place, place
from tests.doctor.verdict_table import SENTENCES, expected, shape
from tests.support.beat import conf
from tests.support.broker import RedisServer
from tests.support.fleet import send as send_to
from tests.support.rabbit import RabbitServer


class Asked:
    """Asks until the sentence of a state is said."""

    def __init__(self, doctor: Clinic, kind: str) -> None:
        self.doctor, self.kind = doctor, kind
        self.wrong: list[str] = []

    async def says(self, key: str, target: str, thing: Thing | None = None, within: float = 20) -> None:
        """Notes what was said instead, so that one run tells of all of them."""
        wanted, deadline, told = expected(key, self.kind), time.monotonic() + within, ""
        while time.monotonic() < deadline:
            try:
                told = (await self.doctor.engine.why(target, thing)).text
            except NothingFound as never:
                told = never.title
            if shape(told) == wanted:
                return
            await asyncio.sleep(0.3)
        self.wrong.append(f"{key}\n  wanted {wanted}\n  told   {shape(told)}")

    def done(self) -> None:
        assert not self.wrong, "\n".join(self.wrong)


def control(url: str, method: str, worker: str | None = None, **arguments: Any) -> None:
    """A control command as Celery's own client sends it."""
    from celery import Celery

    with Celery("client", broker=url, set_as_current=False) as app:
        to = [worker] if worker else None
        app.control.broadcast(method, arguments=arguments, reply=True, timeout=2, destination=to)


def test_each_sentence_of_the_page_is_asked_for() -> None:
    tests = Path(__file__).read_text()
    assert len(SENTENCES) > 40
    assert [title for title in SENTENCES if f'"{title}"' not in tests] == []


@pytest.mark.broker
@pytest.mark.soak
@pytest.mark.parametrize("kind", BROKERS)
async def test_what_is_said_of_tasks_queues_and_workers_that_stand(
    kind: str,
    broker: RedisServer,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    release = str(tmp_path / "release")
    async with place(kind, broker, request) as here:
        url = here.url()

        def send(name: str, *args: Any, **options: Any) -> str:
            return send_to(url, name, *args, backend=broker.url, **options)

        if here.rabbit is not None:
            vhost = here.names[0]
            here.rabbit.declare(vhost, "graves")
            letters = {"dead-letter-exchange": "", "dead-letter-routing-key": "graves"}
            rule = {"pattern": "^mail$", "definition": letters, "apply-to": "queues"}
            here.rabbit.api("PUT", f"/policies/{vhost}/letters", rule)
        await asyncio.gather(
            here.worker("full", concurrency=1, env=conf(task_time_limit=300)),
            here.worker("mail", queues="mail", env={"TEST_PREFETCH": "4"}),
            here.worker("quiet", queues="quiet", events=False),
            here.worker("shelf", queues="held"),
        )
        async with here.clinic(allow=["consumers", "revoke", "terminate"]) as doctor:
            ask, ids = Asked(doctor, kind), {}
            ids["running, by the limit of its worker"] = send("shop.wait_for", release, 600)
            await asyncio.sleep(1)
            ids["prefetched behind what runs"] = send("shop.wait_for", release, 600)
            await asyncio.sleep(1)
            ids["waiting behind full slots"] = send("shop.wait_for", release, 600)
            send("shop.wait_for", release, 600)
            ids["waiting, and no worker knows its name"] = send("shop.chrage", 1)
            ids["taken by a worker that does not know it"] = send("shop.chrage", 1, queue="mail")
            ids["held until its ETA"] = send("shop.nap", 0, queue="mail", countdown=600)
            ids["failed, and tried again later"] = send("shop.flaky", 3, 600, queue="mail")
            ids["done"] = send("shop.nap", 0, queue="mail")
            ids["rejected"], ids["failed"] = (
                send("shop.rejected", queue="mail"),
                send("shop.charge", 1, queue="mail"),
            )
            ids["ended without a word"] = send("shop.ignored", queue="mail")
            ids["in a queue without a consumer"], ids["expired while it waits"] = (
                send("shop.add", 1, 1, queue="nobody"),
                send("shop.add", 1, 1, queue="nobody", expires=2),
            )
            ids["revoked while it waits"] = send("shop.add", 1, 1, queue="nobody")
            control(url, "revoke", task_id=ids["revoked while it waits"])
            ids["in a queue with a wrong name"] = send("shop.add", 1, 1, queue="mial")
            for title, id in ids.items():
                await ask.says(title, id)
            await ask.says("never seen", "no-such-id")
            await ask.says("idle", "shelf@test", "worker")
            await ask.says("all slots taken", "full@test", "worker", 60)
            await ask.says("without events", "quiet@test", "worker")
            await ask.says("empty", "quiet", "queue")
            await ask.says("behind full slots", "celery", "queue")
            await ask.says("without a consumer", "nobody", "queue")
            await ask.says("with a wrong name", "mial", "queue")
            if kind == "rabbit":  # Elsewhere a message that is rejected is gone.
                await ask.says("of dead letters", "graves", "queue")
            control(url, "rate_limit", "mail@test", task_name="shop.add", rate_limit="1/m")
            ids["kept back by a rate limit"] = [send("shop.add", 1, n, queue="mail") for n in range(2)][1]
            doctor.engine._watch.rounds.all_again()  # Limits are asked for once a minute.
            await ask.says("kept back by a rate limit", ids["kept back by a rate limit"])
            hold = Order(action="consumers", targets=["held"], params={"do": "hold"})
            plan = await doctor.engine.plan(hold)
            await doctor.engine.act(plan.id, plan.word)
            ids["in a queue that we hold"] = send("shop.add", 1, 1, queue="held")
            await ask.says("in a queue that we hold", ids["in a queue that we hold"])
            await ask.says("that we hold", "held", "queue")
            control(url, "revoke", task_id=ids["running, by the limit of its worker"], terminate=True)
            await ask.says("terminated", ids["running, by the limit of its worker"])
            ask.done()


@pytest.mark.broker
@pytest.mark.soak
@pytest.mark.parametrize("kind", BROKERS)
async def test_what_is_said_of_workers_that_do_not_take(
    kind: str, broker: RedisServer, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    release = str(tmp_path / "release")
    async with place(kind, broker, request) as here:
        url = here.url()

        def send(name: str, *args: Any, **options: Any) -> str:
            return send_to(url, name, *args, backend=broker.url, **options)

        *_, wrong = await asyncio.gather(
            here.worker("solo", pool="solo", concurrency=1, queues="solo"),
            here.worker("deaf", queues="deaf"),
            here.worker("paused", queues="paused"),
            here.worker("drain", queues="drain"),
            here.worker("wrong", queues="defualt"),
        )
        async with here.clinic() as doctor:
            ask = Asked(doctor, kind)
            send("shop.wait_for", release, 600, queue="solo")
            await asyncio.sleep(1)
            send("shop.add", 1, 1, queue="solo")
            control(url, "play_deaf", "deaf@test")
            for number in range(3):
                send("shop.add", 1, number, queue="deaf")
            send("shop.add", 1, 1, queue="default")
            control(url, "cancel_consumer", "paused@test", queue="paused")
            await ask.says("on a queue that was misspelt", "wrong@test", "worker", 40)
            await ask.says("told to consume nothing", "paused@test", "worker", 40)
            await ask.says("solo, inside a task", "solo@test", "worker", 40)
            await ask.says("deaf", "deaf@test", "worker", 40)
            await ask.says("of a silent solo worker", "solo", "queue")
            await ask.says("of a deaf worker", "deaf", "queue")
            for _ in range(60):
                send("shop.nap", 0.5, queue="drain")
            await _pace(doctor, kind)
            await asyncio.to_thread(wrong.stop)
            await ask.says("stopped", "wrong@test", "worker")
            ask.done()


async def _pace(doctor: Clinic, kind: str) -> None:
    """How many wait changes under our eyes: the sentence is compared without it, and its promise is kept."""
    wanted = expected("drained", kind).partition(" ")[2]
    deadline, told = time.monotonic() + 20, ""
    while time.monotonic() < deadline:
        verdict = await doctor.engine.why("drain", "queue")
        told = shape(verdict.text).partition(" ")[2]
        if told == wanted and verdict.until is not None:
            promised = verdict.until
            while await _depth(doctor):
                assert time.time() < promised + 12, "it took far longer than was said"
                await asyncio.sleep(0.25)
            return
        await asyncio.sleep(0.3)
    raise AssertionError(f"wanted {wanted}\ntold   {told}")


async def _depth(doctor: Clinic) -> int:
    return next(one.messages or 0 for one in await doctor.engine.queues() if one.name == "drain")


@pytest.mark.broker
@pytest.mark.soak
@pytest.mark.parametrize("kind", BROKERS)
async def test_what_is_said_when_a_worker_goes_and_when_the_broker_goes(kind: str) -> None:
    redis = RedisServer(keep=True).start()
    rabbit = RabbitServer().start() if kind == "rabbit" else None
    here = Place(kind, redis, rabbit)
    try:
        await _going(here, kind)
    finally:
        for one in here.started:
            await asyncio.to_thread(one.kill)
        redis.remove()
        if rabbit is not None:
            rabbit.remove()


async def _going(here: Place, kind: str) -> None:
    own = {"concurrency": 1, "env": {"TEST_PREFETCH": "4"}}
    first, second = await asyncio.gather(here.worker("w1", **own), here.worker("w2", queues="other"))
    async with here.clinic() as doctor:
        ask = Asked(doctor, kind)

        def send(name: str, *args: Any, **options: Any) -> str:
            return send_to(here.url(), name, *args, backend=here.redis.url, **options)

        running = send("shop.nap", 600)
        await asyncio.sleep(1)
        held = [send("shop.nap", 600) for _ in range(3)]
        other = send("shop.nap", 600, queue="other")
        await asyncio.sleep(5)
        # All that it holds is asked for every half minute: on a slow machine that was now, or not yet.
        assert len((await doctor.engine.worker("w1@test")).reserved) == 3
        await asyncio.to_thread(first.kill)
        await ask.says("running on a worker that is silent", running, within=10)
        await ask.says("it ran when its worker was lost", running, within=25)
        await ask.says("lost", "w1@test", "worker")
        await ask.says("its worker was lost", held[0])
        await ask.says("with messages that nobody holds", "celery", "queue", 60)
        await ask.says("half a minute later", running, within=50)
        await here.worker("w1", **own)
        await ask.says("its worker came back as another process", held[0], within=40)
        assert second.process is not None
        os.killpg(second.process.pid, signal.SIGSTOP)
        try:
            await ask.says("held by SIGSTOP", "w2@test", "worker", within=40)
        finally:
            os.killpg(second.process.pid, signal.SIGCONT)
        await doctor.cured("worker-lost")
        (here.rabbit or here.redis).kill()
        await ask.says("while the broker is away", other)
        (here.rabbit or here.redis).start()
        deadline = time.monotonic() + 60
        while (await doctor.engine.overview()).sources[0].state != "connected":
            assert time.monotonic() < deadline
            await asyncio.sleep(0.5)
        told = (await doctor.engine.why(running)).text
        assert told.startswith("Lost: w1@test, which ran it, began anew"), told
        ask.done()


@pytest.mark.broker
@pytest.mark.soak
async def test_without_the_management_api_a_queue_is_known_by_who_sends_to_it(
    broker: RedisServer, request: pytest.FixtureRequest
) -> None:
    async with place("rabbit", broker, request) as here:
        await here.worker("w1")
        url = here.url()
        async with clinic(url, management="http://127.0.0.1:9") as doctor:
            send_to(url, "shop.add", 1, 1, queue="celrey", backend=broker.url)
            send_to(url, "shop.add", 1, 1, queue="unheard", backend=broker.url, sent_event=False)
            finding = await doctor.finds("queue-without-consumer", "celrey")
            assert "Did you mean celery?" in finding.title
            assert "nobody consumes it" in (await doctor.engine.why("celrey", "queue")).text
            with pytest.raises(NothingFound) as told:
                await doctor.engine.why("unheard", "queue")
            assert "task_send_sent_event" in told.value.hint
            missing = await doctor.finds("management-missing")
            assert "senders' events" in str(missing.evidence)
