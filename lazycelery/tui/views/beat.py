"""Beat: what is scheduled, its last and next run, and what is late."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from lazycelery.engine.api import EngineApi
from lazycelery.model.beat import Beat, BeatEntry
from lazycelery.model.text import clean
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.beat import COLUMNS, EMPTY, cells, details, late, remarks
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.frame import framed, scroll_thumb
from lazycelery.tui.presentation.line import Line, crop
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.table import row_at, table
from lazycelery.tui.views.view import Picked


class BeatView:
    """A list of entries by name; one of them can be opened."""

    title = "Beat"
    pace = 3.0

    def __init__(self, marks: Callable[[], Collection[str]] = tuple) -> None:
        self._marks = marks
        """Names that are marked."""
        self.filter: str | None = ""
        self.problem: str | None = None
        self._beat: Beat | None = None
        self._at: str | None = None
        """The name that the cursor is on: entries come and go."""
        self._was = 0
        """The line it was on, where the cursor stays when its entry goes."""
        self._top = self._scrolled = 0
        self._page = 1
        self._opened = False

    async def fetch(self, api: EngineApi) -> None:
        """Ask what is scheduled."""
        self._beat = await api.beat()

    @property
    def shown(self) -> list[BeatEntry]:
        """Entries with what was typed in their name, task, schedule or queue."""
        typed = (self.filter or "").lower()
        entries = self._beat.entries if self._beat is not None else []
        return [
            one
            for one in entries
            if typed in " ".join((one.name, one.task, one.schedule, one.queue or "", one.scheduler)).lower()
        ]

    @property
    def entry(self) -> BeatEntry | None:
        """What the cursor is on."""
        shown = self.shown
        return shown[self._place(shown)] if shown else None

    @property
    def picked(self) -> Picked | None:
        """The entry under the cursor, or the opened one."""
        entry = self.entry
        return None if entry is None else Picked("entry", entry.name, entry)

    @property
    def items(self) -> Mapping[str, BeatEntry]:
        """Entries by name."""
        return {one.name: one for one in self.shown}

    @property
    def entries(self) -> Mapping[str, BeatEntry]:
        """All entries by name, also those that a filter hides."""
        return {one.name: one for one in self._beat.entries} if self._beat is not None else {}

    @property
    def inside(self) -> bool:
        """Whether an entry is open."""
        return self._opened

    def point(self, line: int) -> bool:
        """Put the cursor on the entry of a line."""
        shown = self.shown
        index = None if self._opened else row_at(line, self._top, self._page, len(shown))
        if index is not None:
            self._at = shown[index].name
        return index is not None

    def _place(self, shown: list[BeatEntry]) -> int:
        gone = min(self._was, len(shown) - 1)
        return next((at for at, one in enumerate(shown) if one.name == self._at), max(0, gone))

    def draw(self, look: Look, width: int, height: int) -> list[Line]:
        """The list with what cannot be seen below it, or the opened entry."""
        entry = self.entry
        self._opened = self._opened and entry is not None and entry.name == self._at
        if self._opened and entry is not None and self._beat is not None:
            return self._details(entry, self._beat, look, width, height)
        shown, inner = self.shown, width - 2
        self._was = place = self._place(shown)
        notes = [
            line
            for text in (remarks(self._beat) if self._beat else ())
            for line in wrapped(text, inner - 2, "warn", lead=" ")
        ]
        if len(notes) > (most := height // 3):
            notes = [*notes[:most][:-1], *(((*line, (" …", "warn"))) for line in notes[:most][-1:])]
        self._page = max(1, height - 3 - (len(notes) + 1 if notes else 0))
        self._top = max(place - self._page + 1, min(self._top, place))
        marks = self._marks()
        lines = table(
            shown, COLUMNS, cells, place, self._top, self._page, look, inner, lambda one: one.name in marks
        )
        if not shown:
            lines = wrapped(self._nothing(), inner - 2, "warn" if self.problem else "dim", lead=" ")
        lines += [(), *notes] if notes else []
        crumb = f" {look.signs.into} {clean(self.filter, 80)}" if self.filter else ""
        thumb = scroll_thumb(self._top, self._page, len(shown))
        overdue = sum(map(late, shown))
        return framed(
            lines, width, height, look.signs,
            title=((self.title, "accent title"), (crumb, "accent")),
            note=(f"{look.signs.mark}{len(marks):,}  " if marks else "")
            + q.count(len(shown))
            + (f", {overdue} late" if overdue else ""),
            focused=True,
            thumb=range(thumb.start + 1, thumb.stop + 1) if thumb else thumb,
        )  # fmt: skip

    def _nothing(self) -> str:
        if self.problem is not None:
            return self.problem
        if self._beat is None:
            return "Asking what is scheduled …"
        return f"No entry matches {clean(self.filter, 60)}." if self.filter else EMPTY

    def _details(self, entry: BeatEntry, beat: Beat, look: Look, width: int, height: int) -> list[Line]:
        lines = details(entry, beat, look, width - 4)
        self._page = max(1, height - 2)
        self._scrolled = max(0, min(self._scrolled, len(lines) - self._page))
        title: Line = (
            (self.title, "accent title"),
            (f" {look.signs.into} {clean(entry.name, 60)}", "accent"),
        )
        seen = [crop(line, width - 2, look.signs.more) for line in lines[self._scrolled :]]
        thumb = scroll_thumb(self._scrolled, self._page, len(lines))
        return framed(seen, width, height, look.signs, title=title, focused=True, thumb=thumb)

    def move(self, lines: int) -> None:
        """The cursor, or the opened entry."""
        shown = self.shown
        if self._opened:
            self._scrolled += lines
        elif shown:
            self._at = shown[max(0, min(self._place(shown) + lines, len(shown) - 1))].name

    def turn(self, pages: float) -> None:
        """Move by pages."""
        self.move(round(pages * self._page))

    def set_filter(self, text: str) -> None:
        """Entries that contain a word."""
        self.filter, self._top, self._was = text, 0, 0

    def hold(self) -> None:
        """The screen's own pause holds it."""

    def enter(self) -> None:
        """Open the entry under the cursor."""
        if self.entry is not None:
            self._at, self._opened, self._scrolled = self.entry.name, True, 0

    def leave(self) -> bool:
        """Close the entry."""
        was, self._opened = self._opened, False
        return was
