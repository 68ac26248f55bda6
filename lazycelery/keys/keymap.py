"""Which key does what, where: the table, and a person's own changes to it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

from lazycelery.errors import UsageError
from lazycelery.keys.chords import DEAD, NAMED
from lazycelery.keys.table import ACTIONS, SCOPES, Action, Scope


class Keymap:
    """Which key does what, where. Made of the table and a person's changes to it."""

    def __init__(self, actions: Sequence[Action] = ACTIONS) -> None:
        self.actions = tuple(actions)
        self._by_chord = {(action.scope, chord): action for action in actions for chord in action.keys}
        self._by_id = {action.id: action for action in actions}

    def find(self, chord: str, scope: Scope) -> Action | None:
        """The action of a chord while the pane `scope` leads, or `None`."""
        return self._by_chord.get((scope, chord)) or self._by_chord.get(("everywhere", chord))

    def __getitem__(self, id: str) -> Action:
        return self._by_id[id]

    def here(self, scope: Scope) -> list[Action]:
        """What is possible while the pane `scope` leads, its own actions first."""
        own = [action for action in self.actions if action.scope == scope]
        return own + [action for action in self.actions if action.scope == "everywhere" != scope]

    def menu(self, scope: Scope) -> list[Action]:
        """What may be done with a thing of the pane `scope`: opening first, then its own actions."""
        offered = [action for action in self.here(scope) if action.scope == scope or action.menu]
        return sorted(offered, key=lambda action: action.id != "open")

    def footer(self, scope: Scope, allowed: Sequence[str]) -> list[Action]:
        """What the footer names, best first. An action without its permission is left out."""
        shown = [
            action
            for action in self.here(scope)
            if action.rank is not None and (action.permission is None or action.permission in allowed)
        ]
        return sorted(shown, key=lambda action: action.rank or 0)


def keymap(changes: Mapping[str, str | Sequence[str]], clashes: bool = True) -> Keymap:
    """The table with a person's own keys: action id -> chords (a list, or one text with commas).

    Raises `UsageError` for an unknown id, a chord no terminal sends, and two actions on one key (unless
    `clashes` is false: only each key by itself is looked at).
    """
    own = {name: _chords(name, keys) for name, keys in changes.items() if _known(name)}
    actions = [replace(action, keys=own.get(action.id, action.keys)) for action in ACTIONS]
    if clashes:
        _check_clashes(actions, own)
    return Keymap(actions)


def _known(id: str) -> bool:
    ids = [action.id for action in ACTIONS]
    if id in ids:
        return True
    near = get_close_matches(id, ids, 1, 0.4)
    hint = f"Did you mean {near[0]}?" if near else "The help of the screen (?) lists all actions."
    raise UsageError(f"keymap.{id}: there is no such action.", hint)


def _chords(id: str, keys: str | Sequence[str]) -> tuple[str, ...]:
    listed = [part.strip() for part in keys.split(",")] if isinstance(keys, str) and keys != "," else keys
    chords = tuple(listed)
    if not chords:
        raise UsageError(f"keymap.{id}: no key is given.", 'Write a key, such as "n" or ["ctrl+n", "down"].')
    for chord in chords:
        _check_chord(id, chord)
    return chords


def _check_chord(id: str, chord: str) -> None:
    if chord in DEAD:
        raise UsageError(f'keymap.{id}: "{chord}" cannot be used: {DEAD[chord]}.', "Choose another key.")
    if chord in NAMED or re.fullmatch(r"ctrl\+[a-z]", chord):
        return
    if len(chord) == 1 and chord.isprintable() and not chord.isspace():
        return
    near = get_close_matches(chord, sorted(NAMED), 1, 0.6)
    hint = (
        f"Did you mean {near[0]}?"
        if near
        else "One character, ctrl+a to ctrl+z, f1 to f12, or a name (enter, pageup)."
    )
    raise UsageError(f'keymap.{id}: "{chord}" is not a key that a terminal sends.', hint)


def _check_clashes(actions: Sequence[Action], changed: Mapping[str, object]) -> None:
    for scope in SCOPES:
        taken: dict[str, Action] = {}
        for action in actions:
            if action.scope not in ("everywhere", scope):
                continue
            for chord in action.keys:
                other = taken.setdefault(chord, action)
                if other is not action:
                    mine, theirs = (action, other) if action.id in changed else (other, action)
                    raise UsageError(
                        f'keymap.{mine.id}: "{chord}" is already the key of {theirs.id} ({theirs.text}).',
                        f"Choose another key, or give {theirs.id} another one too.",
                    )
