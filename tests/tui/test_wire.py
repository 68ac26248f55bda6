"""Only cells that differ are sent, and the terminal ends up with exactly what was painted."""

from __future__ import annotations

import random

import pyte
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style

from lazycelery.tui.cells import Pen, Shown, cells_of

STYLES = [
    Style.null(),
    Style(color="red"),
    Style(color="#112233", bgcolor="#445566"),
    Style(bold=True),
    Style(bold=True, color="green", bgcolor="blue"),
    Style(reverse=True),
]


def line(chance: random.Random, width: int) -> list[Segment]:
    """A random line of exactly `width` cells; some characters take two."""
    segments, left = [], width
    while left:
        text = "".join(chance.choice("ab ●é漢") for _ in range(chance.randrange(1, 6)))
        while sum(1 for _ in cells_of([Segment(text)])) > left:
            text = text[:-1]
        text = text or " "
        left -= sum(1 for _ in cells_of([Segment(text)]))
        segments.append(Segment(text, chance.choice(STYLES)))
    return segments


class Glass:
    """A terminal that shows what it is sent."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.Stream(self.screen)
        self.shown = Shown()
        self.shown.resize(width, height)

    def send(self, room: int = 1 << 30) -> str:
        piece = self.shown.send(room)
        self._stream.feed(piece)
        return piece

    def check(self, wanted: dict[int, list[Segment]]) -> None:
        for at, segments in wanted.items():
            cells = list(cells_of(segments))
            row = self.screen.buffer[at]
            assert [row[x].data for x in range(self.width)] == [text for text, _ in cells]
            for x, (_, style) in enumerate(cells):
                assert row[x].bold == bool(style.bold)
                assert row[x].reverse == bool(style.reverse)
                assert (row[x].fg == "default") == (style.color is None)
                assert (row[x].bg == "default") == (style.bgcolor is None)


def test_a_terminal_shows_what_was_painted_whatever_came_before() -> None:
    chance = random.Random(11)
    glass = Glass(40, 6)
    wanted: dict[int, list[Segment]] = {}
    for _ in range(300):
        y = chance.randrange(6)
        before = wanted.get(y)
        keep = before is not None and chance.random() < 0.3
        wanted[y] = before if keep and before is not None else line(chance, 40)
        glass.shown.want([(0, y, wanted[y])])
        piece = glass.send()
        assert not (keep and piece), "an equal line was sent again"
        glass.check(wanted)


def test_a_slow_terminal_ends_up_with_the_same_in_small_pieces() -> None:
    chance = random.Random(12)
    glass = Glass(40, 6)
    wanted: dict[int, list[Segment]] = {}
    for _ in range(200):
        for _ in range(chance.randrange(4)):
            y = chance.randrange(6)
            wanted[y] = line(chance, 40)
            glass.shown.want([(0, y, wanted[y])], urgent=chance.random() < 0.3)
        for _ in range(chance.randrange(3)):
            glass.send(chance.randrange(1, 60))
        if chance.random() < 0.2:
            while not glass.shown.done:
                glass.send(chance.randrange(1, 60))
            glass.check(wanted)


def test_a_piece_is_hardly_longer_than_there_is_room() -> None:
    glass = Glass(120, 40)
    glass.shown.want((0, y, [Segment("x" * 120, STYLES[y % len(STYLES)])]) for y in range(40))
    pieces = []
    while not glass.shown.done:
        pieces.append(glass.send(250))
    assert max(len(piece) for piece in pieces) < 300 and len(pieces) > 15


def test_what_is_urgent_goes_first_and_what_was_never_sent_is_left_out() -> None:
    glass = Glass(20, 3)
    glass.shown.want((0, y, [Segment("old" + " " * 17)]) for y in range(3))
    glass.shown.want([(0, 2, [Segment("key" + " " * 17)])], urgent=True)
    assert "key" in glass.send(4)
    assert "old" in glass.send() and glass.shown.done
    glass.shown.want([(0, 0, [Segment("one" + " " * 17)])])
    glass.shown.want([(0, 0, [Segment("two" + " " * 17)])])
    assert "one" not in glass.send() and glass.shown.done
    glass.shown.want([(0, 0, [Segment("six" + " " * 17)])])
    glass.shown.want([(0, 0, [Segment("two" + " " * 17)])])
    assert glass.shown.done, "what the terminal shows already need not be sent"


def test_one_changed_cell_costs_a_jump_and_a_character() -> None:
    glass = Glass(80, 1)
    glass.shown.want([(0, 0, [Segment("a" * 80)])])
    glass.send()
    glass.shown.want([(0, 0, [Segment("a" * 40 + "b" + "a" * 39)])])
    assert glass.send() == "\x1b[1;41Hb"


def test_nothing_is_known_after_a_resize() -> None:
    glass = Glass(10, 1)
    glass.shown.want([(0, 0, [Segment("a" * 10)])])
    glass.send()
    glass.shown.resize(11, 1)
    glass.shown.want([(0, 0, [Segment("a" * 10)])])
    assert glass.send()


def test_a_pen_changes_only_what_differs() -> None:
    pen = Pen(ColorSystem.TRUECOLOR)
    assert pen.to(Style(color="#010203", bgcolor="#040506")) == "\x1b[38;2;1;2;3;48;2;4;5;6m"
    assert pen.to(Style(color="#090909", bgcolor="#040506")) == "\x1b[38;2;9;9;9m"
    assert pen.to(Style(color="#090909", bgcolor="#040506")) == ""
    assert pen.to(Style.null()) == "\x1b[39;49m"
    assert pen.to(Style(bold=True)) == "\x1b[0;1m"


def test_a_frame_for_a_wider_terminal_than_there_is_now_is_left_out() -> None:
    shown = Shown()
    shown.resize(10, 2)
    shown.want([(12, 0, [Segment("beyond the edge")]), (0, 5, [Segment("below")])])
    assert shown.done
    shown.want([(8, 1, [Segment("at the edge")])])
    assert shown.send(99) == "\x1b[2;9Hat"


def test_a_combining_mark_takes_no_cell_of_its_own() -> None:
    assert [text for text, _ in cells_of([Segment("\u0301ab"), Segment("e\u0301 漢")])] == [
        *("a", "b", "e\u0301", " ", "漢", ""),
    ]
