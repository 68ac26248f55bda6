"""Only cells that differ are sent, and the terminal ends up with exactly what was painted."""

from __future__ import annotations

import random

import pyte
from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style

from lazycelery.tui.wire import Pen, Runs, Shown, cells_of

STYLES = [
    Style.null(),
    Style(color="red"),
    Style(color="#112233", bgcolor="#445566"),
    Style(bold=True),
    Style(bold=True, color="green", bgcolor="blue"),
    Style(reverse=True),
]
CONSOLE = Console(color_system="truecolor", force_terminal=True)


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


def test_a_terminal_shows_what_was_painted_whatever_came_before() -> None:
    chance = random.Random(11)
    width, height = 40, 6
    screen = pyte.Screen(width, height)
    stream = pyte.Stream(screen)
    shown = Shown()
    shown.resize(width, height)
    wanted: dict[int, list[Segment]] = {}
    for _ in range(300):
        y = chance.randrange(height)
        before = wanted.get(y)
        keep = before is not None and chance.random() < 0.3
        wanted[y] = before if keep and before is not None else line(chance, width)
        runs = shown.take([(0, y, wanted[y])])
        assert not (keep and runs), "an equal line was sent again"
        stream.feed(Runs(runs).render_segments(CONSOLE))
        for at, segments in wanted.items():
            cells = list(cells_of(segments))
            assert [screen.buffer[at][x].data for x in range(width)] == [text for text, _ in cells]
            for x, (_, style) in enumerate(cells):
                assert screen.buffer[at][x].bold == bool(style.bold)
                assert screen.buffer[at][x].reverse == bool(style.reverse)
                assert (screen.buffer[at][x].fg == "default") == (style.color is None)
                assert (screen.buffer[at][x].bg == "default") == (style.bgcolor is None)


def test_one_changed_cell_costs_a_jump_and_a_character() -> None:
    shown = Shown()
    shown.resize(80, 1)
    shown.take([(0, 0, [Segment("a" * 80)])])
    runs = shown.take([(0, 0, [Segment("a" * 40 + "b" + "a" * 39)])])
    assert Runs(runs).render_segments(CONSOLE) == "\x1b[1;41Hb"


def test_nothing_is_known_after_a_resize() -> None:
    shown = Shown()
    shown.resize(10, 1)
    shown.take([(0, 0, [Segment("a" * 10)])])
    shown.resize(11, 1)
    assert shown.take([(0, 0, [Segment("a" * 10)])])


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
    assert shown.take([(12, 0, [Segment("beyond the edge")]), (0, 5, [Segment("below")])]) == []
    assert [run[:2] for run in shown.take([(8, 1, [Segment("at the edge")])])] == [(8, 1)]
