"""The one painter: a widget is a picture of lines, and only lines that differ are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
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
PICTURES = 4
"""So many times the lines of a picture are kept at the most, as they were painted."""
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
        self._strips: dict[Line, Strip] = {}
        """What was made of the lines of the last pictures, wherever they stood."""
        self._ground: Color | None = None
        """The ground that filters reckon with; found out when it is needed."""

    def sync(self) -> list[int]:
        """Draw anew; returns the numbers of the lines that differ (none when the terminal is behind)."""
        if wire.behind(self.app):
            self.owes = True
            return []
        self.owes = False
        before, self._lines = self._lines, self._draw()
        if len(before) != len(self._lines):
            self.refresh()
            return []
        pairs = enumerate(zip(before, self._lines, strict=True))
        return [y for y, (old, new) in pairs if old != new]

    def forget(self) -> None:
        """What was made of lines that stay the same is made anew."""
        self._strips.clear()
        self.refresh()

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
        self._strips.clear()
        self._ground = None

    def render_lines(self, crop: Region) -> list[Strip]:
        """Lines for Textual. Its cache is left out: ours knows better which of them differ."""
        strips = [self.strip(y) for y in crop.line_range]
        first, last = crop.column_span
        return strips if (first, last) == (0, self.size.width) else [one.crop(first, last) for one in strips]

    def strip(self, y: int) -> Strip:
        """One line as the terminal shall show it, colours as they are wished."""
        line = self._lines[y] if y < len(self._lines) else ()
        known = self._strips.get(line)
        if known is not None and known.cell_length == self.size.width:
            return known
        strip = self.render_line(y)
        if self._ground is None:
            self._ground = self.background_colors[1]
        for wish in self.get_line_filters():
            strip = strip.apply_filter(wish, self._ground)
        if len(self._strips) > PICTURES * len(self._lines):
            self._strips = {line: self._strips[line] for line in self._lines if line in self._strips}
        self._strips[line] = strip
        return strip

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
