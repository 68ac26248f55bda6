from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lazycelery.actions.guard import Guard, expand
from lazycelery.errors import Refused, UsageError
from lazycelery.model.action import PERMISSIONS, ROLES, Order
from lazycelery.model.profile import Profile
from tests.actions.fakes import Room


def test_a_session_starts_read_only_and_says_how_to_open_it() -> None:
    guard = Guard(Profile())
    assert guard.read_only
    with pytest.raises(Refused) as refused:
        guard.check("retry")
    assert str(refused.value) == "Read-only. Start with --allow retry."


def test_a_profile_that_forbids_unlocking_does_not_offer_the_key() -> None:
    with pytest.raises(Refused) as refused:
        Guard(Profile(may_unlock=[])).check("purge")
    assert str(refused.value) == "Read-only. Start with --allow purge."


def test_what_is_open_is_named_when_something_else_is_refused() -> None:
    with pytest.raises(Refused, match=r"Not permitted: purge\. This session may only retry and revoke"):
        Guard(Profile(allow=["retry", "revoke"])).check("purge")


def test_roles_are_expanded() -> None:
    assert Guard(Profile(allow=["operator"])).allowed == list(ROLES["operator"])
    assert expand(["all"]) == list(PERMISSIONS)
    assert expand(["viewer"]) == []


def test_reveal_alone_is_still_read_only() -> None:
    guard = Guard(Profile(allow=["reveal"]))
    assert guard.read_only
    guard.check("reveal")


def test_unlock_opens_all_of_what_is_permitted_or_nothing() -> None:
    guard = Guard(Profile(may_unlock=["retry", "revoke"]))
    with pytest.raises(Refused, match="unlocking purge"):
        guard.unlock(["retry", "purge"])
    assert guard.allowed == []
    guard.unlock(["retry"])
    assert guard.allowed == ["retry"]
    guard.lock()
    assert guard.read_only


def test_a_recording_stays_closed_whatever_is_permitted() -> None:
    guard = Guard(Profile(may_unlock=["retry"]), recorded=True)
    for tried in (lambda: guard.check("retry"), lambda: guard.unlock(["retry"])):
        with pytest.raises(Refused) as refused:
            tried()
        assert refused.value.title == "This is a recording." and "--allow" not in refused.value.hint


def test_an_unknown_permission_is_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean revoke"):
        Guard(Profile(allow=["revok"]))


async def test_a_plan_in_read_only_shows_the_preview_and_is_refused(tmp_path: Path) -> None:
    room = Room(tmp_path, allow=[])
    room.queues.add("default", "a", "b")
    plan = await room.actions.plan(Order(action="purge", targets=["default"]))
    assert (plan.refused, plan.hint) == ("Read-only.", "Start with --allow purge.")
    assert plan.count == 2
    with pytest.raises(Refused, match="Read-only"):
        await room.actions.act(plan.id, "default")
    assert room.queues.ids("default") == ["a", "b"]


async def test_a_plan_made_unlocked_is_refused_after_locking(room: Room) -> None:
    room.queues.add("default", "a")
    plan = await room.actions.plan(Order(action="purge", targets=["default"]))
    room.guard.lock()
    with pytest.raises(Refused, match="Read-only"):
        await room.actions.act(plan.id, "default")
    assert room.queues.ids("default") == ["a"]
    assert [entry.outcome for entry in room.audit.entries()] == ["refused"]


async def test_a_plan_made_read_only_may_be_done_once_unlocked(tmp_path: Path) -> None:
    room = Room(tmp_path, allow=[])
    room.queues.add("default", "a")
    plan = await room.actions.plan(Order(action="purge", targets=["default"]))
    room.guard.unlock(["purge"])
    assert (await room.actions.act(plan.id, "default")).done == 1


@pytest.mark.parametrize(
    ("allow", "action", "why"),
    [
        (["terminate"], "terminate", "Not permitted: revoke"),
        (["revoke"], "terminate", "Not permitted: terminate"),
        ([], "revoke", "Read-only"),
        (["retry"], "revoke", "Not permitted: revoke"),
    ],
)
async def test_a_whole_canvas_takes_each_permission_of_what_is_done_to_it(
    tmp_path: Path, allow: list[str], action: Any, why: str
) -> None:
    room = Room(tmp_path, allow=allow)
    room.store.add_worker("w1@a")
    room.store.add(id="aaaa1111", state="started", worker="w1@a")
    plan = await room.actions.plan(Order(action=action, targets=["aaaa1111"], params={"canvas": True}))
    assert plan.refused is not None and plan.refused.startswith(why)
    with pytest.raises(Refused):
        await room.actions.act(plan.id, plan.word)
    assert room.remote.calls == []
