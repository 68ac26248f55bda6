"""A page of the documentation as lines: headings, paragraphs, lists, tables, code."""

from __future__ import annotations

import re

from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.line import Line

MOST = 200
"""Lines of one paragraph."""
_ITEM = re.compile(r"(- |\d+\. )(.*)", re.S)


def manual_lines(markdown: str, width: int) -> list[Line]:
    """Paragraphs folded to the width; code as it is."""
    lines: list[Line] = []
    for place, part in enumerate(markdown.split("```")):
        if place % 2:
            code = part.partition("\n")[2].rstrip("\n").split("\n")
            lines += [*((("  " + text, "accent"),) for text in code), ()]
            continue
        for block in re.split(r"\n\s*\n|\n(?=- |\d+\. )", part.strip("\n")):
            lines += _block(block, width)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _block(block: str, width: int) -> list[Line]:
    if not block.strip():
        return []
    if block.startswith("# "):
        return []  # The title of the page says it.
    if block.startswith("## "):
        return [((block[3:], "head"),)]
    if block.startswith("|"):
        return _table(block, width)
    item = _ITEM.match(block)
    lead, text = (item[1], item[2]) if item else ("", block)
    told = wrapped(" ".join(text.split()), width, lead=lead, limit=MOST)
    return told if item else [*told, ()]


def _table(block: str, width: int) -> list[Line]:
    """Each row as an item of a list: its first cell names what the others tell."""
    lines: list[Line] = []
    for row in block.split("\n")[2:]:  # Behind the names of the columns and the line below them.
        name, *rest = (cell.strip() for cell in row.strip().strip("|").split("|"))
        lines += wrapped(f"{name}: {'; '.join(rest)}", width, lead="- ", limit=MOST)
    return [*lines, ()]
