"""Each refusal in each face, for every action there is: a new one without a line here fails the table."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import get_args

import pytest

from lazycelery.actions import service
from lazycelery.engine.form import blank
from lazycelery.errors import ConnectionProblem, Refused
from lazycelery.keys import ACTIONS, Action
from lazycelery.model.action import ActionName, Order
from lazycelery.model.bulk import Bulk
from lazycelery.tui.deeds import CANVAS
from tests.actions.fakes import Room
from tests.cli.conftest import Ran
from tests.cli.fake_engine import FakeEngine
from tests.refusals.stand_in import CUT, LOST, Deeds, Guarded
from tests.support import fake_bulk
from tests.support.fake_engine import FakeEngine as ScreenEngine
from tests.tui.conftest import Stage, staged

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


# ---- the command line


@pytest.fixture
def command(said: Callable[..., Ran]) -> Callable[..., Ran]:
    """Runs the command of an action, on real plans and a real guard."""
    return lambda name, *more, **profile: said(*COMMANDS[name], *more, **profile)


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


@each_action
def test_a_command_whose_answer_was_lost_ends_with_5_and_says_so(
    command: Callable[..., Ran], deeds: Deeds, name: ActionName
) -> None:
    yes = () if name in HARMLESS else ("--yes",)
    deeds.lost = "told"
    ran = command(name, *yes, "--allow", name)
    assert ran.code == 5 and LOST in ran.out, ran
    assert command(name, *yes, "--allow", name, "--json").json["unknown"] == 1
    deeds.lost = "cut"
    ran = command(name, *yes, "--allow", name)
    assert ran.code == 3 and CUT in ran.err and ran.out == "", ran


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


each_way = pytest.mark.parametrize("way", ["key", pytest.param("line", marks=pytest.mark.soak)])
"""A key, or the name of the action after a colon."""


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], Awaitable[None]]:
    """An editor that writes a task, and the form of a task that is edited."""

    async def known(api: object, task: str) -> tuple[str, str]:
        return task, blank("shop.charge", args=[1])

    async def edit(path: Path) -> None:
        path.write_text('task = "shop.report"')
        os.utime(path, (1, 1))

    monkeypatch.setattr("lazycelery.engine.form.form_of", known)
    return edit


async def given(stage: Stage, action: Action, way: str) -> None:
    """Give the action, by its key or by its name, and what it wants to have written."""
    await stage.press("escape", "escape", PANES[action.scope])
    await stage.rest()
    stage.desk.deeds.undoes = [Order(action="restore", targets=["/state/default.ndjson"])]
    if way == "key":
        await stage.press(action.keys[0])
    else:
        await stage.press(":")
        assert stage.desk.talk.typing is not None
        words = f"{action.id} default" if action.id == "purge" else action.id
        stage.desk.talk.typing.insert(words)
        await stage.press("enter")
    await stage.rest()
    if stage.desk.talk.typing is not None:
        await stage.press(*TYPED.get(action.id, ""), "enter")


@each_pane
async def test_a_typed_name_without_the_permission_does_nothing(scope: str) -> None:
    engine = ScreenEngine()
    async with staged(engine, (160, 40)) as stage:
        for action in keys_of(scope):
            engine.seen.read_only, engine.seen.may_unlock, engine.seen.allowed = True, ["retry"], []
            await given(stage, action, "line")
            assert "Read-only. W unlocks" in stage.text, action.id
            assert stage.desk.talk.asked is None, action.id
        assert engine.acted == [] and engine.planned == []


@each_way
@each_pane
async def test_what_is_unsafe_is_told_and_not_asked_about(
    scope: str, way: str, tmp_path: Path, deeds: Deeds, written: Callable[[Path], Awaitable[None]]
) -> None:
    deeds.unsafe = True
    engine = Guarded(tmp_path)
    async with staged(engine, (160, 40)) as stage:
        stage.desk.surface.edit = written  # type: ignore[method-assign, assignment]
        for action in keys_of(scope):
            await given(stage, action, way)
            await stage.until(lambda: "its text was cut" in stage.text)
            assert stage.desk.talk.asked is None, action.id
    assert deeds.done == []


@each_way
@each_pane
@pytest.mark.parametrize("lost", ["told", pytest.param("cut", marks=pytest.mark.soak)])
async def test_an_answer_that_was_lost_is_told_as_such(
    scope: str,
    way: str,
    lost: str,
    tmp_path: Path,
    deeds: Deeds,
    written: Callable[[Path], Awaitable[None]],
) -> None:
    """Not in the colour of what is done, and in the log as what nobody knows."""
    deeds.lost, deeds.typed = lost, False
    engine = Guarded(tmp_path)
    actions = keys_of(scope)[: 1 if way == "line" else None]
    async with staged(engine, (160, 40)) as stage:
        stage.desk.surface.edit = written  # type: ignore[method-assign, assignment]
        for number, action in enumerate(actions, 1):
            engine.room.now += 3600.0  # So that no session is told of the one before.
            await given(stage, action, way)
            await stage.until(lambda: stage.desk.talk.asked is not None)
            await stage.press("y")
            await stage.until(lambda n=number: len(deeds.done) == n)  # type: ignore[misc]
            await stage.until(
                lambda: (LOST if lost == "told" else CUT) in (stage.desk.talk.message or [""])[0]
            )
            assert stage.desk.talk.message is not None and stage.desk.talk.message[1] in ("warn", "fail")
    entries = engine.room.audit.read()
    assert {entry.outcome for entry in entries} == {"unknown" if lost == "told" else "failed"}
    assert len(entries) == len(actions) and all(entry.plan["done"] is None for entry in entries)


# ---- plans that stopped, on the screen and on the command line


def stopped_at(action: ActionName) -> Bulk:
    return fake_bulk.stopped(action=action)


RESUMED: tuple[ActionName, ...] = ("retry", "revoke", "move", "delete", "requeue")
"""Actions that have plan files."""
each_resumed = pytest.mark.parametrize("name", RESUMED)


@pytest.mark.parametrize(
    "name", [RESUMED[0], *(pytest.param(name, marks=pytest.mark.soak) for name in RESUMED[1:])]
)
@pytest.mark.parametrize(
    ("allow", "unsafe", "lost", "word", "code"),
    [
        ([], False, "", "thing", "Read-only"),
        (["purge"], False, "", "thing", "Not permitted"),
        (["all"], True, "", "thing", "its text was cut"),
        (["all"], False, "", "other", "That is not thing. Nothing was done."),
        (["all"], False, "told", "thing", LOST),
        (["all"], False, "cut", "thing", CUT),
    ],
)
async def test_a_plan_that_stopped_is_resumed_by_the_same_rules(
    name: ActionName,
    allow: list[str],
    unsafe: bool,
    lost: str,
    word: str,
    code: str,
    tmp_path: Path,
    deeds: Deeds,
    said: Callable[..., Ran],
    engine: FakeEngine,
) -> None:
    deeds.unsafe, deeds.lost = unsafe, lost
    screen = Guarded(tmp_path / "screen", allow=allow)
    screen.bulk_plans = [stopped_at(name)]
    async with staged(screen, (160, 40)) as stage:
        await stage.press("C")
        await stage.until(lambda: stage.desk.talk.typing is not None)
        await stage.press("enter")
        await stage.rest()
        if code not in stage.text:
            await stage.until(lambda: stage.desk.talk.asked is not None)
            await stage.press(*word, "enter")
        await stage.until(lambda: code in (stage.desk.talk.message or ("", ""))[0])
        assert stage.desk.talk.message is not None and stage.desk.talk.message[1] in ("warn", "fail")
    assert deeds.done == ([name] if lost else [])


@each_resumed
def test_resume_on_the_command_line_is_refused_by_the_same_rules(
    name: ActionName, deeds: Deeds, said: Callable[..., Ran], engine: FakeEngine
) -> None:
    engine.plans = [stopped_at(name)]
    resume = ("plan", "resume", "7f3a1c20")
    ran = said(*resume, "--yes")
    assert ran.code == 4 and "Read-only" in ran.err, ran
    ran = said(*resume, "--yes", "--allow", "purge")
    assert ran.code == 4 and f"Not permitted: {name}" in ran.err, ran
    ran = said(*resume, "--allow", name)
    assert ran.code == 4 and "--yes confirms" in ran.err, ran
    deeds.unsafe = True
    ran = said(*resume, "--yes", "--allow", name)
    assert ran.code == 4 and "Unsafe: its text was cut" in ran.err and deeds.done == [], ran
    deeds.unsafe, deeds.lost = False, "told"
    ran = said(*resume, "--yes", "--allow", name)
    assert ran.code == 5 and LOST in ran.out and deeds.done == [name], ran
    deeds.lost = "cut"
    ran = said(*resume, "--yes", "--allow", name)
    assert ran.code == 3 and CUT in ran.err, ran
