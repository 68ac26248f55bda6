"""Each refusal in each face, for every action there is: a new one without a line here fails the table."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from lazycelery.actions import service
from lazycelery.actions.context import Context
from lazycelery.actions.plan import Draft
from lazycelery.engine.form import blank
from lazycelery.errors import Refused
from lazycelery.keys import ACTIONS, Action
from lazycelery.model.action import ActionName, Order, Outcome, Plan, PlanItem
from lazycelery.tui.deeds import CANVAS
from tests.actions.fakes import Room
from tests.cli.conftest import Ran, engine, run
from tests.cli.fake_engine import FakeEngine
from tests.support.fake_engine import FakeEngine as ScreenEngine
from tests.tui.conftest import Stage, staged

__all__ = ["engine", "run"]
NAMES: tuple[ActionName, ...] = get_args(ActionName)
COMMANDS: dict[ActionName, tuple[str, ...]] = {
    "retry": ("retry", "id-0"),
    "revoke": ("revoke", "id-0"),
    "terminate": ("terminate", "id-0"),
    "purge": ("purge", "default"),
    "move": ("move", "default", "other"),
    "delete": ("delete", "default", "name:x"),
    "requeue": ("requeue", "dead"),
    "export": ("export", "default", "out.ndjson"),
    "restore": ("restore", "--orphans"),
    "events": ("worker", "events", "on"),
    "pool": ("worker", "pool", "grow", "1", "w1@a"),
    "consumers": ("worker", "consume", "default", "w1@a"),
    "limits": ("worker", "rate-limit", "shop.add", "10/m"),
    "shutdown": ("worker", "shutdown", "w1@a"),
    "service": ("worker", "service", "restart", "w1@a"),
    "send": ("send", "shop.add"),
    "beat": ("beat", "disable", "nightly"),
}
HARMLESS = ("export",)
"""Changes nothing on the cluster, and is not confirmed."""
KEYS = [action for action in ACTIONS if action.permission is not None]
PANES = {"everywhere": "3", "workers": "1", "queues": "2", "tasks": "3", "errors": "e", "beat": "B"}
TYPED = {"move": "other", "delete": "name:x"}
"""What is written before the question comes; else the first thing that is offered is taken."""
ANY_OF = {"canvas": CANVAS}
"""A key that opens with any of several permissions; what is chosen then needs its own."""
each_action = pytest.mark.parametrize("name", NAMES)
each_pane = pytest.mark.parametrize("scope", PANES)


class Deeds:
    """Plans of one target that is confirmed by its name, and what was carried out."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.unsafe = False

    async def draft(self, context: Context, order: Order) -> Draft:
        async def carry_out() -> Outcome:
            self.done.append(order.action)
            return Outcome(action=order.action, done=1, failed=0, proof="done")

        refused = "unsafe: its text was cut" if self.unsafe else None
        item = PlanItem(target="thing", text="it", grade="unsafe" if self.unsafe else None, refused=refused)
        return Draft(title="Do it", run=carry_out, count=1, items=[item], name="thing", typed=True)


@pytest.fixture
def deeds(monkeypatch: pytest.MonkeyPatch) -> Deeds:
    made = Deeds()
    monkeypatch.setattr(service, "DRAFTS", {name: made.draft for name in service.DRAFTS})
    return made


def test_no_action_is_left_out() -> None:
    assert {*COMMANDS} == {*NAMES} == {*service.DRAFTS}
    assert {key.permission for key in KEYS} | {"export", "requeue", "service"} == {*NAMES}
    assert {key.scope for key in KEYS} == {*PANES}


# ---- below the faces: the engine that all of them ask


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


# ---- the command line


@pytest.fixture
def command(
    engine: FakeEngine, run: Callable[..., Ran], deeds: Deeds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    """Runs the command of an action, on real plans and a real guard."""

    async def plan(order: Order) -> Plan:
        engine.room = Room(tmp_path, allow=engine.profile.allow)  # type: ignore[attr-defined]
        made: Plan = await engine.room.actions.plan(order)  # type: ignore[attr-defined]
        return made

    async def act(plan_id: str, word: str | None = None) -> Outcome:
        done: Outcome = await engine.room.actions.act(plan_id, word)  # type: ignore[attr-defined]
        return done

    monkeypatch.setattr(engine, "plan", plan)
    monkeypatch.setattr(engine, "act", act)
    monkeypatch.chdir(tmp_path)
    return lambda name, *more: run(*COMMANDS[name], *more)


@each_action
def test_a_command_without_the_permission_ends_with_4(
    command: Callable[..., Ran], deeds: Deeds, name: ActionName
) -> None:
    yes = () if name in HARMLESS else ("--yes",)
    ran = command(name, *yes)
    assert (ran.code, ran.out, deeds.done) == (4, "", []) and "Read-only" in ran.err, ran
    other = "purge" if name != "purge" else "move"
    ran = command(name, *yes, "--allow", other)
    assert (ran.code, ran.out, deeds.done) == (4, "", []) and f"Not permitted: {name}" in ran.err, ran
    assert f"--allow {name}" in ran.err
    ran = command(name, *yes, "--allow", name, "--read-only")
    assert (ran.code, ran.out, deeds.done) == (4, "", []), ran


@each_action
def test_a_command_that_is_not_confirmed_ends_with_4(
    command: Callable[..., Ran], deeds: Deeds, name: ActionName, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name in HARMLESS:
        return
    ran = command(name, "--allow", name)
    assert (ran.code, ran.out, deeds.done) == (4, "", []) and "--yes confirms" in ran.err, ran

    class Typed(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    for text in ("", "\n", "other\n", "y\n"):
        monkeypatch.setattr(sys, "stdin", Typed(text))
        ran = command(name, "--allow", name)
        assert (ran.code, ran.out, deeds.done) == (4, "", []) and "Not confirmed" in ran.err, (text, ran)


@each_action
def test_a_command_for_what_is_unsafe_ends_with_4(
    command: Callable[..., Ran], deeds: Deeds, name: ActionName
) -> None:
    deeds.unsafe = True
    ran = command(name, *(() if name in HARMLESS else ("--yes",)), "--allow", name)
    assert (ran.code, ran.out, deeds.done) == (4, "", []) and "Unsafe: its text was cut" in ran.err, ran


# ---- the screen


async def pressed(stage: Stage, action: Action) -> None:
    await stage.press("escape", "escape", PANES[action.scope])
    await stage.rest()
    await stage.press(action.keys[0])
    await stage.rest()


def keys_of(scope: str) -> list[Action]:
    return [action for action in KEYS if action.scope == scope]


@each_pane
async def test_a_key_without_the_permission_does_nothing(scope: str) -> None:
    engine = ScreenEngine()
    async with staged(engine, (160, 40)) as stage:
        for action in keys_of(scope):
            engine.seen.read_only, engine.seen.allowed = True, []
            await pressed(stage, action)
            assert "Read-only. W unlocks" in stage.text, action.id
            engine.seen.read_only, engine.seen.may_unlock = False, []
            needed = ANY_OF.get(action.id, (action.permission,))
            engine.seen.allowed = [each for each in NAMES if each not in needed]
            await pressed(stage, action)
            assert f"This profile does not permit {action.permission}." in stage.text, action.id
            assert stage.desk.talk.asked is None and stage.desk.talk.typing is None, action.id
            engine.seen.may_unlock = ["retry"]
        assert engine.acted == []


@each_pane
async def test_a_key_that_is_not_confirmed_does_nothing(scope: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ScreenEngine(read_only=False)
    engine.seen.allowed = [*NAMES]

    async def known(api: object, task: str) -> tuple[str, str]:
        return task, blank("shop.charge", args=[1])

    async def edit(path: Path) -> None:
        path.write_text('task = "shop.report"')
        os.utime(path, (1, 1))

    monkeypatch.setattr("lazycelery.engine.form.form_of", known)
    async with staged(engine) as stage:
        monkeypatch.setattr(stage.desk.surface, "edit", edit)
        stage.desk.deeds.undoes = [Order(action="restore", targets=["/state/default.ndjson"])]
        for action in keys_of(scope):
            for no in ("n", "enter", "escape") if action is keys_of(scope)[0] else ("escape",):
                await pressed(stage, action)
                if stage.desk.talk.typing is not None:
                    await stage.press(*TYPED.get(action.id, ""), "enter")
                await stage.until(lambda: stage.desk.talk.asked is not None)
                await stage.press(no)
                await stage.rest()
                assert engine.acted == [], (action.id, no)
