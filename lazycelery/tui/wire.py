"""The line to the terminal: only what differs from what is there, and no more than it can take.

Textual sends whole lines of a widget, repaints widgets that only moved, closes each run of a style with
a reset, and blocks its event loop once a slow terminal is thirty frames behind. Here a frame is what
the terminal should show; how it gets there is decided cell by cell, in pieces that the terminal's own
answers allow.

The private names of Textual that this takes live here and nowhere else.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import thread_time
from typing import TYPE_CHECKING, Any, TypeVar

from rich.color import ColorSystem
from rich.console import RenderableType
from rich.segment import Segment
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual._time import get_time
from textual.app import App
from textual.css.stylesheet import Stylesheet
from textual.screen import Screen

from lazycelery.tui.cells import Shown
from lazycelery.tui.multiplexer import clipboard
from lazycelery.tui.pacing import Pacer
from lazycelery.tui.reader import reading_on_the_loop
from lazycelery.tui.typed import read_escapes_apart
from lazycelery.tui.writer import Writer, write_swiftly
from lazycelery.waiting import came

if TYPE_CHECKING:
    from textual import events
    from textual.driver import Driver
    from textual.drivers._writer_thread import WriterThread
    from textual.message import Message
    from textual.timer import Timer

MARKED = 2
"""The line of the cursor at a question, its column being the mark. In the first line an answer would look
like shift+F3."""
AGAIN = 0.005
"""Seconds between two looks whether more may be sent, where no answer will tell."""
LONG = 1000
"""Bytes from which on a piece is shown at once, where the terminal can."""
TURN = 0.1
"""Seconds after which a key that was read and has not come is waited for no more."""
PIECE = 8192
"""Bytes that Windows takes at a time."""
PARTING, LONGEST_PARTING = 0.4, 0.9
"""Seconds that the end waits for answers that are on their way, beside what one takes: a shell would take
them for keys. And at most."""

Return = TypeVar("Return")


class LeanApp(App[Return]):
    """An app that sends only cells that differ, at the terminal's own speed."""

    def __init__(self, ansi: bool) -> None:
        read_escapes_apart()
        write_swiftly()
        # Textual chooses its filter for NO_COLOR before a theme can be set.
        super().__init__(ansi_color=ansi)
        self.ansi_color = None
        self.stylesheet = _Stylesheet(variables=self.get_css_variables())
        self.shown = Shown(self.console._color_system or ColorSystem.TRUECOLOR)
        self.pacer = Pacer()
        self.urgent = False
        """Whether a key is being answered: that goes before all else, and is painted at once."""
        self.hushed = False
        """Whether nothing more is sent: the end is near, or the terminal is lent."""
        self._settled = asyncio.Event()
        self._later: Timer | None = None
        self._typed: tuple[Message, float] | None = None
        """The newest key that was read, and when, until it has its turn."""

    def get_driver_class(self) -> type[Driver]:
        """That of the system, reading on our loop where it can."""
        return reading_on_the_loop(super().get_driver_class())

    def typed(self, event: Message) -> None:
        """A key or a pasted text was read, and comes. For who reads, which may be a thread."""
        self._typed = event, get_time()

    def has_turn(self, event: Message) -> None:
        """A key or a pasted text is answered now."""
        if self._typed is not None and self._typed[0] is event:
            self._typed = None

    @property
    def key_waits(self) -> bool:
        """Whether a key was read that has not had its turn: what else is to be painted comes behind it."""
        typed = self._typed
        return typed is not None and get_time() - typed[1] < TURN

    @property
    def asks(self) -> bool:
        """Whether a person is asked something: the next key would answer it, so it must be seen first."""
        return False

    @contextmanager
    def answering(self) -> Iterator[None]:
        """What is painted meanwhile answers a key."""
        self.urgent = True
        try:
            yield
        finally:
            self.urgent = False

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        if self._batch_count or not isinstance(renderable, (ChopsUpdate, LayoutUpdate)):
            super()._display(screen, renderable)
            return
        self.shown.resize(*self.size)
        self.shown.want(lines_of(renderable), self.urgent or self.asks)
        self._send()
        self.post_display_hook()

    def put(self, lines: Iterable[tuple[int, int, Iterable[Segment]]]) -> None:
        """Lines (column, line, segments) that differ, past Textual's compositor: it would look at each widget
        of the screen, and wait for its next sixtieth of a second.
        """
        self.shown.resize(*self.size)
        self.shown.want(lines, self.urgent)
        self._send()

    @property
    def behind(self) -> bool:
        """Whether the terminal has still to take an earlier frame."""
        return not self.shown.done and not self.hushed and self._writes

    @property
    def _writes(self) -> bool:
        return self._running and not self._closed and not self.is_headless and self._driver is not None

    @property
    def _writer(self) -> WriterThread | None:
        """The thread that writes to a terminal; `None` for a browser."""
        return getattr(self._driver, "_writer_thread", None)

    def _send(self) -> None:
        """Send what may be sent now; the rest goes when the terminal has answered."""
        if self.hushed or self.shown.done:
            return
        if not self._writes:  # A test's terminal takes everything.
            self.shown.send(1 << 30)
            return
        writer = self._writer
        if writer is None:  # A browser: nobody answers, and nothing is ever in the way.
            self._write(self.shown.send(1 << 30))
            return
        now = get_time()
        if self.pacer.settled and not self.pacer.answers and not self.pacer.mute:
            # Nothing stands before this one: it tells what an answer takes on an idle line.
            self._write(_question(self.pacer.sent(0, now, thread_time())))
        room = self.pacer.room(now)
        # Textual queues thirty writes and then blocks its event loop until the terminal has read one.
        if room and writer._queue.qsize() == 0:
            idle = self.pacer.idle
            piece = self.shown.send(room)
            mark = self.pacer.sent(len(piece.encode()), now, thread_time()) if piece else 0
            if not (self.urgent and idle and self._write_at_once(piece + _question(mark))):
                self._write(piece + _question(mark))
        if not self.shown.done and self._later is None:
            self._later = self.set_timer(AGAIN, self._look_again)

    def _look_again(self) -> None:
        self._later = None
        self._send()

    def _write_at_once(self, text: str) -> bool:
        """Whether a key's answer could be written without another thread."""
        return isinstance(self._writer, Writer) and self._writer.at_once(text)

    def _write(self, text: str) -> None:
        driver = self._driver
        if driver is None or not text:
            return
        whole = len(text) > LONG
        if whole:
            self._begin_update()
        for start in range(0, len(text), PIECE):
            driver.write(text[start : start + PIECE])
        if whole:
            self._end_update()
        driver.flush()

    def on_cursor_position(self, event: events.CursorPosition) -> None:
        """The terminal has answered; elsewhere the cursor never stands when it is asked."""
        if event.y != MARKED - 1:
            return
        self.pacer.answered(event.x + 1, event.time, thread_time())
        if self.pacer.settled:
            self._settled.set()
        self._send()

    def on_resize(self, event: events.Resize) -> None:
        """The same size again: it was another one for a moment, or the terminal was lent. Either way it does
        not show any more what we sent."""
        if tuple(event.size) == self.shown.size:
            self.repaint()

    def copy_to_clipboard(self, text: str) -> None:
        """Put a text in the terminal's clipboard, through whatever lies between."""
        self._clipboard = text
        order, spills = clipboard(text, os.environ)
        if self._driver is not None:
            # It may be long, and stands before the next key's answer.
            answers = self._writes and self._writer is not None and not self.hushed
            mark = self.pacer.sent(len(order), get_time(), thread_time()) if answers else 0
            self._driver.write(order + _question(mark))
        if spills:
            self.repaint()

    def repaint(self) -> None:
        """Send everything again, for a terminal that somebody else has written on."""
        self.pacer.give_up()
        self.shown.forget()
        self.screen.refresh(repaint=True, layout=True)

    async def hush(self) -> None:
        """Send nothing more, and wait for the answers on their way: nobody else should read them."""
        self.hushed = True
        if not self.pacer.settled and not self.pacer.mute:
            self._settled.clear()
            await came(self._settled, min(PARTING + self.pacer.trip, LONGEST_PARTING))


class _Stylesheet(Stylesheet):
    """Parses again only what would come out otherwise: Textual does at each change of the theme, and the
    first is at the start."""

    def set_variables(self, variables: dict[str, str]) -> None:
        if variables != self._variables:
            super().set_variables(variables)
            self._require_parse = True

    def reparse(self) -> None:
        if self._require_parse:
            super().reparse()


def _question(mark: int) -> str:
    """Asks the terminal where its cursor is; it answers once it has taken all before. Nothing for no mark."""
    return f"\x1b[{MARKED};{mark}H\x1b[6n" if mark else ""


def behind(app: App[Any]) -> bool:
    """Whether a picture would come too early: the terminal has not taken the last one, and no key waits."""
    return isinstance(app, LeanApp) and app.behind and not app.urgent


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
