"""The audit log: who did what to the cluster, and the proof."""

from __future__ import annotations

import msgspec

from lazycelery.engine.api import EngineApi
from lazycelery.model.action import AuditEntry
from lazycelery.model.text import clean
from lazycelery.tui.presentation import quantities as q
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.frame import framed, scroll_thumb
from lazycelery.tui.presentation.line import Column, Line, Span, crop
from lazycelery.tui.presentation.look import Look
from lazycelery.tui.presentation.table import row_at, table
from lazycelery.tui.presentation.values import value_body
from lazycelery.tui.views.view import Picked

MOST = 500
COLUMNS = (
    Column("", 1),
    Column("TIME", 11),
    Column("USER", 8, grow=1, rank=3),
    Column("ACTION", 9, rank=1),
    Column("WHAT", 16, grow=4),
    Column("PROOF", 16, grow=4, rank=2),
)


class AuditView:
    """A list of entries, newest first; one of them can be opened."""

    title = "Audit"
    pace = 5.0

    def __init__(self) -> None:
        self.filter: str | None = ""
        self.problem: str | None = None
        self._entries: list[AuditEntry] | None = None
        self._cursor = self._top = self._scrolled = 0
        self._page = 1
        self._opened: AuditEntry | None = None

    async def fetch(self, api: EngineApi) -> None:
        """Read the log; the cursor stays on its entry."""
        asked = self.filter or ""
        entries = await api.audit(limit=MOST, filter=asked)
        if asked != self.filter:
            return
        if self._cursor and self._entries:
            held = self._entries[self._cursor]
            self._cursor = next((at for at, one in enumerate(entries) if one.time == held.time), 0)
        self._entries = entries

    @property
    def picked(self) -> Picked | None:
        """The entry under the cursor, or the opened one; its name is what it was done to."""
        entry = self._opened or (self._entries[self._cursor] if self._entries else None)
        return None if entry is None else Picked("entry", "\n".join(entry.targets) or entry.title, entry)

    def point(self, line: int) -> bool:
        """Put the cursor on the entry of a line."""
        total = 0 if self._opened is not None else len(self._entries or ())
        index = row_at(line, self._top, self._page, total)
        if index is not None:
            self._cursor = index
        return index is not None

    def draw(self, look: Look, width: int, height: int) -> list[Line]:
        """The list, or the opened entry."""
        if self._opened is not None:
            return self._details(self._opened, look, width, height)
        entries = self._entries or []
        self._page = max(1, height - 3)
        self._cursor = max(0, min(self._cursor, len(entries) - 1))
        self._top = max(self._cursor - self._page + 1, min(self._top, self._cursor))
        inner = width - 2
        lines = table(entries, COLUMNS, cells, self._cursor, self._top, self._page, look, inner)
        if not entries:
            lines = wrapped(self._nothing(), inner - 2, "warn" if self.problem else "dim", lead=" ")
        crumb = f" {look.signs.into} {clean(self.filter, 80)}" if self.filter else ""
        thumb = scroll_thumb(self._top, self._page, len(entries))
        return framed(
            lines, width, height, look.signs,
            title=((self.title, "accent title"), (crumb, "accent")),
            note=q.count(len(entries)) + ("+" if len(entries) == MOST else ""),
            focused=True,
            thumb=range(thumb.start + 1, thumb.stop + 1) if thumb else thumb,
        )  # fmt: skip

    def _nothing(self) -> str:
        if self.problem is not None:
            return self.problem
        if self._entries is None:
            return "Reading the audit log …"
        if self.filter:
            return f"No entry matches {clean(self.filter, 60)}."
        return "Nobody has changed anything from here yet. Each retry, revoke and purge is written down."

    def _details(self, entry: AuditEntry, look: Look, width: int, height: int) -> list[Line]:
        body = value_body({name: value for name, value in msgspec.to_builtins(entry).items() if value})
        head = [
            *wrapped(entry.title, width - 4, "title", lead=" "),
            *wrapped(entry.proof, width - 4, lead=" "),
            (),
        ]
        lines = [*head, *(((" ", ""), *line) for line in body[:1000])]
        self._page = max(1, height - 2)
        self._scrolled = max(0, min(self._scrolled, len(lines) - self._page))
        title: Line = (
            (self.title, "accent title"),
            (f" {look.signs.into} {clean(entry.action, 30)}", "accent"),
        )
        thumb = scroll_thumb(self._scrolled, self._page, len(lines))
        seen = [crop(line, width - 2, look.signs.more) for line in lines[self._scrolled :]]
        return framed(seen, width, height, look.signs, title=title, focused=True, thumb=thumb)

    def move(self, lines: int) -> None:
        """The cursor, or the opened entry."""
        if self._opened is not None:
            self._scrolled += lines
        else:
            self._cursor = max(0, min(self._cursor + lines, len(self._entries or ()) - 1))

    def turn(self, pages: float) -> None:
        """Move by pages."""
        self.move(round(pages * self._page))

    def set_filter(self, text: str) -> None:
        """Entries that contain a word."""
        self.filter, self._cursor, self._top = text, 0, 0

    def hold(self) -> None:
        """Nothing runs here."""

    def enter(self) -> None:
        """Open the entry under the cursor."""
        if self._opened is None and self._entries:
            self._opened, self._scrolled = self._entries[self._cursor], 0

    def leave(self) -> bool:
        """Close the entry."""
        was, self._opened = self._opened, None
        return was is not None


def cells(entry: AuditEntry, look: Look) -> list[Span]:
    """An entry in the order of `COLUMNS`."""
    return [
        (look.signs.success, "ok") if entry.ok else (look.signs.failed, "fail"),
        (q.moment(entry.time, look.now, look.utc), "dim"),
        (clean(f"{entry.user}@{entry.host}", 60), "dim"),
        (clean(entry.action, 20), ""),
        (clean(entry.title, 200), ""),
        (clean(entry.proof, 300), "dim" if entry.ok else "warn"),
    ]
