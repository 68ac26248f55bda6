"""The thread that writes to the terminal, left out of the way where nothing is before a short piece.

To hand a piece to a thread takes a switch of the interpreter's lock: up to 5 ms while the screen goes on with
other things, and as long as the system lets the thread wait where all cores are taken.

The private names of Textual that this takes live here and nowhere else.
"""

from __future__ import annotations

import os
import select
import sys
from typing import IO, TextIO, cast

from textual.drivers._writer_thread import WriterThread

SHORT = 1024
"""Bytes that an empty buffer of a terminal takes without waiting, on every system."""
FULL = 1.0
"""Seconds between two tries where another program left the terminal without waiting, and it is full."""


class Writer(WriterThread):
    """Knows whether all that it was given has been written."""

    _rest = b""
    """What the terminal did not take of a text that was written at once: it goes before all else."""

    def __init__(self, file: IO[str]) -> None:
        # Textual takes stderr, which may be sent to a file for what goes wrong.
        out = sys.__stdout__
        away = file is sys.__stderr__ and not file.isatty() and out is not None and out.isatty()
        super().__init__(out if away and out is not None else file)

    def run(self) -> None:
        """Write what comes, whole texts together until there is a break."""
        queue, texts = self._queue, list[str]()
        while (text := queue.get()) is not None:
            texts.append(text)
            if queue.qsize() == 0:
                self._out(self._rest + self._encoded("".join(texts)))
                self._rest = b""
                texts.clear()
            queue.task_done()
        self._out(self._encoded("".join(texts)))

    def at_once(self, text: str) -> bool:
        """Write a short text here and now, if nothing is before it; else false.

        For the thread that queues all others, and only while the terminal has taken all that was written: its
        buffer is empty then, so that nothing is waited for.
        """
        if self._queue.unfinished_tasks:
            return False
        data = self._encoded(text)
        if len(data) > SHORT:
            return False
        fileno = self._file.fileno()
        try:
            # Output may be held, by a key of the console or a program between.
            if not select.select([], [fileno], [], 0)[1]:
                return False
            taken = os.write(fileno, data)
        except (OSError, ValueError):  # The thread meets it too, and deals with it.
            return False
        if taken < len(data):
            self._rest = data[taken:]
            self._queue.put("")
        return True

    def _encoded(self, text: str) -> bytes:
        file = cast("TextIO", self._file)
        return text.encode(file.encoding, file.errors or "replace")

    def _out(self, data: bytes) -> None:
        try:
            fileno = self._file.fileno()
            while data:
                try:
                    data = data[os.write(fileno, data) :]
                except BlockingIOError:
                    select.select([], [fileno], [], FULL)
        except OSError:
            return  # The terminal is gone, which ends the app; nobody waits for this thread until then.


def write_swiftly() -> None:
    """From now on terminals are written to like this."""
    if sys.platform != "win32":
        from textual.drivers import linux_driver

        linux_driver.WriterThread = Writer  # type: ignore[attr-defined]
