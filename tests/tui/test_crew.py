"""Keys that operate workers: a choice, a plan, a question, a proof, an undo."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lazycelery.engine.form import blank
from lazycelery.errors import UsageError
from lazycelery.model.action import Order
from lazycelery.model.profile import Profile
from lazycelery.model.service import Service
from lazycelery.tui.crew import _limit, _pool
from tests.support.fake_engine import FakeEngine
from tests.tui.conftest import Stage, staged

Golden = Callable[[str, str], None]


def engine() -> FakeEngine:
    return FakeEngine(read_only=False)


async def asked(stage: Stage, *keys: str) -> None:
    await stage.press(*keys)
    await stage.until(lambda: stage.desk.talk.asked is not None)


async def done(stage: Stage, *keys: str) -> Order:
    await stage.press(*keys)
    await stage.until(lambda: len(stage.engine.acted) >= 1)
    return stage.engine.acted[-1][0]


async def test_the_pool_key_offers_what_a_pool_does(golden: Golden) -> None:
    async with staged(engine(), (80, 24)) as stage:
        await stage.press("1", "P")
        assert "Pool of mail-1:" in stage.text and "one process more (2 → 3)" in stage.text
        golden("pool-80x24", "\n".join(stage.text.splitlines()[-8:]))
        await asked(stage, "enter")
        order = await done(stage, "y")
        assert (order.action, order.targets, order.params) == (
            "pool",
            ["celery@mail-1"],
            {"do": "grow", "n": 1},
        )


async def test_what_is_typed_goes_to_all_that_are_marked() -> None:
    async with staged(engine()) as stage:
        await asked(stage, "1", "slash", *"web", "enter", "M", "P", *"size 12", "enter")
        order = await done(stage, "y")
        assert order.targets == [f"celery@web-{n}" for n in (1, 2, 3)] and order.params == {
            "do": "size",
            "n": 12,
        }


async def test_the_undo_key_undoes_what_was_done_last() -> None:
    async with staged(engine()) as stage:
        await asked(stage, "1", "P", "enter")
        await stage.press("y")
        await stage.until("u undoes.")
        await asked(stage, "u")
        await stage.press("y")
        await stage.until(lambda: len(stage.engine.acted) == 2)
        assert stage.engine.acted[1][0].params == {"do": "shrink", "n": 1}


async def test_what_may_have_been_done_is_undone_as_far_as_it_was() -> None:
    async with staged(engine()) as stage:
        act = stage.engine.act

        async def unanswered(*args: Any, **options: Any) -> Any:
            outcome = await act(*args, **options)
            outcome.done, outcome.unknown = 0, 1
            return outcome

        stage.engine.act = unanswered  # type: ignore[method-assign]
        await asked(stage, "1", "P", "enter")
        await stage.press("y")
        await stage.until("u undoes what of it was done.")


async def test_the_undo_of_a_pool_needs_the_permission_of_a_pool() -> None:
    async with staged(engine()) as stage:
        await asked(stage, "1", "P", "enter")
        await stage.press("y")
        await stage.until("u undoes.")
        stage.engine.seen.allowed = ["restore", "retry"]
        await stage.press("u")
        assert "pool is locked. W unlocks it" in stage.text and len(stage.engine.acted) == 1


async def test_escape_and_nonsense_do_nothing() -> None:
    async with staged(engine()) as stage:
        await stage.press("1", "P", "escape")
        assert "Nothing was done." in stage.text
        await stage.press("P", *"grow many", "enter")
        assert "grow takes one number." in stage.text
        assert "plan" not in stage.engine.calls


async def test_a_worker_consumes_another_queue() -> None:
    async with staged(engine()) as stage:
        await stage.press("1", "c", *"reports")
        assert "consume reports" in stage.text and "cancel mail" not in stage.text
        await asked(stage, "enter")
        order = await done(stage, "y")
        assert (order.targets, order.params) == (["reports"], {"do": "add", "workers": ["celery@mail-1"]})


async def test_a_queue_loses_a_consumer() -> None:
    async with staged(engine()) as stage:
        await asked(stage, "2", "c", *"cancel celery@web-1", "enter")
        order = await done(stage, "y")
        assert (order.targets, order.params) == (["default"], {"do": "cancel", "workers": ["celery@web-1"]})


async def test_a_queue_is_held_and_the_same_key_resumes_it() -> None:
    async with staged(engine()) as stage:
        await asked(stage, "2", "H")
        order = await done(stage, "y")
        assert (order.action, order.targets, order.params) == ("consumers", ["default"], {"do": "turn"})


async def test_a_task_is_limited_by_its_name() -> None:
    async with staged(engine()) as stage:
        await stage.press("3", "a")
        name = stage.desk.tasks.item.name if stage.desk.tasks.item else None
        assert f"Limit {name}:" in stage.text
        await asked(stage, *"rate 5/s", "enter")
        order = await done(stage, "y")
        assert (order.action, order.targets) == ("limits", [])
        assert order.params == {"task": name, "do": "rate", "rate": "5/s"}


async def test_a_shutdown_asks_for_the_name() -> None:
    async with staged(engine()) as stage:
        await asked(stage, "1", "X")
        assert "Type celery@mail-1 to go on" in stage.text
        await stage.press(*"yes", "enter")
        assert "That is not celery@mail-1. Nothing was done." in stage.text and stage.engine.acted == []
        await asked(stage, "X")
        order = await done(stage, *"celery@mail-1", "enter")
        assert (order.action, order.targets) == ("shutdown", ["celery@mail-1"])


async def test_statistics_tell_how_a_worker_answers_now(golden: Golden) -> None:
    async with staged(FakeEngine(), (80, 24)) as stage:
        await stage.press("1", "s")
        await stage.until("4.2 ms")
        golden("statistics-80x24", stage.text)
        assert stage.engine.calls.count("pulse") == 1
        await stage.press("s")
        await stage.until(lambda: stage.engine.calls.count("pulse") == 2)


@pytest.mark.parametrize(
    ("pane", "key"), [("1", "P"), ("1", "c"), ("1", "X"), ("2", "c"), ("2", "H"), ("3", "a")]
)
async def test_in_read_only_none_of_them_is_even_planned(pane: str, key: str) -> None:
    async with staged(FakeEngine()) as stage:
        await stage.press(pane, key)
        assert "Read-only. W unlocks" in stage.text
        assert stage.desk.talk.typing is None and "plan" not in stage.engine.calls


@pytest.mark.parametrize(
    ("pane", "key", "permission"),
    [
        ("1", "P", "pool"),
        ("1", "c", "consumers"),
        ("1", "X", "shutdown"),
        ("2", "H", "consumers"),
        ("3", "a", "limits"),
    ],
)
async def test_a_missing_permission_is_named(pane: str, key: str, permission: str) -> None:
    shown = engine()
    shown.seen.allowed = [name for name in Profile().may_unlock if name != permission]
    async with staged(shown) as stage:
        await stage.press(pane, key)
        assert f"{permission} is locked. W unlocks it" in stage.text
        assert "plan" not in stage.engine.calls


@pytest.mark.parametrize(
    "text", ["explode", "grow", "grow 0x2", "grow 1 2", "autoscale 4", "restart now", "size -1"]
)
def test_a_wrong_change_of_a_pool_is_told(text: str) -> None:
    with pytest.raises(UsageError, match=r"takes|nothing that a pool does"):
        _pool(text)


@pytest.mark.parametrize("text", ["rate", "time", "rate 1/s 2/s", "time 1 2 3", "speed 3"])
def test_a_wrong_limit_is_told(text: str) -> None:
    with pytest.raises(UsageError, match="is no limit"):
        _limit(text)


async def test_a_log_is_shown_newest_first_and_followed(golden: Golden) -> None:
    shown = FakeEngine()
    shown.logs["celery@mail-1"] = ["first", "\x1b[31mERROR second\u202e", "third"]
    async with staged(shown, (80, 24)) as stage:
        await stage.press("1", "[")
        await stage.until("third")
        golden("log-80x24", stage.text)
        shown.logs["celery@mail-1"].append("fourth")
        shown.touch("workers")
        await stage.until("fourth")


async def test_a_log_without_a_command_says_what_would_show_it() -> None:
    async with staged(FakeEngine()) as stage:
        await stage.press("1", "[")
        await stage.until("Add [[profiles.NAME.workers]].")


async def test_the_profiles_commands_are_offered_with_the_pool() -> None:
    async with staged(engine()) as stage:
        stage.desk.services = [Service(name="celery@mail-1", unit="celery-mail")]
        await asked(stage, "1", "P", *"service st", "enter")
        order = await done(stage, "y")
        assert (order.action, order.targets, order.params) == ("service", ["celery@mail-1"], {"do": "start"})
        stage.engine.seen.allowed = ["pool"]
        await stage.press("P", *"service stop", "enter")
        assert "service is locked. W unlocks it" in stage.text


async def test_a_task_is_edited_and_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = engine()
    async with staged(shown) as stage:
        edited: list[str] = []

        async def edit(path: Path) -> None:
            edited.append(path.read_text())
            if len(edited) == 1:
                path.write_text('task = "shop.report"\nargs = [7]\nqueue = "mail"')
                os.utime(path, (1, 1))

        monkeypatch.setattr(stage.desk.surface, "edit", edit)

        async def known(api: object, id: str) -> tuple[str, str]:
            return id, blank("shop.charge", args=[1])

        monkeypatch.setattr("lazycelery.engine.form.form_of", known)
        await asked(stage, "3", "R")
        order = await done(stage, "y")
        assert '"task": "shop.charge"' in edited[0]
        assert (order.action, order.targets) == ("send", ["shop.report"])
        assert order.params["args"] == [7] and order.params["retry_of"] == shown._id(999)
        await stage.press("R")
        await stage.until("It was not saved. Nothing was done.")


async def test_no_editor_opens_for_who_went_on_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    async with staged(engine()) as stage:
        opened: list[Path] = []
        ready = asyncio.Event()

        async def edit(path: Path) -> None:
            opened.append(path)

        async def slowly(api: object, id: str) -> tuple[str, str]:
            await ready.wait()
            return id, blank("shop.charge", args=[1])

        monkeypatch.setattr(stage.desk.surface, "edit", edit)
        monkeypatch.setattr("lazycelery.engine.form.form_of", slowly)
        await stage.press("3", "R", "j")
        ready.set()
        await asyncio.sleep(0.1)
        assert not opened and stage.desk.talk.asked is None


async def test_terminate_offers_the_signals_and_says_what_each_does(golden: Golden) -> None:
    async with staged(engine(), (80, 24)) as stage:
        await stage.press("3", "X")
        assert "KILL" in stage.text and "nothing is cleaned up" in stage.text
        golden("signals-80x24", "\n".join(stage.text.splitlines()[-8:]))
        await asked(stage, *"kill", "enter")
        order = stage.engine.planned[-1]
        assert (order.action, order.params) == ("terminate", {"signal": "KILL"}) and len(order.targets) == 1


async def test_where_signals_reach_nobody_the_plan_says_so_at_once() -> None:
    fake = engine()
    async with staged(fake) as stage:
        await stage.press("3")
        row = stage.desk.item
        for worker in stage.desk.link.truth.workers or ():
            worker.pool = "threads" if worker.name == row.worker else worker.pool
        await asked(stage, "X")
        assert stage.engine.planned[-1].params == {}


async def test_of_a_marked_task_its_own_worker_decides_not_that_under_the_cursor() -> None:
    async with staged(engine()) as stage:
        await stage.press("3", "j", "m")
        window, [marked] = stage.desk.tasks.window, stage.desk.marked
        row = window.at(window.index_of(marked) or 0)
        assert row is not None
        while stage.desk.tasks.item is None or stage.desk.tasks.item.worker == row.worker:
            await stage.press("j")
        for worker in stage.desk.link.truth.workers or ():
            worker.pool = "prefork" if worker.name == row.worker else "threads"
        await stage.press("X")
        assert stage.desk.talk.typing is not None


async def test_a_canvas_is_retried_or_revoked_as_a_whole(golden: Golden) -> None:
    async with staged(engine(), (80, 24)) as stage:
        await stage.press("3", "c")
        golden("canvas-80x24", "\n".join(stage.text.splitlines()[-9:]))
        await asked(stage, "enter")
        golden("canvas-asked-80x24", "\n".join(stage.text.splitlines()[-9:]))
        order = await done(stage, "y")
        assert (order.action, order.params) == ("retry", {"canvas": True})
        await asked(stage, "c", *"terminate usr1", "enter")
        assert stage.engine.planned[-1].params == {"canvas": True, "signal": "USR1"}


async def test_a_canvas_is_left_alone_when_read_only() -> None:
    async with staged(FakeEngine()) as stage:
        await stage.press("3", "c")
        assert "Read-only" in stage.text and stage.desk.talk.typing is None
