"""Keys as they are written: which a terminal sends, and how the screen shows them."""

from __future__ import annotations

_NAMES = """
enter escape tab shift+tab space up down left right home end pageup pagedown insert delete backspace
shift+up shift+down shift+left shift+right shift+home shift+end f1 f2 f3 f4 f5 f6 f7 f8 f9 f10 f11 f12
"""
NAMED = frozenset(_NAMES.split())
"""Chords that have a name."""
DEAD = {
    "ctrl+i": "a terminal sends it as tab",
    "ctrl+m": "a terminal sends it as enter",
    "ctrl+h": "a terminal sends it as backspace",
    "ctrl+j": "a terminal sends it as enter",
    "ctrl+z": "it is the terminal's own",
    "ctrl+s": "it stops the terminal's output",
    "ctrl+q": "it always quits",
}
SYMBOLS = {
    "enter": "⏎",
    "escape": "esc",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}
"""How a chord is written on the screen, where its name is longer."""


def symbol(chord: str) -> str:
    """A chord as it is written on the screen."""
    return SYMBOLS.get(chord, chord)
