"""The menu of what is possible here: a line or its key runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lazycelery.keys import Action, Keymap
from lazycelery.tui.presentation.menu import Choice


class Menu:
    """An open menu. `run` is called with the action that was chosen."""

    def __init__(
        self, title: str, choices: Sequence[Choice], keys: Keymap, run: Callable[[Action], None]
    ) -> None:
        self.title = title
        self.choices = choices
        self.at = 0
        self._keys = keys
        self._run = run

    def press(self, chord: str) -> bool:
        """Take a key; whether the menu stays open."""
        if chord == "enter":
            self._run(self.choices[self.at].action)
            return False
        chosen = next((choice.action for choice in self.choices if chord in choice.action.keys), None)
        if chosen is not None:
            self._run(chosen)
            return False
        return self._move(chord) or not self._leaves(chord)

    def _move(self, chord: str) -> bool:
        steps = {
            "move.down": 1,
            "move.up": -1,
            "move.top": -len(self.choices),
            "move.bottom": len(self.choices),
        }
        for name, step in steps.items():
            if chord in self._keys[name].keys:
                self.at = max(0, min(self.at + step, len(self.choices) - 1))
                return True
        return False

    def _leaves(self, chord: str) -> bool:
        return any(chord in self._keys[name].keys for name in ("menu", "back", "quit"))
