"""Queues of RabbitMQ: what is told of them, and what looking, emptying and filling do to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pika
import pytest

from lazycelery.errors import LazyCeleryError, NothingFound, Refused
from lazycelery.model.message import StoredMessage
from lazycelery.model.reports import QueueReport
from lazycelery.sources.amqp.delayed import FOLDED
from lazycelery.sources.amqp.holding import SELECTIVE, Holding
from lazycelery.sources.amqp.properties import Properties, read_properties, write_properties
from lazycelery.sources.capabilities import Searches, ShowsInFlight
from lazycelery.sources.protocols.queues import QueueOps
from tests.amqp.conftest import Open, Vhost
from tests.sources.conftest import until
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker
Worker = Callable[..., CeleryWorker]
ODD = {
    "text": "ü",
    "half": 0.5,
    "big": 2**40,
    "none": None,
    "yes": True,
    "list": [1, 2.25, "x", {"deep": -1}],
    "bytes": b"\xff\x00",
}


def fill(vhost: Vhost, queue: str, count: int, **properties: Any) -> None:
    """Messages m0, m1, … as a program writes them that is not Celery."""
    with pika.BlockingConnection(pika.URLParameters(vhost.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for number in range(count):
            headers = {"id": f"m{number}", "task": "shop.add"}
            told = pika.BasicProperties(content_type="application/json", headers=headers, **properties)
            channel.basic_publish("", queue, json.dumps([[number], {}, {}]).encode(), told)


def odd_properties(**changes: Any) -> dict[str, Any]:
    return {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "headers": {"id": "odd", "task": "shop.add", **ODD},
        "delivery_mode": 2,
        "priority": 5,
        "correlation_id": "c",
        "reply_to": "r",
        "expiration": "60000000",
        "message_id": "m",
        "timestamp": 1_700_000_000,
        "type": "t",
        "app_id": "a",
        **changes,
    }


def ids(vhost: Vhost, queue: str) -> list[str]:
    return [message["properties"]["headers"]["id"] for message in vhost.waiting(queue)]


def taken_out(vhost: Vhost, queue: str) -> list[str]:
    """Takes all that waits, and tells what it was: no count that may lag behind."""
    found = []
    with pika.BlockingConnection(pika.URLParameters(vhost.url)) as connection:
        channel = connection.channel()
        while True:
            method, properties, _ = channel.basic_get(queue, auto_ack=True)
            if method is None:
                return found
            found.append(str(read_properties(properties.raw)["headers"]["id"]))


async def gathered(queues: QueueOps, queue: str) -> list[StoredMessage]:
    """Purge, and what was saved."""
    saved: list[StoredMessage] = []
    await queues.purge(queue, saved.extend)
    return saved


async def test_work_queues_are_named_and_the_inner_ones_are_not(
    vhost: Vhost, worker: Worker, opened: Open
) -> None:
    worker("w1", queues="celery,mail")
    vhost.declare("orders.high")
    for inner in ("celery_delayed_3", "celery_delayed_delivery"):
        vhost.declare(inner, x_queue_type="quorum")
    broker = await opened(vhost.url, management=vhost.server.management, queues=["mine"])
    await broker.mailbox.call("ping", timeout=2)
    assert "celery_delayed_3" in vhost.queues()
    assert await broker.queues.names() == ["celery", FOLDED, "mail", "mine", "orders.high"]


async def test_queues_of_delayed_delivery_are_one_line_that_is_left_alone(vhost: Vhost, opened: Open) -> None:
    for level in (3, 5):
        vhost.declare(f"celery_delayed_{level}", x_queue_type="quorum")
    fill(vhost, "celery_delayed_5", 3)
    broker = await opened(vhost.url, management=vhost.server.management)

    async def line() -> QueueReport:
        broker.queues._management.forget()  # type: ignore[attr-defined]
        assert await broker.queues.names() == [FOLDED]
        [report] = await broker.queues.probe([FOLDED])
        return report

    for _ in range(100):
        if (found := await line()).messages:
            break
        await asyncio.sleep(0.2)
    assert (found.messages, found.consumers, found.type, found.error) == (3, 0, "delayed", None)
    held = "RabbitMQ holds 3 tasks until their ETA, in 2 queues of delayed delivery"
    assert found.folded == f"{held}, the last one within 0:01:04."
    with pytest.raises(Refused, match="are not looked into"):
        await broker.queues.peek(FOLDED, force=True)


async def test_depths_are_exact_with_and_without_the_management(
    vhost: Vhost, opened: Open, management: str
) -> None:
    vhost.declare("waiting")
    vhost.declare("empty", x_queue_type="quorum")
    fill(vhost, "waiting", 7)
    broker = await opened(vhost.url, management=management)
    reports = {each.name: each for each in await broker.queues.probe(["waiting", "empty", "missing"])}
    assert (reports["waiting"].messages, reports["waiting"].consumers) == (7, 0)
    assert reports["empty"].messages == 0
    assert reports["missing"].messages is None and reports["missing"].error
    kinds = (reports["waiting"].type, reports["empty"].type)
    assert kinds == (("classic", "quorum") if management == vhost.server.management else (None, None))


async def test_many_queues_cost_one_request(vhost: Vhost, opened: Open) -> None:
    for number in range(40):
        vhost.declare(f"q{number}")
    broker = await opened(vhost.url, management=vhost.server.management)
    names = await broker.queues.names()
    before = broker.commands_sent()
    reports = await broker.queues.probe(names)
    assert len(reports) == 40 and {each.type for each in reports} == {"classic"}
    assert broker.commands_sent() - before <= 1
    [missing] = await broker.queues.probe(["nowhere"])
    assert missing.error and not missing.bound


async def test_unacknowledged_messages_and_consumers_are_counted(
    vhost: Vhost, worker: Worker, opened: Open, tmp_path: Any
) -> None:
    worker("w1", concurrency=1, env={"TEST_PREFETCH": "1"})
    flag = tmp_path / "go"
    for _ in range(5):
        send(vhost.url, "shop.wait_for", str(flag))
    broker = await opened(vhost.url, management=vhost.server.management)

    async def told() -> Any:
        [report] = await broker.queues.probe(["celery"])
        return report if (report.unacked or 0) > 0 else None

    report = None
    for _ in range(100):
        if report := await told():
            break
        await asyncio.sleep(0.2)
    assert report is not None and report.consumers == 1
    assert report.unacked is not None and 1 <= report.unacked <= 4
    flag.touch()


async def test_priorities_are_told_by_their_number(vhost: Vhost, opened: Open) -> None:
    vhost.declare("prio", x_max_priority=9)
    fill(vhost, "prio", 3, priority=2)
    fill(vhost, "prio", 2, priority=9)
    broker = await opened(vhost.url, management=vhost.server.management)

    async def told() -> dict[str, int]:
        broker.queues._management.forget()  # type: ignore[attr-defined]
        return (await broker.queues.probe(["prio"]))[0].priorities

    for _ in range(60):
        if found := await told():
            break
        await asyncio.sleep(0.2)
    assert found == {"2": 3, "9": 2}


async def test_a_look_is_refused_with_its_cost_unless_it_is_forced(vhost: Vhost, opened: Open) -> None:
    vhost.declare("classic")
    vhost.declare("quorum", x_queue_type="quorum")
    broker = await opened(vhost.url, management=vhost.server.management)
    assert broker.queues.free_looks is False
    with pytest.raises(Refused, match="their order stays"):
        await broker.queues.peek("classic")
    with pytest.raises(Refused, match="one delivery more for all that are shown") as told:
        await broker.queues.peek("quorum")
    version = (await broker._server.session("queues")).version
    default = "default of RabbitMQ 4" if version >= (4,) else "RabbitMQ 3 has none"
    assert default in told.value.title


async def test_the_question_before_a_look_tells_the_limit_and_how_near_it_is(
    vhost: Vhost, opened: Open
) -> None:
    vhost.declare("limited", x_queue_type="quorum", x_delivery_limit=7)
    fill(vhost, "limited", 2)
    broker = await opened(vhost.url, management=vhost.server.management)
    with pytest.raises(Refused, match="one delivery more for all that are shown, of at most 7,"):
        await broker.queues.peek("limited")
    with pytest.raises(Refused, match=r"came back more than 7 times \(x-delivery-limit, or a policy\)"):
        await broker.queues.peek("limited")
    for deliveries in (1, 2):
        page = await broker.queues.peek("limited", force=True)
        assert f"has {deliveries} of 7 (x-delivery-limit, or a policy) now" in (page.note or "")
    with pytest.raises(Refused, match="ago, the most delivered of them had 2"):
        await broker.queues.peek("limited")


async def test_a_wide_look_renews_each_message_at_its_end_once(vhost: Vhost, opened: Open) -> None:
    """More acknowledgements than a quorum queue takes at once: none may be lost with the channel."""
    vhost.declare("limited", x_queue_type="quorum", x_delivery_limit=1)
    fill(vhost, "limited", 150)
    broker = await opened(vhost.url, management=vhost.server.management)
    page = await broker.queues.peek("limited", 0, 150, force=True)
    assert "150 near the limit" in (page.note or "")
    await asyncio.sleep(0.5)
    assert sorted(taken_out(vhost, "limited")) == sorted(f"m{number}" for number in range(150))


async def test_a_forced_look_at_a_classic_queue_keeps_the_order(vhost: Vhost, opened: Open) -> None:
    vhost.declare("classic")
    fill(vhost, "classic", 6)
    broker = await opened(vhost.url, management=vhost.server.management)
    page = await broker.queues.peek("classic", 1, 3, force=True)
    assert [message.id for message in page.messages] == ["m1", "m2", "m3"]
    assert [message.position for message in page.messages] == [1, 2, 3]
    assert page.messages[0].args == [1] and page.total == 6 and "redelivered" in (page.note or "")
    assert ids(vhost, "classic") == [f"m{number}" for number in range(6)]


async def test_forced_looks_never_cost_a_message_of_a_quorum_queue(
    vhost: Vhost, opened: Open, management: str
) -> None:
    vhost.declare("limited", x_queue_type="quorum", x_delivery_limit=3)
    fill(vhost, "limited", 2)
    broker = await opened(vhost.url, management=management)
    for _ in range(8):
        page = await broker.queues.peek("limited", force=True)
        assert {message.id for message in page.messages} == {"m0", "m1"}
        assert "x-delivery-count" not in page.messages[0].headers
        assert page.total == 2
    assert sorted(
        broker.codec.describe(each.raw).id for each in await gathered(broker.queues, "limited")
    ) == [
        "m0",
        "m1",
    ]


@pytest.mark.parametrize("kind", ["classic", "quorum"])
async def test_a_purge_saves_every_message_and_restoring_brings_back_each_property(
    vhost: Vhost, opened: Open, kind: str
) -> None:
    vhost.declare("box", x_queue_type=kind)
    with pika.BlockingConnection(pika.URLParameters(vhost.url)) as connection:
        channel = connection.channel()
        # Encoded by our own writer: pika cannot write a float.
        raw = write_properties(odd_properties())
        channel.basic_publish("", "box", b"\x80\xff not JSON", Properties.of(raw))
    fill(vhost, "box", 450)
    broker = await opened(vhost.url, management=vhost.server.management)
    saved: list[StoredMessage] = []
    result = await broker.queues.purge("box", saved.extend)
    assert (result.before, result.removed, result.after) == (451, 451, 0)
    assert [message.position for message in saved] == list(range(451))
    assert saved[0].priority == 5
    first = broker.codec.describe(saved[0].raw)
    assert first.id == "odd" and first.headers["half"] == 0.5 and first.priority == 5
    await asyncio.sleep(0.5)  # What was acknowledged and forgotten would come back now.
    assert taken_out(vhost, "box") == []
    assert await broker.queues.put_back(saved) == 451
    again = await gathered(broker.queues, "box")
    assert [broker.codec.describe(each.raw).id for each in again] == [
        broker.codec.describe(each.raw).id for each in saved
    ]
    one, other = json.loads(saved[0].raw), json.loads(again[0].raw)
    assert one["body"] == other["body"] and one["headers"] == other["headers"]
    assert one["properties"]["amqp"] == other["properties"]["amqp"]


@pytest.mark.parametrize("kind", ["classic", "quorum"])
async def test_what_arrives_during_a_purge_is_neither_removed_nor_lost(
    vhost: Vhost, opened: Open, kind: str
) -> None:
    vhost.declare("box", x_queue_type=kind)
    fill(vhost, "box", 120)
    broker = await opened(vhost.url, management=vhost.server.management)
    saved: list[StoredMessage] = []

    def save(messages: Sequence[StoredMessage]) -> None:
        if not saved:
            fill(vhost, "box", 60)
        saved.extend(messages)

    result = await broker.queues.purge("box", save)
    assert (result.before, result.removed, len(saved)) == (120, 120, 120)
    await asyncio.sleep(0.5)
    assert sorted(taken_out(vhost, "box")) == sorted(f"m{number}" for number in range(60))


@pytest.mark.parametrize("kind", ["classic", "quorum"])
async def test_some_of_the_held_messages_are_removed_and_the_others_stay(
    vhost: Vhost, opened: Open, kind: str
) -> None:
    vhost.declare("box", x_queue_type=kind)
    fill(vhost, "box", 200)
    broker = await opened(vhost.url, management=vhost.server.management)
    channel = await broker._server.channel("queues")
    holding = Holding(channel, "box", SELECTIVE)
    taken = []
    while more := await holding.take(200 - len(taken)):
        taken += more
    assert len(taken) == 200
    assert await holding.remove({got.tag for got in taken[::2]}) == 100
    await holding.let_go()
    channel.close()
    await asyncio.sleep(0.5)
    assert sorted(taken_out(vhost, "box")) == sorted(f"m{number}" for number in range(1, 200, 2))


async def test_a_queue_that_serves_one_consumer_only_is_left_alone(vhost: Vhost, opened: Open) -> None:
    vhost.declare("box", x_single_active_consumer=True)
    with pika.BlockingConnection(pika.URLParameters(vhost.url)) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=1)
        channel.basic_consume("box", lambda *delivered: None)
        fill(vhost, "box", 3)
        broker = await opened(vhost.url, management=vhost.server.management)
        with pytest.raises(Refused, match="gives us none") as told:
            await broker.queues.purge("box", lambda messages: None)
        assert told.value.nothing_done
    assert len(taken_out(vhost, "box")) == 3


async def test_priorities_survive_a_purge_and_its_restore(vhost: Vhost, opened: Open) -> None:
    vhost.declare("prio", x_max_priority=9)
    for priority in (0, 5, 9):
        fill(vhost, "prio", 2, priority=priority)
    broker = await opened(vhost.url, management=vhost.server.management)
    saved = await gathered(broker.queues, "prio")
    assert [message.priority for message in saved] == [9, 9, 5, 5, 0, 0]
    await broker.queues.put_back(saved)
    found = [message["properties"]["priority"] for message in vhost.waiting("prio")]
    assert found == [9, 9, 5, 5, 0, 0]


@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), Refused("no room")])
async def test_when_saving_fails_all_is_back_in_order(vhost: Vhost, opened: Open, problem: Exception) -> None:
    vhost.declare("box")
    fill(vhost, "box", 250)
    broker = await opened(vhost.url, management=vhost.server.management)
    saved = 0

    def save(messages: Sequence[StoredMessage]) -> None:
        nonlocal saved
        saved += len(messages)
        if saved > 200:
            raise problem

    with pytest.raises(LazyCeleryError) as told:
        await broker.queues.purge("box", save)
    assert told.value.nothing_done
    await until(lambda: vhost.queues()["box"].get("messages_ready", 250) == 250)
    assert ids(vhost, "box") == [f"m{number}" for number in range(250)]


async def test_a_full_queue_takes_what_fits_and_no_word_is_lost(vhost: Vhost, opened: Open) -> None:
    vhost.declare("small", x_max_length=250, x_overflow="reject-publish")
    broken = await opened(vhost.url, management=vhost.server.management)
    raw = broken.codec.build(task="t", args=[], kwargs={}, queue="small", new_id="1", headers={})
    messages = [StoredMessage(queue="small", priority=0, raw=raw, position=n) for n in range(600)]
    taken = await broken.queues.put_back(messages)
    [report] = await broken.queues.probe(["small"])
    assert 200 <= taken <= report.messages < 600


async def test_a_message_for_a_missing_queue_is_never_sent_into_nowhere(vhost: Vhost, opened: Open) -> None:
    vhost.declare("there")
    broker = await opened(vhost.url, management=vhost.server.management)
    raw = broker.codec.build(task="t", args=[], kwargs={}, queue="gone", new_id="1", headers={})
    messages = [StoredMessage(queue=name, priority=0, raw=raw) for name in ("there", "gone")]
    with pytest.raises(NothingFound, match="no queue gone") as told:
        await broker.queues.publish(messages)
    assert told.value.nothing_done
    [report] = await broker.queues.probe(["there"])
    assert report.messages == 0


async def test_a_built_message_runs_and_an_opaque_copy_runs_again(
    vhost: Vhost, worker: Worker, opened: Open
) -> None:
    worker("w1")
    broker = await opened(vhost.url, management=vhost.server.management)
    raw = broker.codec.build(
        task="shop.echo", args=[1], kwargs={"k": 0.5}, queue="celery", new_id="built", headers={"h": 1.5}
    )
    copy = broker.codec.copy(raw, queue="celery", new_id="copied", headers={"lazycelery_retry_of": "built"})
    from tests.sources.conftest import Watched

    watched = await Watched(broker.events).connected()
    sent = [StoredMessage(queue="celery", priority=0, raw=each) for each in (raw, copy)]
    assert await broker.queues.publish(sent) == 2

    def ended() -> set[str]:
        return {event.uuid for event in watched.events if event.type == "task-succeeded"}

    await until(lambda: ended() == {"built", "copied"})
    await watched.stop()


async def test_a_copy_forgets_where_the_old_message_has_been(opened: Open, vhost: Vhost) -> None:
    broker = await opened(vhost.url, management=vhost.server.management)
    vhost.declare("dead")
    vhost.declare("box", x_dead_letter_exchange="", x_dead_letter_routing_key="dead", x_message_ttl=1)
    fill(vhost, "box", 1)
    await until(lambda: vhost.queues()["dead"].get("messages_ready") == 1, 20)
    [stored] = await gathered(broker.queues, "dead")
    seen = broker.codec.describe(stored.raw)
    assert seen.headers["x-death"][0]["reason"] == "expired"
    copy = broker.codec.copy(stored.raw, queue="box", new_id="new", headers={})
    assert not [name for name in broker.codec.describe(copy).headers if name.startswith("x-")]
    await broker.queues.put_back([stored])
    [again] = await gathered(broker.queues, "dead")
    assert broker.codec.describe(again.raw).headers == seen.headers


async def test_what_rabbitmq_cannot_show_is_empty(vhost: Vhost, opened: Open) -> None:
    vhost.declare("box")
    fill(vhost, "box", 1)
    broker = await opened(vhost.url, management=vhost.server.management)
    assert not isinstance(broker.queues, (Searches, ShowsInFlight))


async def test_a_stream_is_told_and_never_taken_from(vhost: Vhost, opened: Open) -> None:
    vhost.declare("flow", x_queue_type="stream")
    broker = await opened(vhost.url, management=vhost.server.management)
    [report] = await broker.queues.probe(["flow"])
    assert report.type == "stream" and report.error is None
    for deed in (broker.queues.peek("flow", force=True), broker.queues.purge("flow", lambda messages: None)):
        with pytest.raises(Refused, match="stream"):
            await deed
