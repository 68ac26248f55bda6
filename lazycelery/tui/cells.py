"""What a terminal shows, cell by cell, and the least that must be sent to show something else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import repeat

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Cell = tuple[str, Style]
"""A character and its style. The right half of a wide character is empty."""

UNKNOWN: Cell = ("\0", Style.null())
"""Equal to nothing that is ever painted."""
SINGLE: set[str] = set()
"""Characters known to take one cell."""
MOST_SINGLE = 10_000
BRIDGE = 6
"""Equal cells between two runs that cost less to send than a jump over them."""
ERASED = 12
"""Blanks from which on erasing costs less than writing them."""
JUMP = 8
"""Bytes of a jump to a place, about."""


class Shown:
    """What the terminal shows, as far as we know, and what it should show.

    `want` takes a frame, or a part of one; `send` gives the bytes that bring the terminal nearer to it.
    What is wanted anew before it was sent is never sent: a slow terminal skips frames.
    """

    def __init__(self, system: ColorSystem = ColorSystem.TRUECOLOR) -> None:
        self._size = (0, 0)
        self._cells: list[list[Cell]] = []
        self._wanted: list[list[Cell]] = []
        self._open: dict[tuple[int, int], int] = {}
        """Stretches that may differ, the most urgent first: (line, column) -> column after its end."""
        self._pen = Pen(system)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that are painted for."""
        return self._size

    def resize(self, width: int, height: int) -> None:
        """After a change of size nothing is known."""
        if (width, height) != self._size:
            self._size = (width, height)
            self.forget()

    def forget(self) -> None:
        """Nothing is known: the next frame is sent whole."""
        width, height = self._size
        self._cells = [[UNKNOWN] * width for _ in range(height)]
        self._wanted = [[UNKNOWN] * width for _ in range(height)]
        self._open.clear()

    @property
    def done(self) -> bool:
        """Whether the terminal has been sent all that it should show."""
        return not self._open

    def want(self, lines: Iterable[tuple[int, int, Iterable[Segment]]], urgent: bool = False) -> None:
        """New lines (column, line, segments). What is urgent goes before all else, from the left."""
        fresh: dict[tuple[int, int], int] = {}
        for x, y, segments in lines:
            if not (0 <= y < len(self._wanted) and 0 <= x < self._size[0]):
                continue  # A frame of the size before.
            row = self._wanted[y]
            new = list(cells_of(segments))[: len(row) - x]
            row[x : x + len(new)] = new
            if self._cells[y][x : x + len(new)] != new:
                fresh[y, x] = max(x + len(new), self._open.get((y, x), 0))
            elif self._open.get((y, x), 0) <= x + len(new):
                self._open.pop((y, x), None)
        if urgent:
            first = dict(sorted(fresh.items(), key=lambda stretch: stretch[0][1]))
            self._open = {**first, **{at: end for at, end in self._open.items() if at not in first}}
        else:
            self._open.update(fresh)

    def send(self, room: int) -> str:
        """The bytes that show what is wanted, the most urgent first, not much more than `room` of them."""
        parts: list[str] = []
        size = 0
        while self._open and size < room:
            (y, x), end = next(iter(self._open.items()))
            part, reached = self._stretch(y, x, end, room - size)
            parts.append(part)
            size += len(part)
            del self._open[y, x]
            if reached < end:
                self._open = {(y, reached): end, **self._open}
        if parts:
            parts.append(self._pen.to(Style.null()))
        return "".join(parts)

    def _stretch(self, y: int, x: int, end: int, room: int) -> tuple[str, int]:
        """The bytes of a part of a line, and the column up to which they go."""
        shown, pen = self._cells[y], self._pen
        parts: list[str] = []
        size = 0
        for start, cells in differing(shown[x:end], self._wanted[y][x:end]):
            at = x + start
            if size >= room:
                return "".join(parts), at
            parts.append(f"\x1b[{y + 1};{at + 1}H")
            last: Style | None = None
            blank = 0
            for place, (text, style) in enumerate(cells):
                if blank:  # It is erased already.
                    blank -= 1
                    continue
                if size >= room and text:  # The right half of a wide character goes with its left one.
                    shown[at : at + place] = cells[:place]
                    return "".join(parts), at + place
                if style is not last:
                    turn = pen.to(style)
                    parts.append(turn)
                    size += len(turn)
                    last = style
                if text == " " and (gap := _blank(cells, place)) > ERASED:
                    # Five bytes for so many blanks, where the ground is the terminal's own.
                    more = f"\x1b[{gap}C" if place + gap < len(cells) else ""
                    parts.append(f"\x1b[{gap}X{more}")
                    size += JUMP
                    blank = gap - 1
                    continue
                parts.append(text)
                size += 1 if text.isascii() else 3
            shown[at : at + len(cells)] = cells
            size += JUMP
        return "".join(parts), end


def _blank(cells: list[Cell], start: int) -> int:
    """How many cells from here on are blanks of one style that shows nothing of its own."""
    style = cells[start][1]
    plain = style.bgcolor is None or style.bgcolor.is_default
    if not plain or style.reverse or style.underline or style.strike:
        return 0
    end = start
    while end < len(cells) and cells[end][0] == " " and cells[end][1] == style:
        end += 1
    return end - start


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
        if width == 0:  # A combining mark belongs to the character before it; without one it is left out.
            held += char if held else ""
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
