"""Named values in one to three columns, each with the letter of the source that told it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lazycelery.tui.presentation.line import Line, Span, fit, width_of

LETTERS = {"event": "e", "control": "c", "broker": "b", "result": "r", "inferred": "i", "agent": "a"}
NAME = 10
TWO, THREE = 64, 126
"""Cells from which on two or three columns fit."""


def field_lines(
    fields: Sequence[tuple[str, str, str]],
    sources: Mapping[str, str],
    width: int,
    truncated: Sequence[str] = (),
) -> list[Line]:
    """(label, field, text) as lines. The field finds its source; one that was cut ends with `…`."""
    columns = 3 if width >= THREE else 2 if width >= TWO else 1
    cell = width // columns
    parts = [_field(*one, sources, cell, truncated) for one in fields]
    lines = []
    for at in range(0, len(parts), columns):
        lines.append(tuple(span for part in parts[at : at + columns] for span in part))
    return lines


def _field(
    label: str, field: str, text: str, sources: Mapping[str, str], width: int, truncated: Sequence[str]
) -> list[Span]:
    letter = LETTERS.get(sources.get(field, ""), "")
    cut = "…" if field in truncated else ""
    room = max(1, width - NAME - 1 - 3 - len(cut))
    value = fit(text, min(room, max(1, width_of(text))))
    pad = " " * max(1, room - width_of(value) + 1)
    return [(f"{label:<{NAME}} ", "dim"), (value, ""), (cut, "warn"), (f" {letter or ' '}", "dim"), (pad, "")]


LEGEND = "e event  c control  b broker  r result backend  i inferred"
