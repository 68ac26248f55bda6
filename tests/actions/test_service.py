from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lazycelery.errors import NothingFound, Refused, UsageError
from lazycelery.model.action import Order
from lazycelery.model.message import StoredMessage
from tests.actions.fakes import Room, raw


def failed(room: Room, *ids: str) -> None:
    for id in ids:
        room.store.add(
            id=id,
            state="failure",
            queue="default",
            args=[1],
            kwargs={},
            sources={"args": "control", "kwargs": "control"},
        )


async def test_planning_touches_nothing(room: Room) -> None:
    failed(room, "aaaa1111")
    room.queues.add("default", "x")
    await room.actions.plan(Order(action="retry", targets=["aaaa1111"]))
    await room.actions.plan(Order(action="revoke", targets=["x"]))
    await room.actions.plan(Order(action="purge", targets=["default"]))
    assert room.queues.ids("default") == ["x"]
    assert room.remote.calls == []
    assert not room.audit.path.exists()


async def test_one_target_takes_a_letter_and_many_take_their_number(room: Room) -> None:
    failed(room, *(f"{number:08}" for number in range(21)))
    one = await room.actions.plan(Order(action="retry", targets=["00000001"]))
    many = await room.actions.plan(Order(action="retry", filter="state:failure"))
    twenty = await room.actions.plan(Order(action="retry", filter="state:failure", limit=20))
    assert (one.level, one.word) == ("letter", None)
    assert (many.level, many.word) == ("typed", "21")
    assert (twenty.level, twenty.warnings[0]) == (
        "letter",
        "More match: only the newest 20 are taken. until:TIME in the filter reaches the older ones.",
    )


async def test_one_plan_takes_a_thousand_and_says_that_more_match(room: Room) -> None:
    failed(room, *(f"{number:08}" for number in range(1100)))
    order = Order(action="retry", filter="state:failure", limit=5000)
    plan = await room.actions.plan(order)
    assert (plan.count, len(plan.items), plan.word) == (1000, 1000, "1000")
    assert plan.warnings[0] == (
        "More match: only the newest 1,000 are taken. One plan takes at most 1,000. "
        "until:TIME in the filter reaches the older ones."
    )
    outcome = await room.actions.act(plan.id, plan.word)
    assert (outcome.done, len(room.queues.ids("default"))) == (1000, 1000)
    with pytest.raises(UsageError, match="1,001 tasks at once") as many:
        await room.actions.plan(Order(action="retry", targets=[f"{number:08}" for number in range(1001)]))
    assert "1,000" in many.value.hint


async def test_as_many_as_match_exactly_are_taken_without_a_warning(room: Room) -> None:
    failed(room, *(f"{number:08}" for number in range(20)))
    plan = await room.actions.plan(Order(action="retry", filter="state:failure", limit=20))
    assert not any("More match" in warning for warning in plan.warnings)


async def test_production_asks_for_a_typed_name(tmp_path: Path) -> None:
    room = Room(tmp_path, production=True)
    failed(room, "aaaa1111-xyz", "bbbb")
    one = await room.actions.plan(Order(action="retry", targets=["aaaa1111-xyz"]))
    two = await room.actions.plan(Order(action="retry", targets=["aaaa1111-xyz", "bbbb"]))
    events = await room.actions.plan(Order(action="events", params={"on": True}))
    assert [plan.word for plan in (one, two, events)] == ["aaaa1111", "2", "all"]
    assert {plan.level for plan in (one, two, events)} == {"typed"}


async def test_a_wrong_word_is_refused_and_may_be_typed_again(room: Room) -> None:
    room.queues.add("default", "a")
    plan = await room.actions.plan(Order(action="purge", targets=["default"]))
    assert plan.word == "default"
    for word in (None, "", "y", "Default"):
        with pytest.raises(Refused, match="Not confirmed"):
            await room.actions.act(plan.id, word)
    assert room.queues.ids("default") == ["a"]
    assert (await room.actions.act(plan.id, "default")).done == 1


async def test_a_plan_is_carried_out_once(room: Room) -> None:
    failed(room, "aaaa1111")
    plan = await room.actions.plan(Order(action="retry", targets=["aaaa1111"]))
    first, second = await asyncio.gather(
        room.actions.act(plan.id), room.actions.act(plan.id), return_exceptions=True
    )
    assert not isinstance(first, BaseException)
    assert isinstance(second, Refused)
    assert len(room.queues.ids("default")) == 1


async def test_a_plan_older_than_five_minutes_is_refused(room: Room) -> None:
    failed(room, "aaaa1111")
    plan = await room.actions.plan(Order(action="retry", targets=["aaaa1111"]))
    room.now += 301
    with pytest.raises(Refused, match="5 minutes"):
        await room.actions.act(plan.id)


async def test_an_unknown_plan_is_refused(room: Room) -> None:
    with pytest.raises(Refused, match="unknown"):
        await room.actions.act("nonsense")


async def test_plans_are_bounded(room: Room) -> None:
    failed(room, "aaaa1111")
    order = Order(action="retry", targets=["aaaa1111"])
    plans = [await room.actions.plan(order) for _ in range(51)]
    with pytest.raises(Refused):
        await room.actions.act(plans[0].id)
    assert (await room.actions.act(plans[1].id)).done == 1


async def test_an_action_begun_is_finished_when_its_caller_goes(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go = asyncio.Event(), asyncio.Event()
    real = room.queues.purge

    async def slow(queue: str, save: Any) -> Any:
        began.set()
        await go.wait()
        return await real(queue, save)

    monkeypatch.setattr(room.queues, "purge", slow)
    room.queues.add("default", "a")
    plan = await room.actions.plan(Order(action="purge", targets=["default"]))
    asked = asyncio.create_task(room.actions.act(plan.id, "default"))
    await began.wait()
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    go.set()
    await asyncio.gather(*room.actions._running)
    assert [entry.outcome for entry in room.audit.entries()] == ["done", "intent"]


async def test_nothing_that_matches_is_said(room: Room) -> None:
    with pytest.raises(NothingFound):
        await room.actions.plan(Order(action="retry", filter="state:failure"))
    with pytest.raises(NothingFound):
        await room.actions.plan(Order(action="retry", targets=["nobody-knows-it"]))
    with pytest.raises(UsageError):
        await room.actions.plan(Order(action="revoke"))


async def test_a_prefix_is_resolved_and_an_ambiguous_one_refused(room: Room) -> None:
    failed(room, "aaaa1111", "aaaa2222")
    plan = await room.actions.plan(Order(action="retry", targets=["aaaa1"]))
    assert plan.items[0].target == "aaaa1111"
    with pytest.raises(UsageError, match="begin with aaaa"):
        await room.actions.plan(Order(action="retry", targets=["aaaa"]))


async def test_the_result_backend_may_come_later(room: Room) -> None:
    room.actions.results = None
    failed(room, "aaaa1111")
    assert (await room.actions.plan(Order(action="retry", targets=["aaaa1111"]))).refused is None
    assert room.actions.results is None


async def test_titles_and_previews_hold_no_secret(room: Room) -> None:
    secret = raw("aaaa1111", "shop.charge", [{"api_key": "s3cr3t"}, "Bearer abcdef123456"])
    room.store.raw["aaaa1111"] = StoredMessage(queue="default", priority=0, raw=secret)
    room.store.add(id="aaaa1111", state="failure")
    plan = await room.actions.plan(Order(action="retry", targets=["aaaa1111"]))
    assert plan.items[0].text.startswith("shop.charge({'api_key': '[redacted]'}")
    assert "s3cr3t" not in repr(plan)
    assert "abcdef123456" not in repr(plan)


async def test_of_two_plans_of_the_same_one_is_carried_out(room: Room) -> None:
    failed(room, "aaaa1111", "bbbb2222")
    first = await room.actions.plan(Order(action="retry", targets=["aaaa1111"]))
    second = await room.actions.plan(Order(action="retry", targets=["aaaa1111", "bbbb2222"]))
    other = await room.actions.plan(Order(action="retry", targets=["bbbb2222"]))
    await room.actions.act(first.id)
    with pytest.raises(Refused) as error:
        await room.actions.act(second.id)
    assert "another one of the same was carried out" in error.value.hint
    await room.actions.act(other.id)
    assert len(room.queues.ids("default")) == 2, "each was sent once"


async def test_a_look_that_delivers_messages_needs_the_permission(tmp_path: Path) -> None:
    room = Room(tmp_path, allow=["revoke"])
    room.queues.free_looks = False
    for action in ("move", "delete", "requeue", "export"):
        with pytest.raises(Refused, match="Not permitted"):
            await room.actions.plan(Order(action=action, targets=["default"], params={"look": True}))  # type: ignore[arg-type]


async def test_a_number_of_messages_that_is_none_is_a_wrong_order(room: Room) -> None:
    from lazycelery.actions import shifting

    for odd in ("many", True, [3], 2.5):
        with pytest.raises(UsageError):
            shifting.most(Order(action="move", params={"most": odd}))
    assert shifting.most(Order(action="move", params={"most": -3})) == 1
