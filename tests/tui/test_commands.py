"""The command line and the palette."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.fake_engine import FakeEngine
from tests.tui.conftest import Stage, staged

Golden = Callable[[str, str], None]


async def command(stage: Stage, text: str) -> None:
    await stage.press("colon", *["space" if char == " " else char for char in text], "enter")


async def test_every_action_has_its_name_as_a_command() -> None:
    async with staged() as stage:
        await command(stage, "utc")
        assert "Times are local" in stage.text
        await command(stage, "help")
        assert stage.desk.help


async def test_going_to_a_queue_or_worker_whatever_hides_it() -> None:
    async with staged() as stage:
        await stage.press("2", "slash", *"mail", "enter")
        await command(stage, "queue reports")
        assert stage.desk.subject == ("queues", "reports")
        await command(stage, "worker web-3")
        assert stage.desk.subject == ("workers", "celery@web-3")


async def test_the_tasks_that_match() -> None:
    async with staged() as stage:
        await command(stage, "tasks state:failure")
        await stage.until(lambda: stage.desk.tasks.window.total == 125)
        assert stage.desk.lead == "tasks"


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("stats", "Metrics"),
        ("metrics", "Metrics"),
        ("live", "Live"),
        ("audit", "Audit"),
        ("errors", "Errors"),
    ],
)
async def test_a_view_by_its_word_or_by_that_of_the_shell(typed: str, shown: str) -> None:
    async with staged() as stage:
        await command(stage, typed)
        await stage.until(f"─ {shown}")


@pytest.mark.parametrize("typed", ["findings", "doctor"])
async def test_the_findings_by_their_word_or_by_that_of_the_shell(typed: str) -> None:
    async with staged() as stage:
        await command(stage, typed)
        assert stage.desk.lead == "findings"


async def test_a_wrong_filter_is_told_and_not_applied() -> None:
    async with staged() as stage:
        await command(stage, "tasks stat:x")
        await stage.until('there is no field "stat"')
        assert stage.desk.tasks.filter == ""


async def test_a_theme_by_name() -> None:
    async with staged() as stage:
        await command(stage, "theme light")
        assert stage.app.theme == "lazy-light"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("purgee", "There is no command 'purgee'. Did you mean :purge?"),
        ("queue defalt", "There is no queue 'defalt'. Did you mean default?"),
        ("queue", "Which queue?"),
        ("theme drak", "There is no theme 'drak'. Did you mean dark?"),
        ("retry", ":retry works on a task. 3 goes to the tasks."),
        ("wrap it", ":wrap takes no word."),
        ("sort bsuy", "There is no order 'bsuy'. Did you mean busy?"),
        ("view", "No view is saved yet."),
        ("save", "Under which name?"),
        ("forget x", "There is no view 'x'."),
    ],
)
async def test_what_cannot_be_is_told_with_the_nearest(typed: str, said: str) -> None:
    engine = FakeEngine(read_only=False)
    engine.lines = [line for line in engine.lines if line.name != "defualt"]
    async with staged(engine) as stage:
        await command(stage, typed)
        assert said in stage.text


async def test_purging_by_name_asks_as_its_key_does() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await command(stage, "purge reports")
        await stage.until("Purge reports: 12 messages")
    async with staged(FakeEngine(read_only=False)) as stage:
        await command(stage, "purge mail")
        await stage.until("mail is empty. There is nothing to do.")
    async with staged() as stage:
        await command(stage, "purge mail")
        assert "Read-only. W unlocks" in stage.text


async def test_purging_takes_no_part_of_a_name() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await command(stage, "purge report")
        assert "There is no queue 'report'. Did you mean reports?" in stage.text


async def test_quitting() -> None:
    async with staged() as stage:
        await command(stage, "q")
        assert stage.app.return_code == 0 and not stage.app.is_running


async def test_tab_completes_commands_and_names_and_goes_round() -> None:
    async with staged() as stage:
        await stage.press("colon", *"que", "tab")
        assert stage.desk.talk.typing is not None
        assert stage.desk.talk.typing.prompt.text == "queues"
        await stage.press("tab")
        assert stage.desk.talk.typing.prompt.text == "queue "
        await stage.press("d", "e", "tab")
        assert stage.desk.talk.typing.prompt.text == "queue default"
        await stage.press("tab", "enter")
        assert stage.desk.subject == ("queues", "defualt")


async def test_the_filter_of_tasks_is_completed_by_the_engine() -> None:
    async with staged() as stage:
        await stage.press("colon", *"tasks", "space", *"state:fa")
        await stage.until("failure")
        await stage.press("tab")
        assert stage.desk.talk.typing is not None
        assert stage.desk.talk.typing.prompt.text == "tasks state:failure"


async def test_the_arrows_bring_back_what_was_typed() -> None:
    async with staged() as stage:
        for text in ("utc", "theme light"):
            await command(stage, text)
        await stage.press("colon", "u", "up")
        assert stage.desk.talk.typing is not None
        assert stage.desk.talk.typing.prompt.text == "theme light"
        await stage.press("up", "up")
        assert stage.desk.talk.typing.prompt.text == "utc"
        await stage.press("down", "down")
        assert stage.desk.talk.typing.prompt.text == "u"


async def test_the_palette_finds_by_any_part_of_what_an_action_does(golden: Golden) -> None:
    async with staged(size=(80, 24)) as stage:
        await stage.press("ctrl+p", *"copy")
        golden("palette-80x24", "\n".join(stage.text.splitlines()[-6:]))
        await stage.press("down", "enter")
        assert '"py-celery 5.6.2"' in stage.app.clipboard


async def test_the_palette_says_when_nothing_matches() -> None:
    async with staged() as stage:
        await stage.press("ctrl+p", *"zzzz")
        assert "Nothing matches." in stage.text
        await stage.press("enter")
        assert "There is no command 'zzzz'." in stage.text


async def test_escape_leaves_without_doing_anything() -> None:
    async with staged() as stage:
        await stage.press("colon", *"q", "escape")
        assert stage.app.is_running and stage.desk.talk.typing is None


async def test_commands_and_the_palette_know_the_list_in_front() -> None:
    async with staged(FakeEngine(read_only=False)) as stage:
        await stage.press("B")
        await stage.until("every 30 s")
        await stage.press("ctrl+p", *"run the entry")
        assert "beat.run" in stage.text
        await stage.press("escape")
        await command(stage, "beat.run")
        await stage.until("send all workers")
        await stage.press("n", "e")
        await stage.until("Timeout: gateway did")
        await command(stage, "group.retry")
        await stage.until("retry what matches error_group:3fa91b22c0")
