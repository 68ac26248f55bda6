"""How queues of RabbitMQ hang together: dead letters, consumers, rates, what is held for later."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pika
import pytest

from lazycelery.model.reports import QueueReport
from lazycelery.sources.amqp.broker import AmqpBroker
from lazycelery.sources.amqp.deadletters import topic_matches
from lazycelery.sources.amqp.delayed import FOLDED
from tests.amqp.conftest import Open, Vhost
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker
Worker = Callable[..., CeleryWorker]


def exchange(vhost: Vhost, name: str, kind: str) -> None:
    path = f"/exchanges/{quote(vhost.name, safe='')}/{quote(name, safe='')}"
    vhost.server.api("PUT", path, {"type": kind, "durable": True})


def bind(vhost: Vhost, source: str, target: str, key: str = "", to: str = "q") -> None:
    path = f"/bindings/{quote(vhost.name, safe='')}/e/{quote(source, safe='')}/{to}/{quote(target, safe='')}"
    vhost.server.api("POST", path, {"routing_key": key})


def policy(vhost: Vhost, name: str, pattern: str, **definition: Any) -> None:
    table = {key.replace("_", "-"): value for key, value in definition.items()}
    body = {"pattern": pattern, "definition": table, "apply-to": "queues"}
    vhost.server.api("PUT", f"/policies/{quote(vhost.name, safe='')}/{name}", body)


def publish(vhost: Vhost, queue: str, count: int, **properties: Any) -> None:
    with pika.BlockingConnection(pika.URLParameters(vhost.url)) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for _ in range(count):
            channel.basic_publish("", queue, b"[[], {}, {}]", pika.BasicProperties(**properties))


async def told(
    broker: AmqpBroker, names: list[str], right: Callable[[dict[str, QueueReport]], Any], within: float = 30
) -> dict[str, QueueReport]:
    """Reports, asked for until they are as they should be, or time runs out."""
    deadline = time.monotonic() + within
    while True:
        broker._management.forget()
        broker._queues._wiring._due = dict.fromkeys(broker._queues._wiring._due, 0.0)
        found = {report.name: report for report in await broker.queues.probe(names)}
        if right(found) or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.2)


async def test_dead_letters_are_followed_through_arguments_policies_and_exchanges(
    vhost: Vhost, opened: Open
) -> None:
    exchange(vhost, "dlx", "topic")
    exchange(vhost, "inner", "direct")
    exchange(vhost, "nowhere", "fanout")
    names = ["default", "mail", "reports", "slow", "lost", "plain", "dead", "dead.mail", "dead.direct"]
    vhost.declare("default", x_dead_letter_exchange="", x_dead_letter_routing_key="dead.direct")
    vhost.declare("mail", x_dead_letter_exchange="dlx", x_dead_letter_routing_key="mail.x")
    vhost.declare("slow", x_dead_letter_exchange="dlx")
    vhost.declare("lost", x_dead_letter_exchange="nowhere")
    for name in ("reports", "plain", "dead", "dead.mail", "dead.direct"):
        vhost.declare(name)
    policy(vhost, "letters", "^reports$", dead_letter_exchange="dlx", dead_letter_routing_key="any")
    bind(vhost, "dlx", "dead.mail", "mail.*")
    bind(vhost, "dlx", "inner", "any", to="e")
    bind(vhost, "dlx", "dead", "slow")
    bind(vhost, "inner", "dead", "any")
    broker = await opened(vhost.url, management=vhost.server.management)
    found = await told(broker, names, lambda each: each["reports"].dead_letter_to == "dead")
    assert {name: found[name].dead_letter_to for name in names} == {
        "default": "dead.direct",
        "mail": "dead.mail",
        "reports": "dead",
        "slow": "dead",
        "lost": None,
        "plain": None,
        "dead": None,
        "dead.mail": None,
        "dead.direct": None,
    }
    assert found["dead"].dead_letter_from == ["reports", "slow"]
    assert found["dead.mail"].dead_letter_from == ["mail"] and found["plain"].dead_letter_from == []
    assert (found["lost"].dead_letter_exchange, found["plain"].dead_letter_exchange) == ("nowhere", None)
    assert (found["default"].dead_letter_exchange, found["reports"].policy) == ("", "letters")


async def test_dead_letters_that_lead_nowhere_are_told_and_those_that_may_arrive_are_not(
    vhost: Vhost, opened: Open
) -> None:
    for name, kind in (("bare", "fanout"), ("direct", "direct"), ("topics", "topic"), ("outer", "topic")):
        exchange(vhost, name, kind)
    path = f"/exchanges/{quote(vhost.name, safe='')}/spare"
    vhost.server.api("PUT", path, {"type": "direct", "arguments": {"alternate-exchange": "topics"}})
    vhost.declare("graves")
    bind(vhost, "direct", "graves", "grave")
    bind(vhost, "topics", "graves", "#.dead")
    bind(vhost, "outer", "direct", "x.#", to="e")
    nothing = "nothing is bound to the exchange"
    wanted: dict[str, tuple[str, str | None, str | None]] = {
        "no-exchange": ("missing", None, "there is no exchange missing"),
        "no-queue": ("", "missing", "there is no queue missing"),
        "nothing-bound": ("bare", None, f"{nothing} bare"),
        "other-key": ("direct", "gravel", f"{nothing} direct for the routing key gravel"),
        "own-key": ("direct", None, f"{nothing} direct for the routing key own-key"),
        "other-topic": ("topics", "a.b", f"{nothing} topics for the routing key a.b"),
        # Their twins, that arrive or may.
        "to-queue": ("", "graves", None),
        "to-itself": ("", None, None),
        "right-key": ("direct", "grave", None),
        "right-topic": ("topics", "mail.dead", None),
        "any-key": ("direct", None, None),
        "through": ("outer", "y", None),
        "alternate": ("spare", "any", None),
    }
    exchange(vhost, "work", "topic")
    for name, (to, key, _) in wanted.items():
        own = {} if key is None else {"x_dead_letter_routing_key": key}
        vhost.declare(name, x_dead_letter_exchange=to, **own)
    bind(vhost, "work", "any-key", "mail.*")
    broker = await opened(vhost.url, management=vhost.server.management)
    names = [*wanted, "graves"]
    found = await told(broker, names, lambda each: each["no-exchange"].dead_letter_lost)
    lost = {name: found[name].dead_letter_lost for name in names}
    assert lost == {**{name: why for name, (_, _, why) in wanted.items()}, "graves": None}
    assert (await broker.facts()).tells_letters
    exchange(vhost, "missing", "fanout")
    bind(vhost, "missing", "graves")
    found = await told(broker, names, lambda each: each["no-exchange"].dead_letter_lost is None)
    assert found["no-exchange"].dead_letter_lost is None
    assert found["no-exchange"].dead_letter_to == "graves"


@pytest.mark.parametrize(
    ("pattern", "key", "right"),
    [
        ("#", "", True),
        ("#", "a.b", True),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.#", "a", True),
        ("#.z", "x.y.z", True),
        ("#.z", "x.y", False),
        ("a.#.z", "a.z", True),
        ("*", "", True),
        ("*.#.*", "a", False),
    ],
)
def test_topics_match_as_in_rabbitmq(pattern: str, key: str, right: bool) -> None:
    assert topic_matches(pattern.split("."), key.split(".")) is right


async def test_rates_memory_and_the_last_minutes_are_there_at_the_start(vhost: Vhost, opened: Open) -> None:
    vhost.declare("box")
    publish(vhost, "box", 40)
    path = f"/queues/{quote(vhost.name, safe='')}/box?lengths_age=60&lengths_incr=5"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        samples = vhost.server.api("GET", path).get("messages_ready_details", {}).get("samples", [])
        if any(each["sample"] == 40 for each in samples):
            break
        publish(vhost, "box", 0)
        await asyncio.sleep(0.5)
    broker = await opened(vhost.url, management=vhost.server.management)
    [report] = await broker.queues.probe(["box"])
    assert len(report.history) > 5 and report.history[-1] == 40 and report.history[0] == 0
    assert report.memory and report.in_rate is not None and report.out_rate == 0.0

    async def fed() -> float:
        publish(vhost, "box", 50)
        await asyncio.sleep(1)
        return (await told(broker, ["box"], lambda each: True))["box"].in_rate or 0.0

    deadline, rate = time.monotonic() + 30, 0.0
    while rate == 0.0 and time.monotonic() < deadline:
        rate = await fed()
    assert rate > 0.0


async def test_consumers_are_joined_to_workers_without_asking_them(
    vhost: Vhost, worker: Worker, opened: Open
) -> None:
    worker("w1", queues="celery,mail")
    worker("w2", queues="mail")
    with pika.BlockingConnection(pika.URLParameters(vhost.url)) as connection:
        channel = connection.channel()
        channel.basic_consume("mail", lambda *delivered: None)  # No worker.
        broker = await opened(vhost.url, management=vhost.server.management)
        found = await told(broker, ["celery", "mail"], lambda each: len(each["mail"].workers) == 2)
        assert (found["celery"].workers, found["mail"].workers) == (["w1@test"], ["w1@test", "w2@test"])
        assert found["mail"].consumers == 3


async def test_priorities_say_which_runs_first(vhost: Vhost, opened: Open) -> None:
    vhost.declare("prio", x_max_priority=9)
    vhost.declare("plain")
    broker = await opened(vhost.url, management=vhost.server.management)
    found = await told(broker, ["prio", "plain"], lambda each: True)
    assert (found["prio"].first_priority, found["plain"].first_priority) == (9, None)


QUORUM = {"task_default_queue_type": "quorum", "task_default_exchange_type": "topic"}


async def test_eta_tasks_in_delayed_delivery_are_counted_to_their_queue_without_a_look(
    vhost: Vhost, worker: Worker, opened: Open
) -> None:
    worker("w1", env={"TEST_QUORUM": "1"})
    for _ in range(3):
        send(vhost.url, "shop.add", 1, 2, countdown=3000, conf=QUORUM)
    broker = await opened(vhost.url, management=vhost.server.management)
    found = await told(broker, ["celery"], lambda each: each["celery"].delayed == 3)
    assert (found["celery"].delayed, found["celery"].messages) == (3, 0)
    assert found["celery"].dead_letter_from == [] and found["celery"].type == "quorum"
    [line] = await broker.queues.probe([FOLDED])
    assert line.messages == 3
    assert (line.folded or "").startswith(
        "RabbitMQ holds 3 tasks until their ETA, for celery, in 28 queues of"
    )
    held = [name for name, each in vhost.queues().items() if each.get("messages_ready")]
    assert held == ["celery_delayed_11"]  # 3000 s are more than 2048 and less than 4096.
    assert [name for name in await broker.queues.names() if "delayed" in name] == [FOLDED]


async def test_with_two_queues_behind_it_nobody_guesses_for_which_an_eta_task_is(
    vhost: Vhost, opened: Open
) -> None:
    exchange(vhost, "celery_delayed_delivery", "topic")
    exchange(vhost, "work", "topic")
    for name in ("celery", "mail", "other", "celery_delayed_4"):
        vhost.declare(name)
    bind(vhost, "celery_delayed_delivery", "work", "#.celery", to="e")
    bind(vhost, "work", "celery", "#.celery")
    bind(vhost, "celery_delayed_delivery", "mail", "#.mail")
    path = f"/queues/{quote(vhost.name, safe='')}/celery_delayed_4"
    vhost.server.api("DELETE", path)
    vhost.declare("celery_delayed_4", x_dead_letter_exchange="celery_delayed_delivery")
    broker = await opened(vhost.url, management=vhost.server.management)
    names = ["celery", "mail", "other"]
    found = await told(broker, names, lambda each: each["celery"].delayed == 0)
    assert [found[name].delayed for name in names] == [0, 0, None]
    publish(vhost, "celery_delayed_4", 1)
    found = await told(broker, names, lambda each: each["celery"].delayed is None)
    assert [found[name].delayed for name in names] == [None, None, None]
    [line] = await broker.queues.probe([FOLDED])
    assert line.messages == 1 and "holds 1 task until their ETA, for celery, mail," in (line.folded or "")
    assert "for which of them each is, only taking it would tell" in (line.folded or "")
