"""The table of actions: what the screen can do, with which key, and how dangerous it is.

Bindings, footer, help, docs/keys.md, keymap checks and read-only mode derive from it.
Run `python -m lazycelery.keys > docs/keys.md` after a change.
"""

from lazycelery.keys.chords import symbol
from lazycelery.keys.keymap import Keymap, keymap
from lazycelery.keys.table import ACTIONS, SCOPES, Action, Scope

__all__ = ["ACTIONS", "SCOPES", "Action", "Keymap", "Scope", "keymap", "symbol"]
