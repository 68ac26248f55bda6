"""What keys do: moving, opening, filtering, stepping back, and the dangerous ones."""

from __future__ import annotations

import asyncio

from lazycelery.errors import LazyCeleryError
from lazycelery.tui.presentation.footer import Question
from tests.support.fake_engine import FakeEngine
from tests.tui.conftest import Stage, staged


async def test_the_main_side_shows_what_is_selected() -> None:
    async with staged() as stage:
        assert "celery@mail-1" in stage.text
        await stage.press("G")
        assert "its 4 slots run shop.report" in stage.text
        await stage.press("2", "j")
        assert "nobody consumes it. Did you mean default?" in stage.text
        await stage.press("3", "j", "j")
        assert "Failed on web-2" in stage.text


async def test_opening_a_worker_shows_its_tasks_and_escape_leads_back() -> None:
    async with staged() as stage:
        await stage.press("G", "enter")
        assert stage.desk.lead == "tasks" and stage.desk.tasks.whole_filter == "worker:=celery@web-3"
        await stage.until(lambda: stage.desk.tasks.window.total == 333)
        await stage.press("escape")
        assert stage.desk.lead == "workers" and stage.desk.tasks.whole_filter == ""
        assert stage.desk.workers.listing.key == "celery@web-3"


async def test_opening_a_task_shows_its_page_alone() -> None:
    async with staged() as stage:
        await stage.press("3", "j", "j", "enter")
        assert "1 Workers" not in stage.text and "Failed on web-2" in stage.text
        await stage.press("escape")
        assert "1 Workers" in stage.text


async def test_a_filter_narrows_while_it_is_typed_and_escape_takes_it_away() -> None:
    async with staged() as stage:
        await stage.press("slash", *"web")
        assert [one.name for one in stage.desk.workers.rows.items] == [f"celery@web-{n}" for n in (1, 2, 3)]
        await stage.press("enter", "escape")
        assert len(stage.desk.workers.rows.items) == 5


async def test_leaving_a_filter_restores_the_old_one() -> None:
    async with staged() as stage:
        await stage.press("slash", *"web", "enter", "slash", *"-3", "escape")
        assert stage.desk.workers.filter == "web"


async def test_a_prompt_swallows_every_printable_key() -> None:
    async with staged() as stage:
        await stage.press("slash", *"q?123P")
        assert stage.desk.workers.filter == "q?123P" and stage.app.is_running
        await stage.press("escape")


async def test_a_wrong_task_filter_says_where_while_it_is_typed() -> None:
    async with staged() as stage:
        await stage.press("3", "slash", *"stat:x")
        await stage.until('there is no field "stat"')
        before = stage.desk.tasks.whole_filter  # What was typed up to a rest may have been applied.
        assert before in ("", "s", "st", "sta", "stat")
        await stage.press("enter")
        await stage.until('there is no field "stat"')
        assert stage.desk.tasks.whole_filter == before


async def test_a_wrong_filter_that_is_entered_stays_to_be_mended() -> None:
    async with staged() as stage:
        await stage.press("3", "slash", *"stat:failure", "enter")
        await stage.until('there is no field "stat"')
        assert stage.desk.talk.typing is not None and stage.desk.talk.typing.prompt.text == "stat:failure"
        await stage.press("home", "right", "right", "right", "right", "e", "enter")
        await stage.until(lambda: stage.desk.talk.typing is None)
        assert stage.desk.tasks.whole_filter == "state:failure"


async def test_what_is_asked_about_stays_where_it_is_while_newer_tasks_come() -> None:
    engine = await unlocked()
    async with staged(engine) as stage:
        await stage.press("3")
        asked = stage.desk.tasks.listing.key
        await stage.press("r")
        await stage.until("y/N")
        engine.arrive(5)
        await stage.rest()
        assert stage.desk.tasks.listing.key == asked
        assert str(asked)[:8] in stage.text
        await stage.press("n", "g")
        engine.arrive(1)
        await stage.until(lambda: stage.desk.tasks.listing.key != asked)  # The newest leads again.


async def test_a_failure_for_want_of_a_connection_is_forgotten_with_its_return() -> None:
    engine = FakeEngine()
    async with staged(engine) as stage:
        stage.desk._failed("The connection broke.")
        stage.desk._was_connected = False
        await stage.until("The connection broke.")
        engine.arrive(1)
        await stage.until(lambda: stage.desk.talk.message is None)


async def test_a_task_filter_is_applied_when_typing_rests() -> None:
    async with staged() as stage:
        await stage.press("3", "slash", *"state:failure")
        await stage.until(lambda: stage.desk.tasks.window.total == 125)
        await stage.press("enter", "z")
        assert "state:failure" in stage.text and "125 of 1,000" in stage.text


async def test_faults_only_and_back() -> None:
    async with staged() as stage:
        await stage.press("f")
        assert [one.name for one in stage.desk.workers.rows.items] == ["celery@old-7"]
        await stage.press("f", "3", "f")
        await stage.until(lambda: stage.desk.tasks.window.total == 250)
        await stage.press("escape")
        await stage.until(lambda: stage.desk.tasks.window.total == 1000)


async def test_sorting_goes_round_and_is_told_in_the_title() -> None:
    async with staged() as stage:
        await stage.press("2", "S")
        assert stage.desk.queues.rows.items[0].name == "default"
        assert "by messages" in stage.text


async def test_the_cursor_stays_on_its_task_while_others_arrive() -> None:
    async with staged() as stage:
        await stage.press("3", "j", "j")
        key = stage.desk.tasks.listing.key
        stage.engine.arrive(400)
        await stage.until("1,400")
        await stage.until(lambda: stage.desk.tasks.listing.cursor == 402)
        assert stage.desk.tasks.listing.key == key


async def test_a_paused_screen_stands_still() -> None:
    async with staged() as stage:
        await stage.press("p")
        before = stage.text
        assert "PAUSED" in before
        stage.engine.fleet[0].active = 2
        stage.engine.touch("workers")
        await asyncio.sleep(0.4)
        assert stage.text == before
        await stage.press("p")
        await stage.until("2/2")


async def test_copying_sends_the_id_or_all_of_it() -> None:
    async with staged() as stage:
        await stage.press("y")
        assert stage.app.clipboard == "celery@mail-1"
        await stage.press("Y")
        assert '"py-celery 5.6.2"' in stage.app.clipboard


async def test_help_names_every_action() -> None:
    async with staged(size=(120, 120)) as stage:
        await stage.press("?")
        for action in stage.desk.keys.actions:
            assert action.text[:40] in stage.text, action.id
        await stage.press("escape")
        assert "celery@mail-1" in stage.text


async def test_keys_are_answered_while_the_engine_is_slow() -> None:
    engine = FakeEngine()
    async with staged(engine) as stage:
        engine.delay = 5
        for key, seen in (
            ("2", "1,204 messages"),
            ("3", "stock.reserve"),
            ("G", "3 Tasks"),
            ("1", "celery@mail-1"),
        ):
            await stage.pilot.press(key)
            assert seen in stage.text


# ---- dangerous keys


async def unlocked() -> FakeEngine:
    return FakeEngine(read_only=False)


async def test_in_read_only_a_dangerous_key_says_what_unlocks_it() -> None:
    async with staged() as stage:
        await stage.press("3", "r")
        assert "Read-only. W unlocks" in stage.text
        await stage.press("2", "P")
        assert "Read-only. W unlocks" in stage.text
        assert "plan" not in stage.engine.calls


async def test_a_profile_that_forbids_unlocking_says_so() -> None:
    engine = FakeEngine()
    engine.seen.may_unlock = []
    async with staged(engine) as stage:
        await stage.press("3", "x")
        assert "This profile does not permit unlocking" in stage.text
        await stage.press("W")
        assert "This profile does not permit unlocking" in stage.text


async def test_unlocking_asks_and_locks_again() -> None:
    async with staged() as stage:
        await stage.press("W")
        assert "For this session?" in stage.text
        await stage.press("enter")
        assert stage.engine.seen.read_only
        await stage.press("W", "y")
        await stage.until("Unlocked:")
        await stage.press("W")
        await stage.until("Read-only again.")


async def asked(stage: Stage, *keys: str) -> None:
    await stage.press(*keys)
    await stage.until(lambda: stage.desk.talk.asked is not None)


async def test_a_retry_shows_its_grade_and_is_done_on_yes() -> None:
    async with staged(await unlocked()) as stage:
        await asked(stage, "3", "j", "j", "r")
        assert "Retry shop.report exactly, to default" in stage.text
        await stage.press("y")
        await stage.until("retried as new-id")
        order, _ = stage.engine.acted[0]
        assert (order.action, order.targets) == ("retry", [stage.engine._id(997)])


async def test_enter_and_escape_mean_no() -> None:
    async with staged(await unlocked()) as stage:
        for answer in ("enter", "escape", "n"):
            await asked(stage, "3", "x")
            assert "a restart forgets the revoke" in stage.text
            await stage.press(answer)
            await stage.until("Nothing was done")
        assert stage.engine.acted == []


async def test_a_purge_wants_the_name_and_can_be_undone() -> None:
    async with staged(await unlocked()) as stage:
        await asked(stage, "2", "P")
        assert "1,204 messages" in stage.text
        await stage.press(*"defualt", "enter")
        assert "That is not default. Nothing was done." in stage.text
        await asked(stage, "P")
        await stage.press(*"default", "enter")
        await stage.until("purged default: 1,204 removed")
        assert "u undoes" in stage.text
        await asked(stage, "u")
        await stage.press("y")
        await stage.until(lambda: len(stage.engine.acted) == 2)
        assert stage.engine.acted[1][0].targets == ["/state/default.ndjson"]


async def test_a_refused_plan_says_why() -> None:
    engine = await unlocked()
    async with staged(engine) as stage:

        async def refuse(order: object) -> object:
            raise LazyCeleryError("Only a cut text of its arguments is known.", "Edit it by hand.")

        engine.plan = refuse  # type: ignore[assignment,method-assign]
        await stage.press("3", "r")
        await stage.until("Only a cut text of its arguments is known. Edit it by hand.")


async def test_a_plan_that_comes_after_another_key_asks_nothing() -> None:
    engine = await unlocked()
    async with staged(engine) as stage:
        await stage.press("3")
        engine.delay = 0.2
        await stage.pilot.press("r")
        await stage.pilot.press("j")
        engine.delay = 0
        await asyncio.sleep(0.3)
        assert stage.desk.talk.asked is None


async def test_a_question_that_is_too_long_for_the_screen_scrolls_by_the_arrows() -> None:
    facts = tuple(f"{n} messages of task.number{n}" for n in range(30))
    async with staged(size=(80, 24)) as stage:
        stage.desk.talk.ask(Question("Move many", "Do it?", summary=facts), lambda _: None)
        stage.app.dashboard.sync()
        await stage.until("more lines: ↓")
        assert "task.number0" in stage.text and "task.number29" not in stage.text
        assert "Do it? y/N" in stage.text
        await stage.press(*["down"] * 40)
        assert "task.number29" in stage.text and "task.number0\n" not in stage.text
        await stage.press("up", "n")
        assert "Nothing was done" in stage.text
