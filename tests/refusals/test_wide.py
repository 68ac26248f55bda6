"""The second look: what touches many, a share of all workers, or production is confirmed by typing."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lazycelery.actions.plan import MANY, SHARE
from tests.cli.conftest import Ran
from tests.refusals.stand_in import Deeds, Guarded
from tests.tui.conftest import staged

WIDE = [
    pytest.param(1, None, {}, None, id="one"),
    pytest.param(MANY, None, {}, None, id="as many as take a letter"),
    pytest.param(MANY + 1, None, {}, str(MANY + 1), id="one more"),
    pytest.param(2, 5, {}, None, id="less than half of the workers"),
    pytest.param(2, 4, {}, "2", id="half of the workers"),
    pytest.param(3, 3, {}, "3", id="all workers"),
    pytest.param(1, 1, {}, None, id="the only worker"),
    pytest.param(1, None, {"production": True}, "thing", id="one in production"),
    pytest.param(3, None, {"production": True}, "3", id="some in production"),
]
"""Targets, of how many workers, the profile, and what must be typed; `None`: a letter is enough."""
wide = pytest.mark.parametrize(("targets", "whole", "profile", "word"), WIDE)


def test_half_is_the_share_that_the_cases_above_are_about() -> None:
    assert SHARE == 0.5


@wide
async def test_the_screen_asks_for_the_word(
    targets: int, whole: int | None, profile: dict[str, Any], word: str | None, deeds: Deeds, tmp_path: Path
) -> None:
    deeds.typed, deeds.targets, deeds.whole = False, targets, whole
    engine = Guarded(tmp_path, **profile)
    async with staged(engine) as stage:
        for given in ["y"] if word is None else ["y", "other", word]:
            assert deeds.done == []
            await stage.press("escape", "3", "r")
            await stage.until(lambda: stage.desk.talk.asked is not None)
            assert word is None or f"type {word}" in stage.text.lower(), stage.text
            await stage.press(*given, *([] if word is None else ["enter"]))
            await stage.rest()
        await stage.until(lambda: deeds.done == ["retry"])


@wide
def test_the_command_line_asks_for_the_word(
    targets: int,
    whole: int | None,
    profile: dict[str, Any],
    word: str | None,
    deeds: Deeds,
    said: Callable[..., Ran],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deeds.typed, deeds.targets, deeds.whole = False, targets, whole

    class Typed(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    for text in ["n"] if word is None else ["y", "yes", "other", word + "0"]:
        monkeypatch.setattr(sys, "stdin", Typed(f"{text}\n"))
        ran = said("retry", "id-0", "--allow", "retry", **profile)
        assert (ran.code, ran.out, deeds.done) == (4, "", []), (text, ran)
        assert word is None or f"Type {word} to go on" in ran.err
    monkeypatch.setattr(sys, "stdin", Typed(f"{word or 'y'}\n"))
    ran = said("retry", "id-0", "--allow", "retry", **profile)
    assert (ran.code, deeds.done) == (0, ["retry"]), ran


@pytest.mark.parametrize("profile", [{}, {"production": True}])
def test_a_script_says_yes_once_for_all_of_it(
    profile: dict[str, Any], deeds: Deeds, said: Callable[..., Ran]
) -> None:
    """It cannot type; `--yes` is its word, also there. Without it nothing is done."""
    deeds.targets = MANY + 1
    ran = said("retry", "id-0", "--allow", "retry", **profile)
    assert (ran.code, deeds.done) == (4, []) and "--yes confirms" in ran.err
    assert said("retry", "id-0", "--allow", "retry", "--yes", **profile).code == 0
