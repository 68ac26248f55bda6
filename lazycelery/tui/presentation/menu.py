"""A menu as lines: key, what it does, and why not where it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lazycelery.keys import Action, symbol
from lazycelery.model.text import clean
from lazycelery.tui.presentation.line import Line, Span, crop, fit, width_of
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.names import squeezed

KEY = 6


@dataclass(frozen=True)
class Choice:
    """One line of a menu."""

    action: Action
    refused: str = ""
    """Why it cannot be done now; empty when it can."""


def menu_lines(
    title: str, choices: Sequence[Choice], at: int, look: Look, width: int, most: int
) -> list[Line]:
    """The menu, the part around its cursor when it is longer than `most` lines."""
    name = clean(title, 300)
    lead = f"{look.signs.across} {squeezed(name, width - 6)} "
    head: Line = ((lead, "accent"), (look.signs.across * max(0, width - width_of(lead)), "dim"))
    room = max(1, min(len(choices), most - 1))
    top = max(0, min(at - room // 2, len(choices) - room))
    shown = range(top, top + room)
    return [head, *(_row(choices[place], place == at, look, width) for place in shown)]


def _row(choice: Choice, here: bool, look: Look, width: int) -> Line:
    action, refused = choice.action, choice.refused
    key = symbol(action.keys[0])
    spans: list[Span] = [
        (f" {look.signs.cursor if here else ' '} ", "accent"),
        (fit(key, max(KEY, width_of(key) + 1)), "dim" if refused else "accent"),
        (action.text, "dim" if refused else ""),
    ]
    if refused:
        spans.append((f"  {refused}", "warn"))
    elif action.danger != "none":
        spans.append(("  asks first", "dim"))
    line = crop(tuple(spans), width, look.signs.more)
    return tuple((text, f"{token} cursor".strip()) for text, token in line) if here else line
