"""Plans that stopped are resumed by the same rules, on the screen and on the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lazycelery.model.action import ActionName
from lazycelery.model.bulk import Bulk
from tests.cli.conftest import Ran
from tests.cli.fake_engine import FakeEngine
from tests.refusals.stand_in import CUT, LOST, Deeds, Guarded
from tests.support import fake_bulk
from tests.tui.conftest import staged


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
