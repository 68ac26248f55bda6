"""The table for people."""

from __future__ import annotations

from lazycelery.keys.chords import symbol
from lazycelery.keys.table import ACTIONS, SCOPES, Action


def document() -> str:
    """docs/keys.md: the table for people."""
    parts = ["# Keys\n", _PREFACE]
    for scope, title in SCOPES.items():
        if not any(action.scope == scope for action in ACTIONS):
            continue
        parts.append(
            f"\n## {title}\n\n| key | what it does | action | needs | asks |\n|---|---|---|---|---|\n"
        )
        parts += [_row(action) for action in ACTIONS if action.scope == scope]
    return "".join(parts)


_PREFACE = """
One table in `lazycelery/keys/table.py` holds them all; this page is made from it.
Keys that change something in the cluster need a permission. A session starts read-only: `W` unlocks what the
profile permits. They ask in the footer line, and Enter always means No.

Change a key in a profile's `keymap`, by its action: `retry = "f9"`, or `"move.down" = ["ctrl+n", "down"]`.
A key that is taken, an unknown action and a key no terminal sends are errors at the start.

The tasks stand in the order in which they were first seen, the newest first, until they are sorted. `WHEN`
shows another moment: when a task ended, or for how long it has been as it is.
"""


def _row(action: Action) -> str:
    shown = " ".join(f"`{symbol(chord)}`" for chord in action.keys)
    needs = f"`{action.permission}`" if action.permission else ""
    how = {"none": "", "letter": " (y/N)", "typed": " (typed)"}[action.danger]
    return f"| {shown} | {action.text} | `{action.id}` | {needs} | {action.question}{how} |\n"
