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

    def tab_line(self) -> Line:
        """The names of the tabs, the present one marked."""
        spans: list[tuple[str, str]] = []
        for at, name in enumerate(self.tabs):
            spans.append((f" {name} ", "accent cursor" if at == self.tab else "dim"))
        return tuple(spans)
