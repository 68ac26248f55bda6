"""The one painter: a widget is a picture of lines, and only lines that differ are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from lazycelery.tui import wire
from lazycelery.tui.presentation.body import wrapped
from lazycelery.tui.presentation.line import Line, crop, merge
from lazycelery.tui.presentation.signs import TWINS

Picture = Callable[[int, int], Sequence[Line]]
"""Width and height in, lines out; missing lines are blank, and too many are left out."""

TOKENS = (
    *("ok", "run", "wait", "warn", "fail", "dim", "accent", "badge", "alarm", "title", "head"),
    *("cursor", "caret", "stale"),
)
PAINTS = {f"paint--{token}" for token in TOKENS}
"""The component classes of a screen that holds painted widgets: one palette for all of them, because
each class of each widget costs time at the start."""
REVERSE = Style(reverse=True)


class Painted(Widget):
    """Paints what `picture` returns.

    `sync` asks for the picture again and repaints the lines that are not equal to those last sent, so
    everything that may have changed something ends in `sync` and costs nothing when it did not.
    """

    ALLOW_SELECT = False

    ascii_only: ClassVar[bool] = False
    """Signs in sentences are replaced by their ASCII twins."""

    def __init__(self, picture: Picture, id: str) -> None:
        super().__init__(id=id)
        self._picture = picture
        self._lines: list[Line] = []
        self._styles: dict[str, Style] = {}
        self.owes = False
        """True while a change was not painted because the terminal was behind."""

    def sync(self) -> int:
        """Bring the terminal up to date; returns the number of lines sent (0 when it is behind)."""
        if wire.behind(self.app):
            self.owes = True
            return 0
        self.owes = False
        before, self._lines = self._lines, self._draw()
        if len(before) != len(self._lines):
            self.refresh()
            return len(self._lines)
        width = self.size.width
        dirty = [
            Region(0, y, width, 1)
            for y, (old, new) in enumerate(zip(before, self._lines, strict=True))
            if old != new
        ]
        if dirty:
            self.refresh(*dirty)
        return len(dirty)

    def _draw(self) -> list[Line]:
        width, height = self.size
        try:
            lines = list(self._picture(width, height))[:height]
        except Exception as error:  # A fault in one picture must not end the others.
            lines = wrapped(f"Cannot be shown: {type(error).__name__}: {error}", width, "fail")
            lines += wrapped("The rest goes on.", width, "dim")
        return lines + [()] * (height - len(lines))

    def on_resize(self) -> None:
        """Draw for the new size. The layout itself repaints the widget, whole."""
        self._lines = self._draw()
        self.refresh()

    def notify_style_update(self) -> None:
        """Called when the theme changes."""
        super().notify_style_update()
        self._styles.clear()

    def render_line(self, y: int) -> Strip:
        """One line for the terminal: cut to the width, and without a character it would obey."""
        width = self.size.width
        line = self._lines[y] if y < len(self._lines) else ()
        runs = merge(crop(line, width))
        segments = [Segment(self._safe(text), self._style(token)) for text, token in runs]
        return Strip(segments).adjust_cell_length(width, self._style(""))

    def _safe(self, text: str) -> str:
        if self.ascii_only and not text.isascii():
            text = text.translate(TWINS).encode("ascii", "replace").decode()
        return text if text.isprintable() else "".join(c if c.isprintable() else "·" for c in text)

    def _style(self, token: str) -> Style:
        style = self._styles.get(token)
        if style is None:
            classes = [f"paint--{name}" for name in token.split()]
            style = self.screen.get_visual_style(*classes).rich_style
            if any(self.screen.get_component_styles(name).text_style.reverse for name in classes):
                style += REVERSE  # Visual styles leave it out.
            self._styles[token] = style
        return style
