"""Who gets how much room: sizes in, sizes out. Knows no widget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

PORTRAIT = 70
"""Below this width one pane is shown at a time."""
LEFT = 24
"""Cells of the left column, at least."""
LOG_FROM = 30
"""From this height on the newest event has a line."""
LEAST = (40, 10)
"""Below this, a sentence."""


SPARE = "tasks"
"""The pane that takes what the others leave."""


@dataclass(frozen=True)
class Arrangement:
    """Sizes in cells; 0 hides."""

    body: int
    """Lines between header and the last ones."""
    left: int
    main: int
    panes: Mapping[str, int]
    """Height of each pane."""
    names: bool = False
    """A line of names stands for the panes that are not shown."""
    log: bool = False


def arrange(
    width: int, height: int, wants: Mapping[str, int], lead: str, on_main: bool, size: int
) -> Arrangement:
    """Divide the screen.

    `wants` is the number of rows each pane has, 0 where its title is enough; `lead` the pane that
    leads; `size` 0 normal, 1 half, 2 alone. Two lines are the header's and the footer's.
    """
    if width < PORTRAIT:
        body = height - 3
        if on_main:
            return Arrangement(body, 0, width, dict.fromkeys(wants, 0), names=True)
        return Arrangement(body, width, 0, _only(wants, lead, body), names=True)
    log = height >= LOG_FROM
    body = height - 2 - log
    if size == 2:
        shown = dict.fromkeys(wants, 0) if on_main else _only(wants, lead, body)
        return Arrangement(body, 0 if on_main else width, width if on_main else 0, shown, log=log)
    left = _left(width, on_main, size)
    return Arrangement(body, left, width - left, accordion(wants, lead, body), log=log)


def _left(width: int, on_main: bool, size: int) -> int:
    normal = min(36, max(LEFT, width // 4))
    if size == 0:
        return normal
    return max(LEFT, normal * 2 // 3) if on_main else width * 3 // 5


def _only(wants: Mapping[str, int], lead: str, body: int) -> dict[str, int]:
    return {name: body if name == lead else 0 for name in wants}


def accordion(wants: Mapping[str, int], lead: str, body: int) -> dict[str, int]:
    """The leading pane gets the room it needs, the others keep at least a line and their count."""
    least = 3 if body >= 4 * len(wants) else 1
    heights = {name: least if wants[name] or name == lead else 1 for name in wants}
    left = body - sum(heights.values())
    for name in _by_need(wants, lead):
        more = max(0, min(left, wants[name] + 2 - heights[name])) if wants[name] or name == lead else 0
        heights[name] += more
        left -= more
    heights[SPARE if wants.get(SPARE) else lead] += left
    return heights


def _by_need(wants: Mapping[str, int], lead: str) -> Sequence[str]:
    """The leader first; then those that ask for little, so that one long list leaves room."""
    return sorted(wants, key=lambda name: (name != lead, wants[name]))
