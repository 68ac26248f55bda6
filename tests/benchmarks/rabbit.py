"""What RabbitMQ's part costs: the time of ten questions, and the CPU of a list of many queues."""

from __future__ import annotations

import asyncio
import time

from lazycelery.model.profile import Profile
from lazycelery.sources import open_broker
from lazycelery.sources.control import Control
from lazycelery.store.store import Store
from tests.benchmarks.figure import Figure
from tests.support.fleet import CeleryWorker
from tests.support.rabbit import RabbitServer

QUESTIONS = (
    *("ping", "stats", "active", "active_queues", "registered"),
    *("conf", "reserved", "scheduled", "revoked", "clock"),
)
REPEATS = 5
QUEUES = 500


def questions_and_queues() -> list[Figure]:
    server = RabbitServer().start()
    try:
        workers = [CeleryWorker(server.url(), name, backend="rpc://").start() for name in ("w1", "w2")]
        try:
            took = asyncio.run(_ask(server))
        finally:
            for worker in workers:
                worker.stop()
        for number in range(QUEUES):
            server.declare("/", f"queue.{number}")
        server.api("PUT", "/exchanges/%2F/dead", {"type": "topic", "durable": True})
        server.api("POST", "/bindings/%2F/e/dead/q/queue.0", {"routing_key": "#"})
        letters = {"pattern": "^queue", "definition": {"dead-letter-exchange": "dead"}, "apply-to": "queues"}
        server.api("PUT", "/policies/%2F/letters", letters)
        time.sleep(6)  # Statistics are gathered every five seconds.
        cpu = asyncio.run(_list(server))
    finally:
        server.remove()
    return [
        Figure("ten inspect calls on 2 workers over RabbitMQ", min(took) * 1000, "ms", 100.0),
        Figure(
            f"CPU of a look at {QUEUES} queues of RabbitMQ",
            *(
                min(cpu) * 1000,
                "ms",
                50.0,
                f"the first, with the past and all bindings: {cpu[0] * 1000:.0f} ms",
            ),
        ),
    ]


async def _ask(server: RabbitServer) -> list[float]:
    broker = open_broker(Profile(broker=server.url(), management=server.management))
    await broker.connect()
    mailbox, took = broker.mailbox, []
    await Control(mailbox).survey(what=("ping",))
    for _ in range(REPEATS):
        began = time.perf_counter()
        answers = await asyncio.gather(*(mailbox.call(question, timeout=3) for question in QUESTIONS))
        took.append(time.perf_counter() - began)
        assert all(len(each.replies) == 2 and each.complete for each in answers)
    await broker.close()
    return took


async def _list(server: RabbitServer) -> list[float]:
    """Names, depths and the store, as an engine does it, every thread of ours counted."""
    broker = open_broker(Profile(broker=server.url(), management=server.management))
    await broker.connect()
    store, cpu = Store(), []
    for _ in range(REPEATS):
        began = time.process_time()
        reports = await broker.queues.probe(await broker.queues.names())
        store.apply_queues(reports)
        found = store.queues(time.time())
        cpu.append(time.process_time() - began)
        assert len([each for each in found if each.name.startswith("queue.")]) == QUEUES
        broker.queues._management.forget()  # type: ignore[attr-defined]
    await broker.close()
    return cpu
