"""global_keyprefix: given, found, and found several times."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lazycelery.sources.control import Control
from tests.sources.conftest import Open, Watched, until
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker
SEP = "\x06\x16"
ACME = {"TEST_PREFIX": "acme:"}


def stale_mailbox(broker: RedisServer, prefix: str) -> None:
    broker.client().sadd(f"{prefix}_kombu.binding.celery.pidbox", f"{SEP}{SEP}dead@h.celery.pidbox")


async def test_a_prefix_is_found_and_everything_works_under_it(
    opened: Open, broker: RedisServer, worker: Callable[..., CeleryWorker]
) -> None:
    worker("w1", env=ACME)
    stale_mailbox(broker, "")
    stale_mailbox(broker, "other:")
    link = await opened(broker.url)
    assert link.prefix == "acme:" and "acme:" in link.notes[0] and "other:" in link.notes[1]
    (report,) = await Control(link.mailbox).survey(what=("ping", "active_queues"))
    assert report.worker == "w1@test" and await link.queues.names() == ["celery"]
    watched = await Watched(link.events).connected()
    options = {"global_keyprefix": "acme:"}
    id = send(broker.url, "shop.late", 30, transport_options=options)
    await until(lambda: any(event.uuid == id for event in watched.events), what="its events")
    await until(lambda: broker.client().hlen("acme:unacked") == 1, what="delivered")
    assert (await link.queues.probe(["celery"]))[0].unacked == 1
    later = send(broker.url, "shop.add", 1, 2, queue="high", transport_options=options)
    assert [m.id for m in (await link.queues.peek("high")).messages] == [later]
    await watched.stop()


async def test_a_given_prefix_is_not_looked_for(opened: Open, broker: RedisServer) -> None:
    stale_mailbox(broker, "other:")
    link = await opened(broker.url, prefix="mine:")
    assert link.prefix == "mine:" and link.notes == []
    assert (await opened(broker.url, prefix="")).prefix == ""


async def test_without_a_prefix_none_is_invented(
    opened: Open, broker: RedisServer, worker: Callable[..., CeleryWorker]
) -> None:
    worker("w1")
    link = await opened(broker.url)
    assert link.prefix == "" and link.notes == []
    stale_mailbox(broker, "other:")
    await link.queues.names()
    assert "other:" in link.notes[0]


async def test_an_empty_broker_has_none(opened: Open, broker: RedisServer) -> None:
    link = await opened(broker.url)
    assert link.prefix == "" and link.notes == []


async def test_the_search_is_bounded(
    opened: Open, broker: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lazycelery.sources.redis.prefixes.CALLS", 2)
    pipe = broker.client().pipeline()
    for n in range(20_000):
        pipe.set(f"celery-task-meta-{n}", "x")
    pipe.execute()
    link = await opened(broker.url)
    assert "give it as `prefix`" in link.notes[0]
    assert broker.client().info("commandstats")["cmdstat_scan"]["calls"] == 2
