"""The thread that writes to the terminal, left out of the way where nothing is before a short piece.

To hand a piece to a thread takes a switch of the interpreter's lock: up to 5 ms while the screen goes on with
other things, and as long as the system lets the thread wait where all cores are taken.

The private names of Textual that this takes live here and nowhere else.
"""

from __future__ import annotations

import os
import sys

from textual.drivers._writer_thread import WriterThread

SHORT = 1024
"""Bytes that an empty buffer of a terminal takes without waiting, on every system."""


class Writer(WriterThread):
    """Knows whether all that it was given has been written."""

    def run(self) -> None:
        """Write what comes; flush when there is a break."""
        queue, file = self._queue, self._file
        while (text := queue.get()) is not None:
            file.write(text)
            if queue.qsize() == 0:
                file.flush()
            queue.task_done()
        file.flush()

    def at_once(self, text: str) -> bool:
        """Write a short text here and now, if nothing is before it; else false.

        For the thread that queues all others, and only while the terminal has taken all that was written: its
        buffer is empty then, so that nothing is waited for.
        """
        if self._queue.unfinished_tasks:
            return False
        data = text.encode("utf-8", "replace")
        if len(data) > SHORT:
            return False
        try:
            taken = os.write(self._file.fileno(), data)
        except OSError:  # The thread meets it too, and deals with it as ever.
            return False
        while taken < len(data):  # Not seen yet, but nothing may be left out.
            taken += os.write(self._file.fileno(), data[taken:])
        return True


def write_swiftly() -> None:
    """From now on terminals are written to like this."""
    if sys.platform != "win32":
        from textual.drivers import linux_driver

        linux_driver.WriterThread = Writer  # type: ignore[attr-defined]
