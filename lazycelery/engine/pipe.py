"""Frames over two file objects, from and to an asyncio loop, by two threads.

Threads and not the loop's own pipes: those do not exist for standard input on Windows, and a write to
a process that has stopped reading must never hold the loop.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import BinaryIO

from lazycelery.engine.protocol import LONGEST


class Pipe:
    """Calls `received(body)` on the loop for each frame, and `ended()` once at the end of the input."""

    def __init__(
        self,
        reader: BinaryIO,
        writer: BinaryIO,
        received: Callable[[bytes], None],
        ended: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._reader, self._writer = reader, writer
        self._received, self._ended = received, ended
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._write_thread = threading.Thread(target=self._write, name="pipe-out", daemon=True)
        self._write_thread.start()
        threading.Thread(target=self._read, name="pipe-in", daemon=True).start()

    def send(self, framed: bytes) -> None:
        """Queue a frame; never waits."""
        self._outbox.put(framed)

    def close(self, wait: float = 1.0) -> None:
        """Send what is queued, then close the outgoing side."""
        self._outbox.put(None)
        self._write_thread.join(wait)

    def _write(self) -> None:
        try:
            while (framed := self._outbox.get()) is not None:
                self._writer.write(framed)
                self._writer.flush()
            self._writer.close()
        except (OSError, ValueError):
            return  # The other side is gone: the reading thread tells.

    def _read(self) -> None:
        try:
            while True:
                head = self._reader.read(4)
                if len(head) < 4:
                    break
                length = int.from_bytes(head, "big")
                if length > LONGEST:
                    break
                body = self._reader.read(length)
                if len(body) < length:
                    break
                self._loop.call_soon_threadsafe(self._received, body)
        except (OSError, ValueError):
            pass
        except RuntimeError:
            return  # The loop is closed.
        try:
            self._loop.call_soon_threadsafe(self._ended)
        except RuntimeError:
            return
