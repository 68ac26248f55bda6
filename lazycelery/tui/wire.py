"""The line to the terminal: when we may paint, and only what differs from what is already there.

Textual sends whole lines of a widget, repaints widgets that only moved, and closes each run of a
style with a reset. Over SSH that is most of the bytes. Here the last frame is remembered cell by cell,
and an update shrinks to the cells that differ and the parts of a style that change.

The private names of Textual that this takes live here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any, TypeVar

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console, RenderableType
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.app import App
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

Cell = tuple[str, Style]
"""A character and its style. The right half of a wide character is empty."""
Run = tuple[int, int, list[Cell]]
"""Column, line, and the cells from there on."""

UNKNOWN: Cell = ("\0", Style.null())
"""Equal to nothing that is ever painted."""
SINGLE: set[str] = set()
"""Characters known to take one cell."""
MOST_SINGLE = 10_000
BRIDGE = 6
"""Equal cells between two runs that cost less to send than a jump over them."""

Return = TypeVar("Return")


class LeanApp(App[Return]):
    """An app that sends only cells that differ."""

    def __init__(self, ansi: bool) -> None:
        # Textual chooses its filter for NO_COLOR before a theme can be set.
        super().__init__(ansi_color=ansi)
        self.ansi_color = None
        self.shown = Shown()

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if isinstance(renderable, (ChopsUpdate, LayoutUpdate)) and not self._batch_count:
            self.shown.resize(*self.size)
            runs = self.shown.take(lines_of(renderable))
            if not runs:
                return
            renderable = Runs(runs)
        super()._display(screen, renderable)

    def repaint(self) -> None:
        """Send everything again, for a terminal that somebody else has written on."""
        self.shown.forget()
        self.screen.refresh(repaint=True, layout=True)


def behind(app: App[Any]) -> bool:
    """Whether the terminal has still to take an earlier frame.

    Textual queues 30 frames and then blocks its event loop until the terminal has read one. Painting
    only when the queue is empty keeps the keys alive on a slow line.
    """
    writer = getattr(getattr(app, "_driver", None), "_writer_thread", None)
    queue = getattr(writer, "_queue", None)
    return queue is not None and queue.qsize() > 0


def paint_now(screen: Screen[Any], parts: Iterable[Widget]) -> None:
    """Paint refreshed widgets at once. Left to itself, Textual waits for its next sixtieth of a second:
    good for a flow of changes, and half of what a key's answer takes.
    """
    if not screen._layout_required:
        screen._dirty_widgets.update(parts)
        screen._on_timer_update()


class Shown:
    """What the terminal shows, as far as we know."""

    def __init__(self) -> None:
        self._size = (0, 0)
        self._cells: list[list[Cell]] = []

    def resize(self, width: int, height: int) -> None:
        """After a change of size nothing is known."""
        if (width, height) != self._size:
            self._size = (width, height)
            self.forget()

    def forget(self) -> None:
        """Nothing is known: the next frame is sent whole."""
        width, height = self._size
        self._cells = [[UNKNOWN] * width for _ in range(height)]

    def take(self, lines: Iterable[tuple[int, int, Iterable[Segment]]]) -> list[Run]:
        """Remember new lines (column, line, segments); returns the cells that differ."""
        runs: list[Run] = []
        for x, y, segments in lines:
            if not (0 <= y < len(self._cells) and 0 <= x < self._size[0]):
                continue  # A frame of the size before.
            old = self._cells[y]
            new = list(cells_of(segments))[: len(old) - x]
            runs += [(x + at, y, cells) for at, cells in differing(old[x : x + len(new)], new)]
            old[x : x + len(new)] = new
        return runs


def lines_of(update: ChopsUpdate | LayoutUpdate) -> Iterator[tuple[int, int, Iterable[Segment]]]:
    """The lines that an update of Textual would paint: column, line, segments."""
    if isinstance(update, LayoutUpdate):
        for y, strips in enumerate(update.strips, update.region.y):
            yield update.region.x, y, [segment for strip in strips for segment in strip]
        return
    for y, first, last in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            # Beyond its span a line holds what lies below the widgets, which is not on the screen.
            if strip is not None and x < last and end > first:
                yield x, y, strip if end <= last else strip.crop(0, last - x)


def cells_of(segments: Iterable[Segment]) -> Iterator[Cell]:
    """Segments, cell by cell."""
    nothing = Style.null()
    for text, style, _ in segments:
        style = style or nothing
        if text.isascii() or _single(text):
            yield from zip(text, repeat(style))
        else:
            yield from _wide_cells(text, style)


def _single(text: str) -> bool:
    """Whether each character takes one cell. Lines and signs are the same few, so they are remembered."""
    if SINGLE.issuperset(text):
        return True
    if len(SINGLE) < MOST_SINGLE:
        SINGLE.update(char for char in text if cell_len(char) == 1)
    return SINGLE.issuperset(text)


def _wide_cells(text: str, style: Style) -> Iterator[Cell]:
    held = ""
    for char in text:
        width = cell_len(char)
        if width == 0:  # A combining mark belongs to the character before it.
            held += char
            continue
        if held:
            yield from _cell(held, style)
        held = char
    if held:
        yield from _cell(held, style)


def _cell(text: str, style: Style) -> Iterator[Cell]:
    yield text, style
    if cell_len(text) > 1:
        yield "", style


def differing(old: list[Cell], new: list[Cell]) -> Iterator[tuple[int, list[Cell]]]:
    """The stretches of `new` that are not as in `old`; short gaps are bridged, wide characters kept whole."""
    start = end = -1
    for at, (before, after) in enumerate(zip(old, new, strict=True)):
        if before == after:
            continue
        if start >= 0 and at - end > BRIDGE:
            yield _whole(new, start, end)
            start = -1
        start, end = (at if start < 0 else start), at + 1
    if start >= 0:
        yield _whole(new, start, end)


def _whole(cells: list[Cell], start: int, end: int) -> tuple[int, list[Cell]]:
    while start > 0 and cells[start][0] == "":
        start -= 1
    while end < len(cells) and cells[end][0] == "":
        end += 1
    return start, cells[start:end]


class Runs(CompositorUpdate):
    """An update that writes runs of cells."""

    def __init__(self, runs: list[Run]) -> None:
        self.runs = runs

    def __rich_console__(self, console: Console, options: Any) -> Iterator[Segment]:
        for _, _, cells in self.runs:
            yield from (Segment(text, style) for text, style in cells)

    def render_segments(self, console: Console) -> str:
        """The bytes for the terminal."""
        pen = Pen(console._color_system or ColorSystem.TRUECOLOR)
        parts: list[str] = []
        for x, y, cells in self.runs:
            parts.append(f"\x1b[{y + 1};{x + 1}H")
            last: Style | None = None
            for text, style in cells:
                if style is not last:
                    parts.append(pen.to(style))
                    last = style
                parts.append(text)
        parts.append(pen.to(Style.null()))
        return "".join(parts)


class Pen:
    """The style the terminal writes with; `to` gives the least that changes it."""

    def __init__(self, system: ColorSystem) -> None:
        self._system = system
        self._now = ("", "39", "49")
        self._known: dict[Style, tuple[str, str, str]] = {}

    def to(self, style: Style) -> str:
        """The escape sequence that turns to a style; empty when nothing changes."""
        wanted = self._known.get(style)
        if wanted is None:
            wanted = self._known[style] = self._parts(style)
        now, self._now = self._now, wanted
        if wanted == now:
            return ""
        if wanted[0] != now[0]:
            codes = ["0", *(code for code in wanted if code not in ("", "39", "49"))]
        else:
            codes = [new for new, old in zip(wanted, now, strict=True) if new != old]
        return f"\x1b[{';'.join(codes)}m"

    def _parts(self, style: Style) -> tuple[str, str, str]:
        """Attributes, text colour, ground colour, as codes."""
        bare = Strip.render_ansi(style.without_color, self._system) if style else ""
        ink, ground = style.color, style.bgcolor
        return (
            bare,
            ";".join(ink.downgrade(self._system).get_ansi_codes()) if ink else "39",
            ";".join(ground.downgrade(self._system).get_ansi_codes(False)) if ground else "49",
        )
