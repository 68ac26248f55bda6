"""Remote control over RabbitMQ, with real workers, with the management API and without it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest

from lazycelery.sources.amqp import roster
from lazycelery.sources.control import Control
from tests.amqp.conftest import Open, Vhost
from tests.sources.conftest import until
from tests.support.fleet import CeleryWorker

pytestmark = pytest.mark.broker
Worker = Callable[..., CeleryWorker]


async def test_a_call_ends_with_the_last_reply_and_not_with_the_timeout(
    vhost: Vhost, worker: Worker, opened: Open, management: str
) -> None:
    worker("w1")
    worker("w2", pool="threads")
    broker = await opened(vhost.url, management=management)
    await broker.mailbox.call("ping", timeout=1.0)  # Without the API, names are learned from replies.
    began = time.monotonic()
    replies = await broker.mailbox.call("ping", timeout=10.0)
    assert time.monotonic() - began < 3
    assert replies.complete and replies.expected == 2
    assert replies.by_worker() == {"w1@test": {"ok": "pong"}, "w2@test": {"ok": "pong"}}
    assert await broker.mailbox.workers() == ["w1@test", "w2@test"]


async def test_ten_questions_side_by_side_share_one_reply_queue(
    vhost: Vhost, worker: Worker, opened: Open, rabbit: object
) -> None:
    worker("w1")
    broker = await opened(vhost.url, management=vhost.server.management)
    before = set(vhost.queues())
    methods = ("ping", "stats", "active", "reserved", "scheduled", "active_queues", "registered", "conf")
    answers = await asyncio.gather(*(broker.mailbox.call(each, timeout=5) for each in methods))
    assert all(each.complete and len(each.replies) == 1 for each in answers)
    assert len(set(vhost.queues()) - before) == 1
    [report] = await Control(broker.mailbox).survey(timeout=5)
    assert report.ping and report.stats is not None and report.queues is not None
    assert [queue.name for queue in report.queues] == ["celery"]


async def test_without_any_worker_nothing_is_waited_for(vhost: Vhost, opened: Open) -> None:
    broker = await opened(vhost.url, management=vhost.server.management)
    began = time.monotonic()
    replies = await broker.mailbox.call("ping", timeout=10.0)
    assert time.monotonic() - began < 3 and replies.expected == 0 and replies.complete
    assert await broker.mailbox.cast("ping") == 0


async def test_a_worker_that_has_just_come_is_asked_by_its_name(
    vhost: Vhost, worker: Worker, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker("w1")
    broker = await opened(vhost.url, management=vhost.server.management)
    monkeypatch.setattr(roster, "FRESH", 3600.0)
    assert await broker.mailbox.workers() == ["w1@test"]
    await asyncio.to_thread(worker, "w2")
    replies = await broker.mailbox.call("ping", destination=["w2@test"], timeout=10.0)
    assert replies.complete and replies.by_worker() == {"w2@test": {"ok": "pong"}}


async def test_a_worker_that_is_gone_is_not_waited_for(
    vhost: Vhost, worker: Worker, opened: Open, management: str
) -> None:
    worker("w1")
    gone = worker("w2", pool="solo")
    broker = await opened(vhost.url, management=management)
    await until_known(broker, ["w1@test", "w2@test"])
    gone.kill()

    def unbound() -> bool:
        return "w2@test.celery.pidbox" not in vhost.queues()

    await until(unbound, 20)
    await asyncio.sleep(1.1)  # The list of mailboxes is kept for a second.
    began = time.monotonic()
    replies = await broker.mailbox.call("ping", timeout=10.0)
    assert time.monotonic() - began < 3 and replies.complete
    assert set(replies.by_worker()) == {"w1@test"}


async def until_known(broker, names) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + 10
    while await broker.mailbox.workers() != names:
        assert time.monotonic() < deadline
        await broker.mailbox.call("ping", timeout=0.5)


async def test_a_busy_solo_worker_is_told_as_silent(
    vhost: Vhost, worker: Worker, opened: Open, tmp_path
) -> None:  # type: ignore[no-untyped-def]
    from tests.support.fleet import send

    worker("w1", pool="solo")
    broker = await opened(vhost.url, management=vhost.server.management)
    flag = tmp_path / "go"
    send(vhost.url, "shop.wait_for", str(flag))

    async def busy() -> bool:
        return not (await broker.mailbox.call("ping", timeout=0.5)).complete

    deadline = time.monotonic() + 10
    while not await busy():
        assert time.monotonic() < deadline
    replies = await broker.mailbox.call("ping", timeout=0.3)
    assert replies.expected == 1 and not replies.replies
    flag.touch()


async def test_closing_leaves_no_queue_of_ours(vhost: Vhost, worker: Worker, opened: Open) -> None:
    worker("w1")
    before = set(vhost.queues())
    broker = await opened(vhost.url, management=vhost.server.management)
    await broker.mailbox.call("ping", timeout=5)
    assert set(vhost.queues()) - before
    await broker.close()
    await until(lambda: set(vhost.queues()) == before)
