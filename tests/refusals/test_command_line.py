"""Each refusal on the command line, for every action there is."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest

from lazycelery.model.action import ActionName
from tests.cli.conftest import Ran
from tests.refusals.stand_in import CUT, LOST, Deeds
from tests.refusals.table import (
    COMMANDS,
    HARMLESS,
    each_action,
)


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
