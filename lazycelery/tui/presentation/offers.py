"""What may stand in a line being typed: beside each other above it, or as the list of a palette."""

from __future__ import annotations

from collections.abc import Sequence

from lazycelery.model.completion import Completion
from lazycelery.model.text import clean
from lazycelery.tui.presentation.line import Line, Span, crop, fit, merge, width_of
from lazycelery.tui.presentation.look import Look

NAME = 18
"""Cells of a name in a palette."""
LIST = 10
"""Lines of a palette."""


def offers_line(offers: Sequence[Completion], chosen: int | None, look: Look, width: int) -> Line:
    """As many offers as fit, from the one before the chosen."""
    spans: list[Span] = [(" ", "")]
    room = width - 8
    first = max(0, (chosen or 0) - 1)
    if first:
        spans.append((look.signs.more + " ", "dim"))
    for place, offer in enumerate(offers[first:], first):
        text, note = clean(offer.text, 60), clean(offer.note, 30)
        size = width_of(text) + width_of(note) + 3
        if size > room:
            spans.append((look.signs.more, "dim"))
            break
        room -= size
        spans += [
            (text, "accent cursor" if place == chosen else "accent"),
            (f" {note}" if note else "", "dim"),
        ]
        spans.append(("  ", ""))
    return merge([*spans, ("tab" if chosen is None else "", "dim")])


def offers_list(offers: Sequence[Completion], chosen: int | None, look: Look, width: int) -> list[Line]:
    """The offers as lines, the chosen one marked, nearest the line being typed last."""
    at = chosen or 0
    top = max(0, min(at - LIST // 2, len(offers) - LIST))
    edge: Line = ((look.signs.across * width, "dim"),)
    if not offers:
        return [edge, ((" Nothing matches.", "dim"),)]
    shown = enumerate(offers[top : top + LIST], top)
    return [edge, *(_row(offer, place == chosen, look, width) for place, offer in shown)]


def _row(offer: Completion, here: bool, look: Look, width: int) -> Line:
    spans: list[Span] = [
        (f" {look.signs.cursor if here else ' '} ", "accent"),
        (fit(clean(offer.text, 60), max(NAME, width_of(offer.text) + 1), look.signs.more), "accent"),
        (clean(offer.note, 200), ""),
    ]
    line = crop(tuple(spans), width, look.signs.more)
    return tuple((text, f"{token} cursor".strip()) for text, token in line) if here else line
