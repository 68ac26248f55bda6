"""Reads the terminal on the screen's own loop, in the place of Textual's thread.

A thread that reads needs the interpreter's lock for each key and for each answer of the terminal, of which
there is one for each piece that is painted. The loop gives the lock away then, and where all cores are taken
it gets it back when the system has let first that thread run and then itself.

The private names of Textual that this takes live here and nowhere else.
"""

from __future__ import annotations

import os
import sys
from codecs import getincrementaldecoder
from collections.abc import Iterable
from functools import cache
from queue import SimpleQueue
from select import select
from typing import TYPE_CHECKING, Any

from textual import constants, events

from lazycelery.tui.typed import TypedAhead

if TYPE_CHECKING:
    from textual.driver import Driver
    from textual.message import Message

MOST = 256
"""Bytes that are read in one go: so many keys hold the loop for some 4 ms."""


@cache
def reading_on_the_loop(driver: type[Driver]) -> type[Driver]:
    """This driver, reading so where it can. It tells its app, a `LeanApp`, of keys once they are read."""
    if sys.platform == "win32":
        return driver
    from textual.drivers.linux_driver import LinuxDriver

    if not issubclass(driver, LinuxDriver):
        return driver

    class OnTheLoop(driver):  # type: ignore[misc, valid-type]
        _reading: Reading | None = None

        def start_application_mode(self) -> None:
            """Read from now on."""
            if self._reading is not None:
                self._reading.end()  # Whoever stopped the program did not say so.
            self._reading = Reading(self)
            super().start_application_mode()

        def run_input_thread(self) -> None:
            """Textual's thread: it waits for the end, and reads only what the loop cannot."""
            assert self._reading is not None
            self._loop.call_soon_threadsafe(self._reading.begin)
            if self._reading.begun():
                self.exit_event.wait()
            else:
                super().run_input_thread()

        def disable_input(self) -> None:
            """Read no more: the terminal is lent, or the end is near."""
            if self._reading is not None:
                self._reading.end()
            super().disable_input()

        def send_message(self, message: Message) -> None:
            """Into the app's queue at once: a task of its own would be another turn of the loop."""
            if isinstance(message, (events.Key, events.Paste)):
                self._app.typed(message)
            self._app.post_message(message)

    return OnTheLoop


class Reading:
    """What comes from one terminal until it is lent, or the end. Textual's signal handlers may end it between
    any two steps."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        self._parser = TypedAhead(driver._debug)
        # A stray byte is no reason to end, as it would be for Textual.
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        # Not an event: its lock would be held when a handler sets it a second time.
        self._decided: SimpleQueue[None] = SimpleQueue()
        self._reads = self._ended = False

    def begin(self) -> None:
        """On the loop."""
        if not self._ended:
            self._reads = True
            try:
                self._driver._loop.add_reader(self._driver.fileno, self._read)
            except (OSError, ValueError, NotImplementedError):
                self._reads = False  # The system has no way to wait for this one beside others.
        self._decided.put(None)

    def begun(self) -> bool:
        """Whether the loop reads. Waits until that is known; for another thread."""
        self._decided.get()
        return self._reads or self._ended

    def end(self) -> None:
        """On the loop."""
        self._ended = True
        self._decided.put(None)
        if self._reads:
            self._driver._loop.remove_reader(self._driver.fileno)

    def _read(self) -> None:
        if self._ended:
            self.end()
            return
        try:
            if not select([self._driver.fileno], [], [], 0)[0]:
                return  # Another program was faster.
            data = os.read(self._driver.fileno, MOST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.end()  # The terminal went away, which others see to.
            return
        if text := self._decode(data):  # Nothing is the end of input for a parser; this was half a sign.
            self._send(self._parser.feed(text))
        if self._parser._timeout_time is not None:
            self._driver._loop.call_later(constants.ESCAPE_DELAY, self._look_at_escape)

    def _look_at_escape(self) -> None:
        """One that nothing followed in time was a key."""
        if not self._ended:
            self._send(self._parser.tick())

    def _send(self, messages: Iterable[Message]) -> None:
        told = iter(messages)
        while True:
            try:
                message = next(told)
            except StopIteration:
                return
            except Exception:
                # A sequence that Textual does not understand ends its parser for good: it would be deaf. What
                # came in one go with it is lost.
                self._parser = TypedAhead(self._driver._debug)
                return
            self._driver.process_message(message)
