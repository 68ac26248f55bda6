"""Move, delete and their restores, on every kind of queue."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import pika
import pytest

from lazycelery.actions.backup import BackupFile
from lazycelery.errors import LazyCeleryError, NothingFound, Refused, UsageError
from lazycelery.model.message import StoredMessage
from lazycelery.sources.amqp.channel import Channel
from tests.moves.conftest import Ground, Hands, RabbitGround, RedisGround, body

pytestmark = pytest.mark.broker


def named(*numbers: int) -> list[str]:
    return [f"m{number}" for number in numbers]


async def test_a_filter_moves_what_matches_and_a_restore_takes_it_back(ground: Ground, hands: Hands) -> None:
    ground.fill("box", 12)
    ground.fill("other", 1, first=100)
    plan = await hands.plan("move", "box", "other", filter="kwargs.order.id:2", look=True)
    assert (plan.count, plan.refused) == (3, None)
    assert [item.target for item in plan.items] == named(2, 6, 10)
    assert plan.items[0].text == "shop.even(2, order={'id': 2}, half=0.5)"
    outcome = await hands.engine.act(plan.id, plan.word)
    assert (outcome.done, outcome.failed, outcome.unknown) == (3, 0, 0), outcome
    assert outcome.proof.startswith("moved 3 of 3 messages of box; box holds 9; other holds 4; backup ")
    restored = await hands.do("restore", outcome.backup or "")
    assert (restored.done, restored.failed) == (3, 0), restored
    assert ground.ids("other") == ["m100"]
    back = ground.ids("box")
    if ground.kind == "redis":
        assert back == named(2, 6, 10, 0, 1, 3, 4, 5, 7, 8, 9, 11)  # In front, in their order.
    else:
        assert back[-3:] == named(2, 6, 10) and back[:9] == named(0, 1, 3, 4, 5, 7, 8, 9, 11)


async def test_all_of_a_queue_moves_with_bytes_headers_priority_and_order(
    ground: Ground, hands: Hands
) -> None:
    own = {"x_max_priority": 9} if ground.kind == "classic" else {}
    ground.declare("prio", "prio2", **own)
    odd: dict[str, Any] = {"deep": {"list": [1, "ü"]}}
    ground.fill("prio", 130, headers=odd)
    if ground.kind != "quorum":
        ground.fill("prio", 3, first=200, priority=6)
    plan = await hands.plan("move", "prio", "prio2")
    total = 130 if ground.kind == "quorum" else 133
    assert plan.word == "prio" and plan.title.startswith(f"Move all {total} messages of prio")
    outcome = await hands.engine.act(plan.id, plan.word)
    assert (outcome.done, outcome.failed) == (total, 0), outcome
    assert BackupFile(Path(outcome.backup or "")).total == total
    found = ground.take("prio2")
    plain = [each for each in found if each["priority"] == 0]
    assert [each["headers"]["id"] for each in plain] == named(*range(130))
    assert [each["body"] for each in plain] == [body(number) for number in range(130)]
    assert all(each["headers"]["deep"] == odd["deep"] for each in plain)
    urgent = [each["headers"]["id"] for each in found if each["priority"] == 6]
    assert urgent == ([] if ground.kind == "quorum" else named(200, 201, 202))
    if ground.kind == "classic":
        assert [each["priority"] for each in found[:3]] == [6, 6, 6]
    assert ground.depth("prio") == 0


async def test_what_matches_is_deleted_and_restored_once(ground: Ground, hands: Hands) -> None:
    ground.fill("box", 12)
    plan = await hands.plan("delete", "box", filter="name:shop.odd retries:>0", look=True)
    assert (plan.count, plan.level, plan.word) == (4, "typed", "box")
    deleted = [item.target for item in plan.items]
    assert deleted == named(1, 5, 7, 11)
    outcome = await hands.engine.act(plan.id, "box")
    assert (outcome.done, outcome.failed) == (4, 0)
    assert outcome.proof.startswith("deleted 4 of 4 messages of box; box holds 8; backup ")
    ground.settle("box", 8)
    assert (await hands.do("restore", outcome.backup or "")).done == 4
    ground.settle("box", 12)
    again = await hands.plan("restore", outcome.backup or "")
    assert again.refused and "restored before" in again.refused and "--again" in again.hint
    with pytest.raises(Refused, match="restored before"):
        await hands.engine.act(again.id, again.word)
    assert (await hands.do("restore", outcome.backup or "", again=True)).done == 4
    assert sorted(ground.ids("box")) == sorted(named(*range(12)) + deleted)


async def test_what_stays_keeps_its_order_and_its_deliveries(ground: Ground, hands: Hands) -> None:
    own = {"x_delivery_limit": 3} if ground.kind == "quorum" else {}
    ground.declare("limited", **own)
    ground.fill("limited", 8)
    for _ in range(5):  # More looks than a quorum queue delivers.
        plan = await hands.plan("move", "limited", "other", filter="id:m3", look=True)
        assert plan.count == 1
    outcome = await hands.engine.act(plan.id, plan.word)
    assert outcome.done == 1, outcome
    ground.settle("limited", 7)
    assert ground.ids("other") == ["m3"]
    assert ground.ids("limited") == named(0, 1, 2, 4, 5, 6, 7)


async def test_a_look_that_costs_something_is_refused_unless_it_is_asked_for(
    ground: Ground, hands: Hands
) -> None:
    ground.fill("box", 3)
    if ground.free:
        assert (await hands.plan("delete", "box", filter="id:m1")).warnings == []
        return
    with pytest.raises(Refused, match="box must be looked through") as told:
        await hands.plan("delete", "box", filter="id:m1")
    assert told.value.hint == "--force looks all the same."
    assert ("counts as a delivery" in told.value.title) == (ground.kind == "quorum")
    plan = await hands.plan("delete", "box", filter="id:m1", look=True)
    assert any("deliver" in warning for warning in plan.warnings)
    whole = await hands.plan("move", "box", "other")
    assert whole.count == 3 and whole.refused is None  # Nothing is looked at for that.


async def test_what_a_worker_took_meanwhile_is_told_and_left_alone(ground: Ground, hands: Hands) -> None:
    ground.fill("box", 6)
    plan = await hands.plan("move", "box", "other", filter="name:shop.even", look=True)
    assert _take_one(ground) == "m0"
    outcome = await hands.engine.act(plan.id, plan.word)
    assert (outcome.done, outcome.failed) == (2, 1), outcome
    assert any("no longer there" in item.text and not item.ok for item in outcome.items)
    file = BackupFile(Path(outcome.backup or ""))
    assert file.total == 2
    ground.settle("box", 3)
    assert ground.ids("other") == named(2, 4)


def _take_one(ground: Ground) -> str:
    if isinstance(ground, RedisGround):
        return str(json.loads(ground.client.rpop("box"))["headers"]["id"])  # type: ignore[arg-type]
    assert isinstance(ground, RabbitGround)
    path = "/queues/{vhost}/box/get"
    [one] = ground.api("POST", path, {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"})
    return str(one["properties"]["headers"]["id"])


async def test_wrong_orders_are_told(ground: Ground, hands: Hands) -> None:
    ground.fill("box", 2)
    with pytest.raises(UsageError, match="a waiting message has no worker"):
        await hands.plan("delete", "box", filter="worker:w1", look=True)
    with pytest.raises(UsageError, match="unknown field"):
        await hands.plan("delete", "box", filter="nmae:x", look=True)
    with pytest.raises(UsageError, match="two different queues"):
        await hands.plan("move", "box", "box")
    with pytest.raises(NothingFound, match="empty is empty"):
        await hands.plan("move", "empty", "box")
    with pytest.raises(NothingFound, match="No waiting message of box matches id:nobody"):
        await hands.plan("move", "box", "empty", filter="id:nobody", look=True)
    with pytest.raises(NothingFound) as told:
        await hands.plan("move", "bxo", "empty")
    assert told.value.hint == "Did you mean box?"
    nowhere = await hands.plan("move", "box", "nowhere")
    if ground.free:
        assert "No queue nowhere is known" in nowhere.warnings[0]
    else:
        assert nowhere.refused and "There is no queue of this name" in nowhere.refused
    assert ground.depth("box") == 2 and ground.files() == []


async def test_a_pass_is_bounded_and_says_how_far_it_looked(ground: Ground, hands: Hands) -> None:
    ground.fill("box", 9)
    plan = await hands.plan("move", "box", "other", filter="name:shop.even", look=True, most=4)
    assert plan.count == 2
    assert plan.warnings[0].startswith("Only the first 4 of 9 waiting messages of box were looked at")


async def test_a_disk_that_is_full_leaves_everything_where_it_was(
    ground: Ground, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lazycelery.actions import saving

    def full(*args: Any) -> None:
        raise Refused("The backup cannot be written: No space left on device.", "Make room.")

    ground.fill("box", 5)
    plan = await hands.plan("move", "box", "other")
    monkeypatch.setattr(saving, "save", full)
    with pytest.raises(Refused, match="No space left"):
        await hands.engine.act(plan.id, plan.word)
    ground.settle("box", 5)
    assert ground.ids("box") == named(*range(5)) and ground.ids("other") == []
    assert ground.files() == []


async def test_messages_that_arrive_meanwhile_stay(ground: Ground, hands: Hands) -> None:
    ground.fill("box", 4)
    plan = await hands.plan("move", "box", "other", filter="name:shop.*", look=True)
    await asyncio.to_thread(ground.fill, "box", 3, 50)
    outcome = await hands.engine.act(plan.id, plan.word)
    assert outcome.done == 4
    ground.settle("box", 3)
    assert ground.ids("box") == named(50, 51, 52) and ground.ids("other") == named(0, 1, 2, 3)


async def test_many_that_stay_keep_their_order(ground: Ground, hands: Hands) -> None:
    ground.fill("box", 200)
    outcome = await hands.do("move", "box", "other", filter="args.0:>=100 name:shop.even", look=True)
    assert (outcome.done, outcome.failed) == (50, 0), outcome
    ground.settle("box", 150)
    await asyncio.sleep(0.5)  # What was acknowledged and forgotten would come back now.
    assert ground.ids("other") == named(*range(100, 200, 2))
    assert ground.ids("box") == named(*range(100), *range(101, 200, 2))


async def test_what_breaks_off_in_the_middle_is_told_and_mended(ground: Ground, hands: Hands) -> None:
    from lazycelery.actions.backup import BackupWriter

    ground.fill("box", 60)
    plan = await hands.plan("delete", "box", filter="name:shop.*", look=True)
    add, pages = BackupWriter.add, []

    def fails_later(writer: BackupWriter, lines: Any) -> None:
        if len(pages) >= 2:
            raise Refused("The backup cannot be written: No space left on device.", "Make room.")
        pages.append(len(lines))
        add(writer, lines)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BackupWriter, "add", fails_later)
        outcome = await hands.engine.act(plan.id, plan.word)
    assert outcome.done == sum(pages) and outcome.failed == 60 - outcome.done, outcome
    assert "stopped: The backup cannot be written" in outcome.proof
    assert (outcome.backup or "").endswith(".part")
    ground.settle("box", 60 - sum(pages))
    restored = await hands.do("restore", outcome.backup or "")
    assert (restored.done, restored.failed) == (sum(pages), 0)
    ground.settle("box", 60)
    assert sorted(ground.ids("box")) == sorted(named(*range(60)))


@pytest.mark.parametrize("way", ["quiet", "used", "forgotten"])
async def test_the_last_window_of_a_quorum_queue_is_proven_or_said_not_to_be(
    ground: Ground, hands: Hands, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not isinstance(ground, RabbitGround) or ground.kind != "quorum":
        return
    ground.fill("box", 12)
    with contextlib.ExitStack() as stack:
        if way == "used":
            connection = stack.enter_context(pika.BlockingConnection(pika.URLParameters(ground.url)))
            channel = connection.channel()
            channel.basic_qos(prefetch_count=1)
            channel.basic_consume("box", lambda *got: None)
            ground.settle("box", 11)
        if way == "forgotten":
            monkeypatch.setattr(Channel, "ack", lambda *ignored, **options: None)
        outcome = await hands.do("move", "box", "other", most=4)
    assert outcome.done == 4, outcome
    unproven = "that the last 4 have left box is not proven, others use it"
    assert (unproven in outcome.proof) == (way != "quiet"), outcome
    if way == "quiet":
        ground.settle("box", 8)
    if way == "forgotten":
        ground.settle("box", 12)
    assert ground.depth("other") == 4


async def test_what_its_target_refuses_is_not_lost_at_the_end_of_its_deliveries(
    ground: Ground, hands: Hands
) -> None:
    if not isinstance(ground, RabbitGround) or ground.kind != "quorum":
        return  # Nobody else counts deliveries.
    ground.declare("limited", x_delivery_limit=1)
    ground.fill("limited", 4)
    for _ in range(3):
        ground.declare("fleeting")
        plan = await hands.plan("move", "limited", "fleeting")
        assert (plan.refused, plan.count) == (None, 4)
        ground.api("DELETE", "/queues/{vhost}/fleeting")
        outcome = await hands.engine.act(plan.id, plan.word)
        assert (outcome.done, outcome.failed, outcome.unknown) == (0, 4, 0), outcome
        assert "4 near the limit of deliveries went back as fresh copies" in outcome.proof
        ground.settle("limited", 4)
    assert ground.ids("limited") == named(*range(4)) and ground.files() == []


async def test_a_message_that_was_taken_behind_a_refused_one_is_not_called_unsent(
    ground: Ground, hands: Hands
) -> None:
    if not isinstance(ground, RabbitGround) or ground.kind != "classic":
        return  # A quorum queue rejects a little late.
    ground.declare("strict", x_max_length=1, x_overflow="reject-publish")
    ground.fill("strict", 1)
    ground.fill("box", 1)
    queues = hands.engine._broker.queues
    raw = (await queues.peek("box", 0, 5, True)).stored[0].raw
    both = [StoredMessage(queue=name, priority=0, raw=raw) for name in ("strict", "other")]
    with pytest.raises(LazyCeleryError, match="took 1 of 2 messages") as told:
        await queues.publish(both)
    assert not told.value.nothing_done
    assert await queues.publish(both[:1]) == 0
    assert (ground.depth("strict"), ground.depth("other")) == (1, 1)
