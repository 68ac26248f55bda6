"""Marks on every list: an action goes to all that are marked, or says that it cannot and does nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lazycelery.errors import ConnectionProblem, Refused
from lazycelery.model.action import Order, Outcome, Plan
from lazycelery.model.hold import Hold
from lazycelery.tui import series as series_module
from lazycelery.tui.series import Series
from tests.support.fake_engine import FakeEngine
from tests.tui.conftest import Stage, staged
from tests.tui.test_findings import troubled

Golden = Callable[[str, str], None]


async def asked(stage: Stage, *keys: str) -> None:
    await stage.press(*keys)
    await stage.until(lambda: stage.desk.talk.asked is not None)


def targets(stage: Stage) -> list[list[str]]:
    return [order.targets for order, _ in stage.engine.acted]


# ---- queues


@pytest.mark.parametrize("size", [(80, 24), (160, 48)])
async def test_a_purge_of_all_marked_queues_counts_them_and_each(
    size: tuple[int, int], golden: Golden
) -> None:
    async with staged(FakeEngine(read_only=False), size) as stage:
        await asked(stage, "2", "M", "P")
        golden(f"purge-many-{size[0]}x{size[1]}", stage.text[stage.text.rindex("─" * size[0]) :])
        assert "Purge 3 queues: 1,223 messages in all" in stage.text
        assert "1 left out: mail: mail is empty" in stage.text and "a backup of each in /state" in stage.text
        await stage.press("y", "enter")
        assert "Nothing was done" in stage.text and stage.engine.acted == []
        await asked(stage, "P")
        await stage.press("3", "enter")
        await stage.until("Purge 4 queues: 3 done, 1 left out.")
        assert targets(stage) == [["default"], ["defualt"], ["reports"]]
        assert [word for _, word in stage.engine.acted] == ["default", "defualt", "reports"]
        assert "purged default: 1,204 removed, 0 left" in stage.text and "u undoes all of them" in stage.text
        assert list(stage.desk.marks.of("queues")) == ["mail"]
        await asked(stage, "u")
        assert "Undo 3 actions" in stage.text
        await stage.press("y")
        await stage.until(lambda: len(stage.engine.acted) == 6)
        assert targets(stage)[3:] == [[f"/state/{name}.ndjson"] for name in ("reports", "defualt", "default")]
        await stage.until(lambda: stage.desk.deeds.undoes == [])


async def test_what_fails_in_the_middle_is_told_and_stays_marked() -> None:
    engine = FakeEngine(read_only=False)
    act = engine.act

    async def refused(plan_id: str, word: str | None = None) -> Any:
        if word == "defualt":
            raise Refused("ada@ops1 is at it in another session: Purge defualt.", "Wait for its end.")
        return await act(plan_id, word)

    engine.act = refused  # type: ignore[method-assign]
    async with staged(engine) as stage:
        await asked(stage, "2", "M", "P")
        await stage.press("3", "enter")
        await stage.until("Purge 4 queues: 2 done, 1 failed, 1 left out.")
        assert "defualt: ada@ops1 is at it in another session" in stage.text
        assert sorted(stage.desk.marks.of("queues")) == ["defualt", "mail"]


async def test_a_lost_engine_ends_it_and_says_what_was_not_begun() -> None:
    engine = FakeEngine(read_only=False)
    act = engine.act

    async def gone(plan_id: str, word: str | None = None) -> Any:
        if word == "defualt":
            raise ConnectionProblem("The engine process has ended.", "It is started again.")
        return await act(plan_id, word)

    engine.act = gone  # type: ignore[method-assign]
    async with staged(engine) as stage:
        await asked(stage, "2", "M", "P")
        await stage.press("3", "enter")
        await stage.until("Purge 4 queues: 1 done, 1 failed, 1 not begun, 1 left out.")
        assert "defualt: nobody knows: The engine process has ended." in stage.text
        assert targets(stage) == [["default"]]


@pytest.mark.parametrize(
    ("keys", "title", "orders"),
    [
        (("H",), "Hold 2 queues", [(["default"], {"do": "hold"}), (["defualt"], {"do": "hold"})]),
        (
            ("c", *"add celery@mail-1", "enter"),
            "Let mail-1 consume 2 queues",
            [([name], {"do": "add", "workers": ["celery@mail-1"]}) for name in ("default", "defualt")],
        ),
        (
            ("O", *"mail", "enter"),
            "Move 2 queues to mail",
            [(["default", "mail"], {}), (["defualt", "mail"], {})],
        ),
        (
            ("D", *"name:shop.charge", "enter"),
            "Delete what matches name:shop.charge from 2 queues",
            [(["default"], {}), (["defualt"], {})],
        ),
    ],
)
async def test_other_actions_go_to_all_marked_queues(
    keys: tuple[str, ...], title: str, orders: list[tuple[list[str], dict[str, Any]]]
) -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await stage.press("2", "m", "m")
        await asked(stage, *keys)
        assert title in stage.text
        await stage.press("y")
        await stage.until(lambda: len(stage.engine.acted) == 2)
        assert [(order.targets, order.params) for order, _ in stage.engine.acted] == orders
        await stage.until(lambda: not list(stage.desk.marks.of("queues")))


async def test_queues_that_are_all_held_are_resumed() -> None:
    engine = FakeEngine(read_only=False)
    for line in engine.lines[:2]:
        line.held = Hold(queue=line.name, since=0.0, user="ada", host="ops1")
    async with staged(engine) as stage:
        await asked(stage, "2", "m", "m", "H")
        assert "Resume 2 queues" in stage.text


async def test_one_mark_is_what_is_meant_wherever_the_cursor_is() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await stage.press("2", "m", "j")
        assert stage.desk.queues.listing.key == "mail"
        for keys in (("H",), ("O", *"reports", "enter"), ("P",)):
            await asked(stage, *keys)
            stage.desk.talk.drop()
        planned = [plan.order.targets[0] for plan in stage.engine._plans.values() if plan.order is not None]
        assert planned == ["default"] * 3


async def test_what_is_done_to_the_only_marked_queue_takes_its_mark_and_no_other() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await stage.press("1", "m", "2", "m", "j")
        for keys in (("H",), ("O", *"reports", "enter")):
            stage.desk.marks.add("queues", ["default"])
            await asked(stage, *keys)
            await stage.press("y")
            await stage.until(lambda: not list(stage.desk.marks.of("queues")))
        assert len(list(stage.desk.marks.of("workers"))) == 1
        assert targets(stage) == [["default"], ["default", "reports"]]


def test_one_that_is_left_is_asked_about_as_one() -> None:
    plan = Plan(id="p", action="purge", title="Purge mail: 3 messages", count=3)
    series = Series("purge {}", "queue", {})
    series.plans = {"mail": plan}
    assert series.question.text == "Purge this queue?"
    series.plans = {"mail": plan, "default": plan}
    assert series.question.text == "Purge these 2 queues, one after another?"


async def test_more_than_a_series_takes_is_refused_whole() -> None:
    engine = FakeEngine(read_only=False)
    engine.lines = [type(engine.lines[0])(name=f"q{n}", messages=1) for n in range(41)]
    async with staged(engine) as stage:
        await stage.press("2", "M", "P")
        assert "41 are marked, and 40 at a time is the most" in stage.text
        assert "plan" not in engine.calls


# ---- tasks


@pytest.mark.parametrize("key", ["R", "a"])
async def test_what_is_for_one_task_says_so_and_does_nothing(key: str) -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await stage.press("3", "j", "m", "m", key)
        assert "Nothing was done" in stage.text and stage.desk.talk.typing is None
        assert "plan" not in stage.engine.calls and stage.engine.acted == []


async def test_all_marked_names_are_copied_and_all_of_each() -> None:
    async with staged() as stage:
        await stage.press("2", "m", "m", "y")
        assert stage.app.clipboard == "default\ndefualt" and "2 marked names" in stage.text
        await stage.press("Y")
        assert [one["name"] for one in json.loads(stage.app.clipboard)] == ["default", "defualt"]
        await stage.press("3", "j", "m", "m", "Y")
        await stage.until("2 of 2 marked")
        assert [one["id"] for one in json.loads(stage.app.clipboard)] == [
            stage.engine._id(998),
            stage.engine._id(997),
        ]


# ---- findings


async def test_a_finding_that_cannot_be_acknowledged_does_not_hide_the_others() -> None:
    engine = troubled()
    await engine.mark_finding("x")
    mark, calls = engine.mark_finding, []

    async def once(*words: Any) -> Any:
        calls.append(words)
        if len(calls) == 2:
            raise Refused("The file of acknowledged findings cannot be written.")
        return await mark(*words)

    engine.mark_finding = once  # type: ignore[method-assign]
    async with staged(engine) as stage:
        found = stage.desk.findings.rows.items
        await stage.desk._marked(list(found[:2]), "ack", None, "")
        assert "1 not: The file of acknowledged findings cannot be written." in stage.text


# ---- lists of full views


@pytest.mark.parametrize(
    ("view", "title", "keys"),
    [("B", "entry ", "x"), ("A", "entry ", "y"), ("e", "", "r")],
)
async def test_space_and_the_right_button_open_the_menu_of_every_list(
    view: str, title: str, keys: str
) -> None:
    async with staged(FakeEngine(read_only=False), (160, 48)) as stage:
        await stage.press(view, "space")
        menu = stage.desk.talk.menu
        assert menu is not None and menu.title.startswith(title)
        assert keys in [key for choice in menu.choices for key in choice.action.keys]
        assert "purge" not in [choice.action.id for choice in menu.choices]
        await stage.press("escape")
        await stage.pilot.click("#main", offset=(20, 3), button=3)
        await stage.rest()
        other = stage.desk.talk.menu
        assert other is not None and other.title != menu.title


async def test_a_click_selects_in_a_view_and_a_second_one_opens() -> None:
    async with staged(size=(160, 48)) as stage:
        await stage.press("B")
        await stage.pilot.click("#main", offset=(20, 4))
        await stage.rest()
        assert stage.desk.picked is not None
        name = stage.desk.picked.name
        await stage.pilot.click("#main", offset=(20, 4), times=2)
        await stage.rest()
        assert f"Beat › {name}" in stage.text


async def test_names_are_copied_from_every_list() -> None:
    async with staged() as stage:
        await stage.press("B", "y")
        entry = stage.app.clipboard
        assert entry and f"Copied {entry}" in stage.text
        await stage.press("Y")
        assert json.loads(stage.app.clipboard)["name"] == entry
        await stage.press("A", "j", "y")
        assert stage.app.clipboard == "default"
        await stage.press("e", "y")
        assert stage.desk.errors is not None and stage.desk.errors.group is not None
        assert stage.app.clipboard == stage.desk.errors.group.id
        await stage.press("A", "m")
        assert "none is marked" in stage.text


async def test_marked_entries_of_beat_run_now_and_are_switched() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await stage.press("B", "m", "m")
        assert "◆2" in stage.text
        await asked(stage, "r")
        assert "Run 2 entries now" in stage.text
        await stage.press("y")
        await stage.until(lambda: len(stage.engine.acted) == 2)
        assert len({order.params["entry"] for order, _ in stage.engine.acted}) == 2
        await stage.until(lambda: "◆" not in stage.text)
        await asked(stage, "g", "m", "m", "x")
        await stage.press("y")
        await stage.until(lambda: len(stage.engine.acted) == 3)
        assert len(stage.engine.acted[2][0].targets) == 2


async def test_escape_takes_the_marks_of_a_view_first() -> None:
    async with staged() as stage:
        await stage.press("B", "M", "escape")
        assert "◆" not in stage.text and stage.desk.views.open is not None
        await stage.press("escape")
        assert stage.desk.views.open is None


async def test_marked_groups_are_out_of_sight_in_a_heat_map() -> None:
    async with staged() as stage:
        await stage.press("e", "m", "m", "]")
        assert stage.desk.marked == []
        await stage.press("Y")
        assert "Nothing is selected" in stage.text
        await stage.press("[")
        assert len(stage.desk.marked) == 2


async def test_marked_groups_of_errors_are_run_again() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await stage.press("e", "m", "m")
        groups = list(stage.desk.marks.of("errors"))
        await asked(stage, "r")
        assert "Retry 2 groups" in stage.text
        await stage.press("y")
        await stage.until(lambda: len(stage.engine.acted) == 2)
        assert [order.filter for order, _ in stage.engine.acted] == [
            f"error_group:{group} state:failure" for group in groups
        ]


async def test_a_plan_of_a_long_series_is_made_anew_before_the_engine_forgets_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Api:
        made, acted = 0, list[str]()

        async def plan(self, order: Order) -> Plan:
            self.made += 1
            return Plan(id=f"p{self.made}", action="purge", title="Purge", count=3)

        async def act(self, plan_id: str, word: str | None = None) -> Outcome:
            self.acted.append(plan_id)
            return Outcome(action="purge", done=3, failed=0, proof="purged")

    api, names = Api(), ("mail", "default")
    series = Series("purge {}", "queue", {name: Order(action="purge", targets=[name]) for name in names})
    await series.plan(api)  # type: ignore[arg-type]
    await series.carry_out(api, "mail")  # type: ignore[arg-type]
    monkeypatch.setattr(series_module, "FRESH", -1.0)
    await series.carry_out(api, "default")  # type: ignore[arg-type]
    assert api.acted == ["p1", "p3"] and len(series.done) == 2
