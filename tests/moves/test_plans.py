"""Moves by a filter as plans: limits, rates and tags, and what is in doubt after an answer was lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from lazycelery.actions import journal
from lazycelery.actions.backup import BackupFile
from lazycelery.actions.planfiles import bulk_of
from lazycelery.errors import LazyCeleryError, Refused, UsageError
from lazycelery.model.action import Outcome
from lazycelery.model.bulk import Bulk
from lazycelery.sources.amqp.holding import Holding
from lazycelery.sources.pacing import Paced
from lazycelery.sources.protocols.sifting import Shifted
from tests.moves.conftest import Ground, Hands, RabbitGround
from tests.moves.test_moving import named

pytestmark = pytest.mark.broker
EACH = pytest.mark.parametrize("ground", ["redis", "classic"], indirect=True)


def the_plan() -> Bulk:
    (path,) = journal.files()
    return bulk_of(path, whole=True)


@EACH
async def test_a_limit_takes_those_that_run_next_and_a_tag_finds_them(ground: Ground, hands: Hands) -> None:
    ground.fill("box", 10)
    plan = await hands.plan("move", "box", "other", filter="name:shop.even", look=True, limit=3, tag="night")
    assert plan.count == 3
    assert "More match: only the 3 that would run next are taken." in plan.warnings
    outcome = await hands.engine.act(plan.id, plan.word)
    assert [(item.target, item.ok, item.text) for item in outcome.items] == [
        (id, True, "moved to other") for id in named(0, 2, 4)
    ]
    one = the_plan()
    assert (one.state, one.tag, one.noun, one.done, one.id) == ("done", "night", "message", 3, outcome.bulk)
    assert b'"mark"' not in journal.files()[0].read_bytes()
    assert await hands.engine._parts.plans._files.tags() == dict.fromkeys(named(0, 2, 4), "night")


@EACH
async def test_one_message_leaves_no_plan_and_all_of_a_queue_takes_no_rate(
    ground: Ground, hands: Hands
) -> None:
    ground.fill("box", 3)
    outcome = await hands.do("move", "box", "other", filter="id:m1", look=True)
    assert (outcome.done, outcome.bulk, journal.files()) == (1, None, [])
    with pytest.raises(UsageError, match="needs a filter"):
        await hands.plan("move", "box", "other", rate=5.0)


@EACH
async def test_a_rate_holds_no_messages_back_for_long(ground: Ground, hands: Hands) -> None:
    ground.fill("box", 61)
    order: dict[str, Any] = {"filter": "name:*", "look": True, "rate": 1.0}
    if ground.free:
        plan = await hands.plan("delete", "box", **order)
        assert any("At 1 a second this takes about 60 s" in warning for warning in plan.warnings)
        return
    with pytest.raises(Refused, match="workers could not have the messages in between for 61 s"):
        await hands.plan("delete", "box", **order)
    plan = await hands.plan("delete", "box", **{**order, "rate": 2.0})
    assert any("workers cannot have them meanwhile" in warning for warning in plan.warnings)


async def left_in_both(ground: Ground, hands: Hands) -> Outcome:
    """The second window was published, and what acknowledged it was lost."""
    ground.fill("box", 40)
    remove, windows = Holding.remove_last, []

    async def lost(self: Holding, tags: Any) -> int:
        if tags:  # A look removes nothing.
            windows.append(len(tags))
        if tags and len(windows) == 2:
            raise LazyCeleryError("The connection is gone.")
        return await remove(self, tags)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Holding, "remove_last", lost)
        outcome = await hands.do("move", "box", "other", filter="name:*", look=True)
    assert outcome.unknown == windows[1] == the_plan().doubtful
    assert outcome.done == windows[0] and "in doubt" in outcome.items[0].text
    ground.settle("box", 40 - windows[0])
    ground.settle("other", sum(windows))
    return outcome


CLASSIC = pytest.mark.parametrize("ground", ["classic"], indirect=True)


@CLASSIC
async def test_what_is_in_both_queues_is_moved_once(ground: RabbitGround, hands: Hands) -> None:
    outcome = await left_in_both(ground, hands)
    rest = await hands.plan("move", resume=outcome.bulk)
    assert any("one that waits in box and at its target is only taken out" in each for each in rest.warnings)
    resumed = await hands.engine.act(rest.id, rest.word)
    assert (resumed.done, resumed.failed, resumed.unknown) == (40 - outcome.done, 0, 0), resumed
    assert f"{outcome.unknown} were in both queues, and left box only" in resumed.proof
    assert ground.ids("box") == [] and ground.ids("other") == named(*range(40))
    assert BackupFile(*ground.files()).complete and the_plan().state == "done"


@CLASSIC
@pytest.mark.parametrize("doubtful", ["ask", "send", "drop"])
async def test_what_is_no_longer_at_its_target_is_not_moved_again_unasked(
    ground: RabbitGround, hands: Hands, doubtful: str
) -> None:
    outcome = await left_in_both(ground, hands)
    ran = ground.ids("other")  # A worker took them.
    await asyncio.sleep(0.2)
    resumed = await hands.do("move", resume=outcome.bulk, doubtful=doubtful)
    moved, doubts = ground.ids("other"), named(*range(outcome.done, outcome.done + outcome.unknown))
    assert ran[outcome.done :] == doubts
    if doubtful == "send":
        assert moved == named(*range(outcome.done, 40)) and ground.depth("box") == 0
        return
    ground.settle("box", outcome.unknown)
    assert ground.ids("box") == doubts and moved == named(*range(outcome.done + outcome.unknown, 40))
    assert (resumed.unknown, the_plan().doubtful) == (
        (outcome.unknown, outcome.unknown) if doubtful == "ask" else (0, 0)
    )
    assert the_plan().dropped == (outcome.unknown if doubtful == "drop" else 0)


class Pace:
    def __init__(self, size: int) -> None:
        self.size, self.waited = size, list[int]()
        self.halting = False

    def page(self, most: int) -> int:
        return min(most, self.size)

    async def pace(self, number: int) -> None:
        self.waited.append(number)


async def test_a_pass_waits_between_parts_and_ends_when_one_is_refused_whole() -> None:
    pace, told = Pace(2), Shifted(total=9, looked=9)
    paced = Paced(told, pace)
    parts = []
    async for part in paced.parts(range(9)):
        parts.append(list(part))
        paced.sent(2, 2 if len(parts) == 3 else 1, "other")
    assert parts == [[0, 1], [2, 3], [4, 5]] and pace.waited == [2, 2]
    assert told.problem == "other does not take them"
    assert [list(part) async for part in Paced(Shifted(total=1, looked=1), None).parts([1, 2])] == [[1, 2]]
