"""What a broker keeps, and how it is reached, for real: found, cured, gone; its healthy twin is silent."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lazycelery.model.action import Order
from lazycelery.sources.amqp import management
from tests.doctor.clinic import clinic
from tests.sources.servers import Wire, certificate, server_tls, serving
from tests.support.beat import conf
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send
from tests.support.rabbit import RabbitServer

pytestmark = [pytest.mark.broker, pytest.mark.soak]
Start = Callable[..., CeleryWorker]


@contextmanager
def vhost(rabbit: RabbitServer, name: str) -> Iterator[str]:
    """A virtual host of one test; its URL."""
    rabbit.add_vhost(name)
    try:
        yield rabbit.url(name)
    finally:
        rabbit.drop_vhost(name)


@contextmanager
def working(broker: str, name: str = "w1", **own: Any) -> Iterator[CeleryWorker]:
    """A worker on any broker."""
    one = CeleryWorker(broker, name, **own).start()
    try:
        yield one
    finally:
        one.kill()


async def test_dead_letters_until_they_are_sent_back_to_work(rabbit: RabbitServer) -> None:
    with vhost(rabbit, "graves") as url, working(url, queues="mail,celery", backend="rpc://"):
        # A policy, as operators do it: a worker's own declaration knows nothing of it.
        to_graves = {"dead-letter-exchange": "", "dead-letter-routing-key": "graves"}
        policy = {"pattern": "^mail$", "definition": to_graves, "apply-to": "queues"}
        rabbit.api("PUT", "/policies/graves/letters", policy)
        rabbit.declare("graves", "graves")
        allow = ["requeue", "purge"]
        async with clinic(url, management=rabbit.management, allow=allow) as doctor:
            send(url, "shop.add", 1, 1, queue="mail")
            await doctor.silent("dead-letters")
            send(url, "shop.rejected", queue="mail")
            finding = await doctor.finds("dead-letters", "graves")
            assert finding.title == "1 dead message in graves, from mail." and finding.kind == "queue"
            assert finding.evidence[0].value == 1 and "mail put what they give up" in finding.evidence[1].text
            assert "lazycelery requeue graves" in finding.fix and "purge" in finding.actions
            plan = await doctor.engine.plan(Order(action="purge", targets=["graves"]))
            await doctor.engine.act(plan.id, plan.word)
            await doctor.cured("dead-letters")


async def test_a_monitor_that_does_not_read_its_events(rabbit: RabbitServer) -> None:
    from celery import Celery

    with vhost(rabbit, "monitors") as url, working(url, backend="rpc://"):
        limits = {"event_backlog": 20}
        with Celery("flower", broker=url, set_as_current=False) as app, app.connection() as connection:
            app.conf.event_queue_ttl = None  # As of a monitor that wants to miss nothing.
            queue = app.events.Receiver(connection).queue(connection.default_channel)
            async with clinic(url, management=rabbit.management, limits=limits) as doctor:
                await doctor.silent("event-queue-backlog")
                queue.declare()
                for number in range(10):
                    send(url, "shop.add", number, 1)
                finding = await doctor.finds("event-queue-backlog", queue.name)
                assert "wait for a monitor that does not keep up" in finding.title
                assert int(finding.evidence[0].value or 0) >= 20 and finding.evidence[0].source == "broker"
                assert "event_queue_ttl" in finding.fix
                connection.release()  # It is ended, and its queue with it.
                await doctor.cured("event-queue-backlog")


async def test_workers_that_do_not_check_a_certificate_and_one_that_does(
    broker: RedisServer, tmp_path: Path
) -> None:
    cert, key = certificate(tmp_path)
    async with serving(Wire(broker.port).handle, server_tls(cert, key)) as port:
        url = f"rediss://localhost:{port}/0"
        own = {"backend": broker.url}
        checks = conf(broker_use_ssl={"ssl_cert_reqs": "required", "ssl_ca_certs": cert})
        careful = CeleryWorker(url, "careful", env=checks, **own)  # type: ignore[arg-type]
        careless = CeleryWorker(url, "careless", **own)  # type: ignore[arg-type]
        try:
            await asyncio.to_thread(careful.start)
            async with clinic(url, tls_ca=cert) as doctor:
                await doctor.silent("tls-unverified")
                await asyncio.to_thread(careless.start)
                finding = await doctor.finds("tls-unverified", "careless@test")
                assert finding.severity == "warning" and finding.evidence[0].value == 1
                assert "1 worker names no ssl_cert_reqs: careless@test" in finding.evidence[0].text
                assert "CERT_REQUIRED" in finding.fix and not finding.related
                await asyncio.to_thread(careless.stop)
                await doctor.cured("tls-unverified")
            async with clinic(url, tls_verify=False) as doctor:
                finding = await doctor.finds("tls-unverified")
                assert finding.severity == "info" and "tls_ca" in finding.fix
        finally:
            for one in (careful, careless):
                await asyncio.to_thread(one.stop)


async def test_a_monitor_that_may_not_hear_events_any_more(broker: RedisServer, worker: Start) -> None:
    client = broker.client()
    client.execute_command("ACL", "SETUSER", "monitor", "on", ">pw", "~*", "&*", "+@all")
    worker("w1")
    async with clinic(f"redis://monitor:pw@127.0.0.1:{broker.port}/0") as doctor:
        await doctor.silent("monitor-behind", 5)  # The first event comes with a heartbeat.
        client.execute_command("ACL", "SETUSER", "monitor", "resetchannels")
        finding = await doctor.finds("monitor-behind", within=40)
        assert finding.severity == "warning" and "event stream is down" in finding.title
        assert finding.evidence[0].source == "monitor" and finding.fix
        client.execute_command("ACL", "SETUSER", "monitor", "allchannels")
        await doctor.cured("monitor-behind", 60)


async def test_low_priorities_that_never_move(broker: RedisServer, worker: Start) -> None:
    worker("w1", concurrency=1)
    over = threading.Event()

    def flood() -> None:
        while not over.is_set():
            send(broker.url, "shop.nap", 0.2, priority=0)
            time.sleep(0.05)

    sender = threading.Thread(target=flood)
    limits = {"starved": 10, "growth": 10_000}
    async with clinic(broker.url, limits=limits) as doctor:
        for _ in range(3):
            send(broker.url, "shop.nap", 0.01, priority=9)
        await doctor.silent("priority-starvation")  # They move: nothing goes before them.
        sender.start()
        await asyncio.sleep(3)
        try:
            for _ in range(3):
                send(broker.url, "shop.nap", 0.01, priority=9)
            finding = await doctor.finds("priority-starvation", "celery", 60)
            assert "messages of priority 9 do not move while others are taken" in finding.title
            assert finding.evidence[0].value == 3 and finding.actions == ["peek"]
        finally:
            over.set()
            sender.join()
        await doctor.cured("priority-starvation", 120)


async def test_a_management_api_that_refuses_us_until_the_password_is_right(
    rabbit: RabbitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(management, "RETRY", 0.5)
    rabbit.api("PUT", "/users/looker", {"password": "right", "tags": "monitoring"})
    named = f"http://looker:wrong@127.0.0.1:{rabbit.management_port}"
    try:
        with vhost(rabbit, "looked-at") as url, working(url, backend="rpc://"):
            access = {"configure": "", "write": "", "read": ".*"}
            rabbit.api("PUT", "/permissions/looked-at/looker", access)
            async with clinic(url, management=named) as doctor:
                finding = await doctor.finds("management-missing")
                assert "does not take user name or password of looker" in finding.title
                assert finding.severity == "warning" and "`management`" in finding.fix
                rabbit.api("PUT", "/users/looker", {"password": "wrong", "tags": "monitoring"})
                await doctor.cured("management-missing")
    finally:
        rabbit.api("DELETE", "/users/looker")
