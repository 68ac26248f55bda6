"""Each refusal below the faces, for every action there is: a new one without a line in the table fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from lazycelery.actions import drafts
from lazycelery.errors import ConnectionProblem, Refused, UsageError
from lazycelery.model.action import ActionName, Order
from tests.actions.fakes import Room
from tests.refusals.stand_in import CUT, LOST, Deeds
from tests.refusals.table import (
    COMMANDS,
    KEYS,
    NAMES,
    PANES,
    each_action,
)


def test_no_action_is_left_out() -> None:
    assert {*COMMANDS} == {*NAMES} == {*drafts.DRAFTS}
    assert {key.permission for key in KEYS} | {"export", "requeue", "service"} == {*NAMES}
    assert {key.scope for key in KEYS} == {*PANES}


@each_action
@pytest.mark.parametrize(
    ("allow", "said"),
    [((), "Read-only"), (("purge", "move"), "Not permitted: {name}. This session may only")],
)
async def test_without_the_permission_nothing_is_done(
    tmp_path: Path, deeds: Deeds, name: ActionName, allow: tuple[str, ...], said: str
) -> None:
    others = [each for each in allow if each != name]
    room = Room(tmp_path, allow=others)
    plan = await room.actions.plan(Order(action=name))
    assert plan.refused and plan.refused.startswith(said.format(name=name)), "the plan says so already"
    with pytest.raises(Refused, match=said.format(name=name)):
        await room.actions.act(plan.id, "thing")
    assert deeds.done == [] and [entry.outcome for entry in room.audit.read()] == ["refused"]


@each_action
@pytest.mark.parametrize("word", [None, "", "other"])
async def test_without_the_word_nothing_is_done(
    tmp_path: Path, deeds: Deeds, name: ActionName, word: str | None
) -> None:
    room = Room(tmp_path)
    plan = await room.actions.plan(Order(action=name))
    with pytest.raises(Refused, match="Not confirmed"):
        await room.actions.act(plan.id, word)
    assert deeds.done == [] and [entry.outcome for entry in room.audit.read()] == ["refused"]
    assert (await room.actions.act(plan.id, "thing")).done == 1 and deeds.done == [name]


@each_action
async def test_what_is_unsafe_is_not_done(tmp_path: Path, deeds: Deeds, name: ActionName) -> None:
    deeds.unsafe = True
    room = Room(tmp_path)
    plan = await room.actions.plan(Order(action=name))
    assert plan.refused and plan.refused.startswith("unsafe")
    with pytest.raises(Refused, match="Unsafe"):
        await room.actions.act(plan.id, "thing")
    assert deeds.done == []


@each_action
@pytest.mark.parametrize("targets", [[""], ["thing", ""], ["  "]])
async def test_a_target_without_a_name_is_not_even_planned(
    tmp_path: Path, deeds: Deeds, name: ActionName, targets: list[str]
) -> None:
    """A script's variable that was not set: a move to nowhere would remove the messages."""
    with pytest.raises(UsageError, match="has no name"):
        await Room(tmp_path).actions.plan(Order(action=name, targets=targets))
    assert deeds.done == []


@each_action
async def test_an_answer_that_never_came_is_neither_done_nor_failed(
    tmp_path: Path, deeds: Deeds, name: ActionName
) -> None:
    """It is logged so, and the plan is used up: nobody sends it a second time unawares."""
    deeds.lost = "told"
    room = Room(tmp_path)
    plan = await room.actions.plan(Order(action=name))
    outcome = await room.actions.act(plan.id, "thing")
    assert (outcome.done, outcome.failed, outcome.unknown) == (0, 0, 1)
    (entry,) = room.audit.read()
    assert (entry.outcome, entry.ok, entry.proof) == ("unknown", False, LOST)
    assert entry.plan["done"] is None and entry.plan["unknown"] == 1
    with pytest.raises(Refused, match="done already"):
        await room.actions.act(plan.id, "thing")
    assert deeds.done == [name]


@each_action
async def test_a_broker_cut_in_the_middle_leaves_nobody_knows_in_the_log(
    tmp_path: Path, deeds: Deeds, name: ActionName
) -> None:
    deeds.lost = "cut"
    room = Room(tmp_path)
    plan = await room.actions.plan(Order(action=name))
    with pytest.raises(ConnectionProblem, match="went away"):
        await room.actions.act(plan.id, "thing")
    (entry,) = room.audit.read()
    assert (entry.outcome, entry.ok, entry.proof) == ("failed", False, CUT)
    assert entry.plan["done"] is None, "not 0: nobody knows"
    with pytest.raises(Refused, match="done already"):
        await room.actions.act(plan.id, "thing")
    assert deeds.done == [name]


@each_action
async def test_user_host_and_ssh_client_are_in_the_log(
    tmp_path: Path, deeds: Deeds, name: ActionName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.7 50000 10.0.0.1 22")
    room = Room(tmp_path)
    plan = await room.actions.plan(Order(action=name))
    await room.actions.act(plan.id, "thing")
    for entry in room.audit.entries():
        assert entry.user and entry.host and entry.origin == "10.0.0.7" and entry.action == name


@each_action
async def test_another_session_at_the_same_thing_is_told(
    tmp_path: Path, deeds: Deeds, name: ActionName
) -> None:
    first, second = Room(tmp_path), Room(tmp_path)
    mine = await second.actions.plan(Order(action=name))
    plan = await first.actions.plan(Order(action=name))
    await first.actions.act(plan.id, "thing")
    first.now = second.now = first.now + 5
    told = await second.actions.plan(Order(action=name))
    assert any("in another session: Do it" in warning for warning in told.warnings)
    with pytest.raises(Refused, match="Since this plan was made"):
        await second.actions.act(mine.id, "thing")
    assert deeds.done == [name]
