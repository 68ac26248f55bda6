"""The table of actions, and what is derived from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lazycelery.errors import UsageError
from lazycelery.keys import ACTIONS, SCOPES, Keymap, keymap
from lazycelery.keys.document import document
from lazycelery.model.action import PERMISSIONS
from lazycelery.tui.desk import Desk

DOCS = Path(__file__).resolve().parents[2] / "docs" / "keys.md"


def test_every_id_is_unique() -> None:
    ids = [action.id for action in ACTIONS]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("scope", SCOPES)
def test_no_key_means_two_things_in_one_place(scope: str) -> None:
    chords = [c for action in ACTIONS if action.scope in ("everywhere", scope) for c in action.keys]
    assert len(chords) == len(set(chords))


def test_every_dangerous_action_needs_a_permission_and_asks() -> None:
    for action in ACTIONS:
        if action.danger != "none":
            assert action.permission in PERMISSIONS, action.id
            assert action.question, action.id


def test_every_action_does_something() -> None:
    for action in ACTIONS:
        assert callable(getattr(Desk, "do_" + action.id.replace(".", "_"))), action.id


def test_everything_the_desk_does_has_a_key() -> None:
    done = {name.removeprefix("do_") for name in dir(Desk) if name.startswith("do_")}
    assert done == {action.id.replace(".", "_") for action in ACTIONS}


def test_the_page_of_keys_is_current() -> None:
    assert DOCS.read_text() == document(), "run: python -m lazycelery.keys > docs/keys.md"


def test_the_footer_leaves_out_what_is_locked() -> None:
    locked = [action.id for action in Keymap().footer("tasks", [])]
    assert "retry" not in locked and "unlock" in locked
    assert "retry" in [action.id for action in Keymap().footer("tasks", ["retry"])]


def test_a_person_may_change_a_key() -> None:
    own = keymap({"retry": "ctrl+t", "move.down": ["ctrl+n", "down"]})
    assert own.find("ctrl+t", "tasks") is own["retry"]
    assert own.find("r", "tasks") is None
    assert own.find("ctrl+n", "workers") is own["move.down"]


def test_a_comma_can_be_a_key_and_separates_keys() -> None:
    assert keymap({"peek": ","})["peek"].keys == (",",)
    assert keymap({"peek": "v, f9"})["peek"].keys == ("v", "f9")


@pytest.mark.parametrize(
    ("changes", "said", "hint"),
    [
        ({"retyr": "R"}, "keymap.retyr", "Did you mean retry?"),
        ({"retry": "x"}, "already the key of revoke", "another"),
        ({"retry": "j"}, "already the key of move.down", "another"),
        ({"retry": "g g"}, "not a key that a terminal sends", "ctrl+a"),
        ({"retry": "entr"}, "not a key that a terminal sends", "Did you mean enter?"),
        ({"retry": "ctrl+i"}, "sends it as tab", "another"),
        ({"retry": []}, "no key is given", "Write a key"),
        ({"retry": ""}, "not a key", "character"),
    ],
)
def test_a_wrong_keymap_says_where_and_what(changes: dict[str, str], said: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        keymap(changes)
    assert said in caught.value.title
    assert hint in caught.value.hint
