"""Names that do not fit: cut where they are alike, so that they can still be told apart."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.cells import cell_len, chop_cells

MORE = "…"
SHORTEST = 9
"""Cells that a name in a sentence keeps at least."""
_JOINT = re.compile(r"[-._:@/=]")
LONG = 12
"""Cells up to which a name in a sentence is left alone."""


def width_of(text: str) -> int:
    """Cells that a text takes."""
    return len(text) if text.isascii() else cell_len(text)


def squeezed(text: str, width: int, head: int | None = None) -> str:
    """A text in at most `width` cells, cut in its middle; of its beginning stay `head` cells. By default its
    last parts stay whole, as many as there is room for, and a third where the last one is too long: what
    tells two hosts or tasks apart mostly stands at the end."""
    if width_of(text) <= width:
        return text
    if width < 1:
        return ""
    if head is None:
        tails = (width_of(text[joint.end() :]) for joint in _JOINT.finditer(text))
        head = (
            width
            - 1
            - next((tail for tail in tails if width // 3 <= tail < width), width - 1 - (width - 1) // 3)
        )
    head = min(head, width - 1)
    return f"{_first(text, head)}{MORE}{_last(text, width - 1 - head)}"


def apart(texts: Sequence[str], width: int) -> list[str]:
    """The same for names that stand below one another: cut at one place, where most stay different."""
    long = {text for text in texts if width_of(text) > width}
    if not long or width < 2:
        return [squeezed(text, width) for text in texts]
    short = set(texts) - long
    whole = {text: squeezed(text, width) for text in long}
    if len(set(whole.values()) - short) == len(long):
        return [whole.get(text, text) for text in texts]
    usual = (width - 1) // 3
    best: dict[str, str] = {}
    most = 0
    for head in sorted(range(width), key=lambda one: abs(one - usual)):
        cut = {text: squeezed(text, width, head) for text in long}
        different = len(set(cut.values()) - short)
        if different > most:
            best, most = cut, different
        if most == len(long):
            return [best.get(text, text) for text in texts]
    # They differ in their middle: begin there.
    shared = (place for place, chars in enumerate(zip(*long, strict=False)) if len(set(chars)) > 1)
    start = next(shared, min(map(len, long)))
    cut = {text: _middle(text, start, width) for text in long}
    if len(set(cut.values()) - short) > most:
        best = cut
    return [best.get(text, text) for text in texts]


def shortened(text: str, width: int) -> str:
    """A sentence that gives up the middle of its long names, the longest first, before its end is cut."""
    words = text.split(" ")
    while (over := width_of(text) - width) > 0:
        sizes = {at: width_of(word) for at, word in enumerate(words) if not word.strip(".,:;?!").isalpha()}
        at, size = max(sizes.items(), key=lambda pair: pair[1], default=(0, 0))
        if size <= LONG:
            break
        words[at] = squeezed(words[at], max(SHORTEST, size - over))
        text = " ".join(words)
    return text


def _middle(text: str, start: int, width: int) -> str:
    rest = text[start:]
    if width_of(rest) < width:
        return f"{MORE}{rest}"
    return f"{MORE}{_first(rest, width - 2)}{MORE}" if start else squeezed(text, width)


def _first(text: str, cells: int) -> str:
    if cells < 1:
        return ""
    return text[:cells] if text.isascii() else chop_cells(text, cells)[0]


def _last(text: str, cells: int) -> str:
    if cells < 1:
        return ""
    if text.isascii():
        return text[-cells:]
    at, room = len(text), cells
    while at and (room := room - cell_len(text[at - 1])) >= 0:
        at -= 1
    return text[at:]
