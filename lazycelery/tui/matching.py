"""Which of many texts somebody means who typed a part of one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def distance(typed: str, text: str) -> int | None:
    """How far a text is from what was typed: its letters in their order, close together is near.

    `None` when a letter is missing.
    """
    typed, text = typed.lower().replace(" ", ""), text.lower()
    if (at := text.find(typed)) >= 0:
        return at if at == 0 or not text[at - 1].isalnum() else 100 + at
    gaps, last = 0, -1
    for letter in typed:
        found = text.find(letter, last + 1)
        if found < 0:
            return None
        gaps += found - last - 1
        last = found
    return 1000 + gaps


def nearest(typed: str, names: Iterable[str]) -> str | None:
    """The one name that somebody most likely meant, or `None`."""
    listed = list(names)
    near = get_close_matches(typed, listed, 1, 0.5)
    return near[0] if near else next((name for name in listed if typed and typed in name), None)
