"""Live events: the newest at the bottom, as fast as a person and a terminal can take them."""

from __future__ import annotations

from collections import deque

from lazycelery.engine.api import EngineApi
from lazycelery.model.cluster import LogLine
from lazycelery.model.text import clean
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.frame import framed, scroll_thumb
from lazycelery.tui.presentation.header import log_line
from lazycelery.tui.presentation.line import Line, crop
from lazycelery.tui.presentation.look import Look

KEPT = 2000
"""Events that can be scrolled back to."""
MOST = 200
"""Events asked for at a time: more would pass unread."""


class LiveView:
    """Follows the engine's log. What is skipped because it comes too fast is counted."""

    title = "Live events"
    pace = 0.25

    def __init__(self) -> None:
        self.filter: str | None = ""
        self.problem: str | None = None
        self.held = False
        self._lines: deque[LogLine] = deque(maxlen=KEPT)
        self._last = -1
        self._skipped = 0
        self._back = 0
        """Lines above the newest at which the view stands; 0 follows."""
        self._page = 1

    async def fetch(self, api: EngineApi) -> None:
        """Take what is new, the newest first of all."""
        if self.held:
            return
        asked = self.filter or ""
        page = await api.log(after=self._last, limit=MOST, filter=asked)
        if asked != self.filter:
            return
        if self._last >= 0 and len(page.lines) >= MOST:
            newest = await api.log(after=-1, limit=MOST, filter=asked)
            fresh = [line for line in newest.lines if line.seq > page.last]
            self._skipped += page.missed + (fresh[0].seq - page.last - 1 if fresh else 0)
            page.lines += fresh
            page.last = max(page.last, newest.last)
        self._lines.extend(page.lines)
        if self._back:
            self._back = min(len(self._lines), self._back + len(page.lines))
        self._last = page.last

    def draw(self, look: Look, width: int, height: int) -> list[Line]:
        """The last events that fit."""
        self._page = max(1, height - 2)
        self._back = max(0, min(self._back, len(self._lines) - self._page))
        end = len(self._lines) - self._back
        top = max(0, end - self._page)
        shown = [self._lines[at] for at in range(top, end)]
        lines = [crop(log_line(line, look), width - 2, look.signs.more) for line in shown]
        if self.problem is not None:
            lines = wrapped(self.problem, width - 4, "warn", lead=" ") + lines[: self._page - 2]
        elif not lines:
            lines = [((" " + self._nothing(), "dim"),)]
        crumb = f" {look.signs.into} {clean(self.filter, 80)}" if self.filter else ""
        title: Line = ((self.title, "accent title"), (crumb, "accent"), (self._state(look), "dim"))
        thumb = scroll_thumb(top, self._page, len(self._lines))
        note = f"{q.count(self._skipped)} too fast to show" if self._skipped else ""
        return framed(lines, width, height, look.signs, title=title, note=note, focused=True, thumb=thumb)

    def _nothing(self) -> str:
        return (
            f"No event matches {clean(self.filter, 60)} yet."
            if self.filter
            else "No event yet. What workers and tasks tell appears here as it comes."
        )

    def _state(self, look: Look) -> str:
        if self.held:
            return f"  stands still, {look.key('pause')} goes on"
        if self._back:
            return f"  {q.count(self._back)} newer below, {look.key('move.bottom')} follows"
        return "  follows"

    def move(self, lines: int) -> None:
        """Up leaves the newest, down to the end follows again."""
        self._back = max(0, min(self._back - lines, len(self._lines) - self._page))

    def turn(self, pages: float) -> None:
        """Move by pages."""
        self.move(round(pages * self._page))

    def set_filter(self, text: str) -> None:
        """Begin again with what matches."""
        self.filter, self._last, self._skipped, self._back = text, -1, 0, 0
        self._lines.clear()

    def hold(self) -> str:
        """Stand still, or go on with the newest."""
        self.held = not self.held
        return "Events stand still here; the engine goes on." if self.held else "Events go on."

    def enter(self) -> None:
        """An event has no page of its own."""

    def leave(self) -> bool:
        """Nothing is inside."""
        return False
