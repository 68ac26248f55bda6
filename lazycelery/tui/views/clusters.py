"""The list of clusters: all profiles of the configuration, a line each, live for those that are open."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lazycelery.engine.api import EngineApi
from lazycelery.model.text import clean
from lazycelery.tui.presentation.clusters import COLUMNS, ClusterLine, about, cells
from lazycelery.tui.presentation.frame import framed, scroll_thumb
from lazycelery.tui.presentation.line import Line
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.table import row_at, table
from lazycelery.tui.views.view import Picked


class ClustersView:
    """`lines` tells what is known now, `bring` takes one to the front, `close` ends one."""

    title = "Clusters"
    pace = 1.0

    def __init__(
        self,
        lines: Callable[[], Sequence[ClusterLine]],
        bring: Callable[[str], None],
        close: Callable[[str], None],
    ) -> None:
        self.filter: str | None = ""
        self.problem: str | None = None
        self._lines = lines
        self._bring = bring
        self._close = close
        self._at = next((line.name for line in lines() if line.front), "")
        """The name that the cursor is on: lines move when one is opened or closed."""
        self._top = 0
        self._page = 1

    async def fetch(self, api: EngineApi) -> None:
        """The lines know all there is."""

    @property
    def shown(self) -> list[ClusterLine]:
        """Those that match what was typed."""
        typed = (self.filter or "").lower()
        return [line for line in self._lines() if typed in line.name.lower()]

    def _place(self, shown: Sequence[ClusterLine]) -> int:
        return next((at for at, line in enumerate(shown) if line.name == self._at), 0)

    @property
    def name(self) -> str | None:
        """What the cursor is on."""
        shown = self.shown
        return shown[self._place(shown)].name if shown else None

    @property
    def picked(self) -> Picked | None:
        """The cluster under the cursor."""
        return None if self.name is None else Picked("cluster", self.name, {"profile": self.name})

    def point(self, line: int) -> bool:
        """Put the cursor on the cluster of a line."""
        shown = self.shown
        index = row_at(line, self._top, self._page, len(shown))
        if index is not None:
            self._at = shown[index].name
        return index is not None

    def draw(self, look: Look, width: int, height: int) -> list[Line]:
        """A table, the cluster in front with its name in bold."""
        shown = self.shown
        place = self._place(shown)
        inner = width - 2
        self._page = max(1, height - 8)
        self._top = max(place - self._page + 1, min(self._top, place))
        lines = table(shown, COLUMNS, cells, place, self._top, self._page, look, inner)
        if not shown:
            lines.append(((f" No cluster matches {clean(self.filter or '', 60)}.", "dim"),))
        if shown:
            lines += [(), *about(shown[place], look, inner)]
        crumb = f" {look.signs.into} {clean(self.filter, 80)}" if self.filter else ""
        thumb = scroll_thumb(self._top, self._page, len(shown))
        return framed(
            lines, width, height, look.signs,
            title=((self.title, "accent title"), (crumb, "accent")),
            note=f"{sum(line.open for line in shown)} open of {len(shown)}",
            focused=True,
            thumb=range(thumb.start + 1, thumb.stop + 1) if thumb else thumb,
        )  # fmt: skip

    def move(self, lines: int) -> None:
        """The cursor."""
        shown = self.shown
        if shown:
            self._at = shown[max(0, min(self._place(shown) + lines, len(shown) - 1))].name

    def turn(self, pages: float) -> None:
        """Move by pages."""
        self.move(round(pages * self._page))

    def set_filter(self, text: str) -> None:
        """Names that contain a word."""
        self.filter = text

    def hold(self) -> str | None:
        """Nothing runs here."""
        return None

    def enter(self) -> None:
        """Open it, or bring it to the front."""
        if (name := self.name) is not None:
            self._bring(name)

    def end(self) -> None:
        """Close it."""
        if (name := self.name) is not None:
            self._close(name)

    def leave(self) -> bool:
        """There is nothing inside."""
        return False
