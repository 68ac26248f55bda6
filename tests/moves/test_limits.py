"""Queues of RabbitMQ that hold so many messages or bytes: a move, requeue or restore pushes nothing out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.model.action import Plan
from lazycelery.model.reports import Limit
from lazycelery.sources.amqp.room import Rooms
from tests.moves.conftest import QUEUES, Ground, Hands, RabbitGround, body
from tests.moves.test_moving import named
from tests.support.rabbit import RabbitServer

pytestmark = pytest.mark.broker
SIZE = len(body(0))
"""Bytes of each of the first ten messages' bodies."""


@pytest.fixture(params=["classic", pytest.param("quorum", marks=pytest.mark.soak)])
def ground(request: pytest.FixtureRequest, rabbit: RabbitServer, tmp_path: Path) -> Iterator[Ground]:
    one = RabbitGround(tmp_path, rabbit, request.param)
    one.declare(*QUEUES)
    yield one
    rabbit.drop_vhost(one.vhost)


async def refused(hands: Hands, *order: str) -> Plan:
    """A plan that is refused, as soon as the management API tells of what is in the queues."""
    for _ in range(150):
        if (plan := await hands.plan(*order)).refused:
            return plan
        await asyncio.sleep(0.2)
    raise AssertionError(f"{order} is not refused")


async def test_a_move_never_pushes_other_messages_out(ground: RabbitGround, hands: Hands) -> None:
    ground.declare("small", x_max_length=5)
    ground.declare("strict", x_max_length=5, x_overflow="reject-publish")
    ground.fill("box", 6)
    plan = await refused(hands, "move", "box", "small")
    assert plan.refused == "small holds at most 5 messages, and the broker drops its oldest ones beyond that"
    outcome = await hands.do("move", "box", "strict")
    assert outcome.done + outcome.failed == 6 and outcome.done >= 5, outcome
    if ground.kind == "classic":  # A quorum queue rejects a little late.
        assert outcome.failed == 1
    ground.settle("box", outcome.failed)
    assert ground.ids("strict") + ground.ids("box") == named(*range(6))


async def test_a_target_that_fills_up_after_the_plan_pushes_nothing_out(
    ground: RabbitGround, hands: Hands
) -> None:
    ground.declare("small", x_max_length=5)
    ground.fill("box", 6, first=10)
    plan = await hands.plan("move", "box", "small", filter="id:m10,m11,m12,m13", look=True)
    assert (plan.refused, plan.count) == (None, 4)
    ground.fill("small", 3)
    outcome = await hands.engine.act(plan.id, plan.word)
    assert (outcome.done, outcome.failed) == (2, 2), outcome
    assert any("not taken by its target" in item.text for item in outcome.items)
    ground.settle("box", 4)
    assert sorted(ground.ids("box")) == named(12, 13, 14, 15)
    assert ground.ids("small") == named(0, 1, 2, 10, 11)


async def test_a_restore_pushes_nothing_out_of_its_queue(ground: RabbitGround, hands: Hands) -> None:
    ground.declare("small", x_max_length=5)
    ground.fill("small", 4)
    purged = await hands.do("purge", "small")
    ground.fill("small", 3, first=10)
    outcome = await hands.do("restore", purged.backup or "")
    assert (outcome.done, outcome.failed, outcome.unknown) == (0, 4, 0)
    assert "stopped: small holds at most 5 messages" in outcome.proof
    assert ground.ids("small") == named(10, 11, 12)
    assert (await hands.do("restore", purged.backup or "")).done == 4
    assert ground.ids("small") == named(*range(4))


@pytest.mark.soak  # Statistics come every five seconds.
async def test_bytes_are_counted_too(ground: RabbitGround, hands: Hands) -> None:
    ground.declare("small", x_max_length_bytes=3 * SIZE)
    ground.fill("box", 4)
    ground.fill("small", 1, first=9)
    plan = await hands.plan("move", "box", "small", filter="id:m0,m1,m2", look=True)
    assert (plan.refused, plan.count) == (None, 3)
    limit = f"small holds at most {3 * SIZE} bytes, and the broker drops its oldest ones beyond that"
    assert f"{limit}: those that do not fit are not sent, and stay where they are." in plan.warnings
    outcome = await hands.engine.act(plan.id, plan.word)
    assert (outcome.done, outcome.failed) == (2, 1), outcome
    assert any("not taken by its target" in item.text for item in outcome.items)
    ground.settle("box", 2)
    assert ground.ids("small") == named(9, 0, 1) and sorted(ground.ids("box")) == named(2, 3)
    ground.fill("box", 4)
    assert (await refused(hands, "move", "box", "small")).refused == limit
    purged = await hands.do("purge", "box")
    outcome = await hands.do("restore", purged.backup or "", queue="small")
    assert (outcome.done, outcome.failed) == (
        0,
        4,
    ) and f"stopped: {limit.partition(', ')[0]}" in outcome.proof
    assert ground.depth("small") == 0


async def test_a_queue_that_rejects_loses_and_doubles_nothing(ground: RabbitGround, hands: Hands) -> None:
    ground.declare("strict", x_max_length_bytes=3 * SIZE, x_overflow="reject-publish")
    ground.fill("box", 6)
    outcome = await hands.do("move", "box", "strict")
    assert outcome.done + outcome.failed == 6 and outcome.done >= 3, outcome
    assert ground.kind == "quorum" or outcome.failed == 3  # A quorum queue rejects a little late.
    ground.settle("box", outcome.failed)
    assert ground.ids("strict") + ground.ids("box") == named(*range(6))
    ground.declare("graves")
    own = {"x_dead_letter_exchange": "", "x_dead_letter_routing_key": "graves"}
    ground.declare("twice", x_max_length=2, x_overflow="reject-publish-dlx", **own)
    ground.fill("box", 3)
    plan = await refused(hands, "move", "box", "twice")
    then = "rejects others beyond that, and gives each to its dead letters as well"
    if ground.kind == "quorum":
        then = "drops its oldest ones beyond that"
    assert plan.refused == f"twice holds at most 2 messages, and the broker {then}"
    plan = await hands.plan("move", "box", "twice", filter="id:m0,m1", look=True)
    ground.fill("twice", 1, first=9)
    outcome = await hands.engine.act(plan.id, plan.word)
    assert (outcome.done, outcome.failed) == (1, 1), outcome
    assert ground.ids("twice") == named(9, 0) and ground.ids("graves") == []


async def test_what_is_sent_and_not_counted_yet_takes_room_too() -> None:
    limits = {"small": Limit(messages=4, bytes=100), "free": None, "busy": Limit(bytes=100)}
    asked = list[str]()

    async def limit(queue: str) -> Limit | None:
        return limits[queue]

    async def depth(queue: str) -> int:
        asked.append(queue)
        return 1

    async def held(queue: str) -> int | None:
        return None if queue == "busy" else 40

    rooms = Rooms(limit, depth, held)
    sent = [(1, "small", 30), (2, "free", 999), (3, "small", 40), (4, "small", 20), (5, "busy", 1)]
    assert await rooms.left_over(sent) == {3, 5}
    assert await rooms.left_over([(6, "small", 20), (7, "small", 5)]) == {6}
    assert asked == ["small", "small"], "once a window"


async def test_without_the_management_it_says_that_nobody_knows(ground: RabbitGround, hands: Hands) -> None:
    ground.fill("box", 1)
    blind = ground.profile()
    blind.management = "http://127.0.0.1:1"
    engine = Engine(blind)
    await engine.start()
    try:
        await engine.ready(10)
        plan = await Hands(engine).plan("move", "box", "other")
    finally:
        await engine.close()
    assert (
        "Whether other drops its oldest messages beyond some number is not known: only the management API "
        "tells." in plan.warnings
    )
