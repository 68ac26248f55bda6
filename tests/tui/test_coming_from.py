"""Each key that a person brings from lazydocker or k9s does the same here, or says what to press instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lazycelery.coming_from import TOOLS, Habit, document, instead
from lazycelery.keys import ACTIONS, SCOPES, Keymap, Scope, keymap
from tests.tui.conftest import staged

DOCS = Path(__file__).resolve().parents[2] / "docs" / "coming-from.md"
HABITS = [(tool, habit) for tool, habits in TOOLS.items() for habit in habits]
SERVED = {
    "1": "pane.workers", "2": "pane.queues", "3": "pane.tasks", "4": "pane.findings",
    "h": "pane.previous", "l": "pane.next", "tab": "pane.next", "j": "move.down", "k": "move.up",
    "escape": "back", "[": "tab.previous", "]": "tab.next", "/": "filter", "J": "main.down", "K": "main.up",
    "ctrl+d": "move.half_down", "ctrl+u": "move.half_up", "home": "move.top", "end": "move.bottom",
    "+": "size.grow", "_": "size.shrink", "q": "quit", ":": "command", "?": "help", "g": "move.top",
    "G": "move.bottom", "enter": "open", "S": "sort", "w": "wrap", "n": "hit.next", "ctrl+r": "refresh",
    "ctrl+c": "quit", "left": "pane.previous", "right": "pane.next", "shift+tab": "pane.previous",
    "up": "move.up", "down": "move.down", "ctrl+f": "move.page_down", "ctrl+b": "move.page_up",
    "pagedown": "move.page_down", "pageup": "move.page_up",
}  # fmt: skip
"""Keys that do here what they do there, and our action for it."""


@pytest.mark.parametrize(("tool", "habit"), HABITS, ids=[f"{tool}:{habit.key}" for tool, habit in HABITS])
def test_a_key_is_served_or_answered(tool: str, habit: Habit) -> None:
    keys = Keymap()
    if not habit.here:
        found = keys.find(habit.key, "workers")
        assert found is not None and found.id == SERVED[habit.key]
        return
    named = re.findall(r"\{([a-z_.]+)\}", habit.here)
    assert all(name in {action.id for action in ACTIONS} for name in named)
    for scope in SCOPES:
        if keys.find(habit.key, scope) is None:
            assert "{" not in instead(habit.key, keys, scope)
            assert instead(habit.key, keys, scope).endswith(")")


FIRST_MINUTES = {
    "lazydocker": "up down left right h j k l tab shift+tab [ ] enter escape x b d e s r m + _ / ? q",
    "k9s": ": / ? escape ctrl+a ctrl+d ctrl+k d y l s u N A S O C M R T 0 7 8 9 e ctrl+r ctrl+s"
    " enter j k g G",
}
"""The keys that a person presses before reading anything."""


@pytest.mark.parametrize("tool", FIRST_MINUTES)
def test_no_key_of_the_first_minutes_is_left_out(tool: str) -> None:
    known = {habit.key for habit in TOOLS[tool]}
    assert set(FIRST_MINUTES[tool].split()) <= known


def test_a_key_of_both_programs_is_answered_for_both() -> None:
    said = instead("d", Keymap(), "workers")
    assert "(d is lazydocker's: remove)" in said and "(d is k9s's: describe)" in said


@pytest.mark.parametrize("scope", SCOPES)
def test_no_key_of_theirs_is_without_an_answer_anywhere(scope: Scope) -> None:
    keys = Keymap()
    for _, habit in HABITS:
        assert keys.find(habit.key, scope) is not None or instead(habit.key, keys, scope), habit.key


def test_the_answer_knows_a_persons_own_keys() -> None:
    own = keymap({"menu": "f2"})
    assert instead("x", own, "workers").startswith("f2 opens the menu")


def test_a_key_of_another_pane_says_where_it_works() -> None:
    said = instead("v", Keymap(), "workers")
    assert said == "v works on a queue: look at the waiting messages. 2 goes there."
    assert instead("Z", Keymap(), "workers") == ""


def test_the_page_is_current() -> None:
    assert DOCS.read_text() == document(), "run: python -m lazycelery.coming_from > docs/coming-from.md"


async def test_the_screen_answers_and_goes_on() -> None:
    async with staged(size=(120, 35)) as stage:
        for key, said in (
            ("x", "space opens the menu of what is possible here."),
            ("ctrl+z", "f shows faults only."),
            ("5", "There are four panes: 1 2 3 4."),
            ("D", "D works on a queue"),
        ):
            await stage.press(key)
            assert said in " ".join(stage.text.split()), key
        await stage.press("j")
        assert "v works" not in stage.text
