"""A page of the main side: title, tabs, lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lazycelery.tui.presentation.line import Line


@dataclass(frozen=True)
class Page:
    """What the main side shows."""

    title: Line
    tabs: tuple[str, ...]
    tab: int
    body: Sequence[Line]

    def tab_line(self, width: int = 200) -> Line:
        """The names of the tabs, the present one marked and always in sight."""
        first = 0
        while first < self.tab and sum(len(name) + 2 for name in self.tabs[first : self.tab + 1]) > width - 2:
            first += 1
        spans: list[tuple[str, str]] = [("<", "dim")] if first else []
        for at, name in enumerate(self.tabs[first:], first):
            spans.append((f" {name} ", "accent cursor" if at == self.tab else "dim"))
        return tuple(spans)
