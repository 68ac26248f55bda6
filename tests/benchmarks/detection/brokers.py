"""What brokers keep, and how they and result backends are reached."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from celery import Celery

from tests.benchmarks.detection.ward import Ward, case
from tests.sources.servers import Wire, certificate, server_tls, serving
from tests.support.beat import conf
from tests.support.broker import RedisServer


@case("broker-unreachable", cause="kill -9 of Redis", visible="its connections end")
async def dead_broker(ward: Ward) -> AsyncIterator[None]:
    await ward.worker()
    await ward.watch()
    ward.caused()
    ward.server.kill()
    yield
    await asyncio.to_thread(ward.server.start)
    ward.cured()


@case("auth-failed", cause="another password", visible="we are refused")
async def wrong_password(ward: Ward) -> AsyncIterator[None]:
    client = ward.server.client()
    client.config_set("requirepass", "other")
    ward.caused()
    await ward.watch(settle=0)
    yield
    client.config_set("requirepass", "")
    ward.cured()


@case("backend-unreachable", cause="kill -9 of the result backend", visible="its connection ends")
async def dead_backend(ward: Ward) -> AsyncIterator[None]:
    backend = RedisServer().start()
    ward.ending.push_async_callback(asyncio.to_thread, backend.remove)
    await ward.worker(backend=backend.url)
    await ward.watch()
    ward.caused()
    backend.kill()
    yield
    await asyncio.to_thread(backend.start)
    ward.cured()


@case("broker-memory", cause="an evicting policy is set", visible="as Redis tells it")
async def evicting(ward: Ward) -> AsyncIterator[None]:
    await ward.worker()
    await ward.watch()
    client = ward.server.client()
    client.config_set("maxmemory", 100 << 20)
    client.config_set("maxmemory-policy", "allkeys-lru")
    ward.caused()
    yield
    client.config_set("maxmemory-policy", "noeviction")
    ward.cured()


@case("reply-queue-leak", cause="60 reply queues are bound")
async def leak(ward: Ward) -> AsyncIterator[None]:
    await ward.worker()
    await ward.watch()
    names = [f"{n}\x06\x16\x06\x16{n}.reply.celery.pidbox" for n in range(60)]
    ward.server.client().sadd("_kombu.binding.reply.celery.pidbox", *names)
    ward.caused()
    yield
    ward.server.client().srem("_kombu.binding.reply.celery.pidbox", *names)
    ward.cured()


@case("monitor-behind", cause="we may not hear events any more", visible="our subscription is refused")
async def deafened(ward: Ward) -> AsyncIterator[None]:
    client = ward.server.client()
    client.execute_command("ACL", "SETUSER", "monitor", "on", ">pw", "~*", "&*", "+@all")
    await ward.worker()
    await ward.watch(broker=f"redis://monitor:pw@127.0.0.1:{ward.server.port}/0")
    client.execute_command("ACL", "SETUSER", "monitor", "resetchannels")
    ward.caused()
    yield
    client.execute_command("ACL", "SETUSER", "monitor", "allchannels")
    ward.cured()


@case("tls-unverified", cause="a worker that checks no certificate", visible="it is ready")
async def careless(ward: Ward) -> AsyncIterator[None]:
    cert, key = certificate(ward.directory)
    wire = await ward.ending.enter_async_context(
        serving(Wire(ward.server.port).handle, server_tls(cert, key))
    )
    url = f"rediss://localhost:{wire}/0"
    checks = conf(broker_use_ssl={"ssl_cert_reqs": "required", "ssl_ca_certs": cert})
    await ward.worker("w1", env={**checks, "TEST_BROKER": url})
    await ward.watch(broker=url, tls_ca=cert)
    one = await ward.worker("w2", env={"TEST_BROKER": url})
    ward.caused()
    yield
    ward.cured()
    await asyncio.to_thread(one.stop)


@case(
    "dead-letters", cause="a worker rejects a message, RabbitMQ", visible="its dead letter waits", rabbit=True
)
async def dead_letter(ward: Ward) -> AsyncIterator[None]:
    assert ward.rabbit is not None
    await ward.worker(queues="mail,celery")
    letters = {"dead-letter-exchange": "", "dead-letter-routing-key": "graves"}
    policy = {"pattern": "^mail$", "definition": letters, "apply-to": "queues"}
    ward.rabbit.api("PUT", f"/policies/{ward.vhost}/letters", policy)
    ward.rabbit.declare(ward.vhost, "graves")
    await ward.watch()
    ward.send("shop.rejected", queue="mail")
    ward.caused()
    yield
    ward.rabbit.api("DELETE", f"/queues/{ward.vhost}/graves/contents")
    ward.cured()


@case(
    "dead-letters-lost",
    cause="a queue whose dead letters go nowhere is declared, RabbitMQ",
    visible="at once",
    rabbit=True,
    within=120,
)
async def lost_letters(ward: Ward) -> AsyncIterator[None]:
    assert ward.rabbit is not None
    await ward.worker()
    await ward.watch()
    ward.rabbit.declare(ward.vhost, "mail", x_dead_letter_exchange="dlx")
    ward.rabbit.declare(ward.vhost, "graves")
    ward.caused()
    yield
    ward.rabbit.api("PUT", f"/exchanges/{ward.vhost}/dlx", {"type": "fanout", "durable": True})
    ward.rabbit.api("POST", f"/bindings/{ward.vhost}/e/dlx/q/graves", {"routing_key": ""})
    ward.cured()


@case(
    "event-queue-backlog",
    cause="a monitor that reads nothing, RabbitMQ, `event_backlog` = 20",
    visible="RabbitMQ's statistics count 20 (they are made every five seconds)",
    rabbit=True,
)
async def slow_monitor(ward: Ward) -> AsyncIterator[None]:
    assert ward.rabbit is not None
    await ward.worker()
    await ward.watch(doctor={"event_backlog": 20})
    with Celery("flower", broker=ward.url, set_as_current=False) as app, app.connection() as connection:
        app.conf.event_queue_ttl = None
        queue = app.events.Receiver(connection).queue(connection.default_channel)
        queue.declare()
        ward.send_many("shop.add", *[(1, 1)] * 10)
        ward.caused()
        path = f"/queues/{ward.vhost}/{queue.name}"
        for _ in range(200):
            told = await asyncio.to_thread(ward.rabbit.api, "GET", path)
            if (told.get("messages") or 0) >= 20:
                break
            await asyncio.sleep(0.1)
        ward.visible()
        yield
        connection.release()
        ward.cured()


@case(
    "management-missing",
    cause="RabbitMQ's management API refuses our password",
    visible="it is asked",
    rabbit=True,
    within=90,
)
async def refused(ward: Ward) -> AsyncIterator[None]:
    assert ward.rabbit is not None
    ward.rabbit.api("PUT", "/users/looker", {"password": "right", "tags": "monitoring"})
    access = {"configure": "", "write": "", "read": ".*"}
    ward.rabbit.api("PUT", f"/permissions/{ward.vhost}/looker", access)
    await ward.worker()
    named = f"http://looker:right@127.0.0.1:{ward.rabbit.management_port}"
    await ward.watch(management=named)
    ward.rabbit.api("PUT", "/users/looker", {"password": "other", "tags": "monitoring"})
    ward.caused()
    yield
    ward.rabbit.api("PUT", "/users/looker", {"password": "right", "tags": "monitoring"})
    ward.cured()
