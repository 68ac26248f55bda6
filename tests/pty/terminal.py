"""A terminal for tests: runs a program in a pseudo-terminal, counts its bytes, knows its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pyte

from tests.support.answers import Answers

ROOT = Path(__file__).resolve().parents[2]


class Terminal:
    """One program on one terminal of `width` by `height` cells."""

    def __init__(
        self,
        *command: str,
        width: int = 120,
        height: int = 35,
        answers: bool = True,
        lag: float = 0.0,
        **env: str,
    ) -> None:
        self.bytes = 0
        self._answers = Answers() if answers else None
        """Tells where the cursor is, as all but a few terminals do."""
        self._lag = lag
        self.owed: list[tuple[float, bytes]] = []
        """Answers on their way, and when they arrive."""
        self.raw = b""
        self.screen = pyte.Screen(width, height)
        self._stream = pyte.ByteStream(self.screen)
        self.master, slave = pty.openpty()
        self.resize(width, height, tell=False)
        basic = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONPATH": str(ROOT)}
        keep = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, *command],
            stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env={**keep, **basic, **env},
            start_new_session=True,
        )  # fmt: skip
        os.close(slave)

    def pay(self) -> None:
        """Hand over the answers that have arrived."""
        while self.owed and self.owed[0][0] <= time.monotonic():
            os.write(self.master, self.owed.pop(0)[1])

    def stop_answering(self) -> None:
        """From now on it does not tell where its cursor is."""
        self._answers = None

    def resize(self, width: int, height: int, tell: bool = True) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        if tell:
            self.screen.resize(height, width)
            self.process.send_signal(28)  # SIGWINCH

    def send(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def read(self, seconds: float, limit: int = 1 << 16) -> int:
        """Take what comes within `seconds`, at least until nothing came for a while; returns the bytes."""
        before = self.bytes
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.pay()
            if not select.select([self.master], [], [], left)[0] or not self._take(limit):
                break
        return self.bytes - before

    def _take(self, limit: int) -> bool:
        try:
            data = os.read(self.master, limit)
        except OSError:  # The program has closed the terminal.
            return False
        self.bytes += len(data)
        self.raw += data
        if self._answers is not None:
            self.owed.append((time.monotonic() + self._lag, self._answers.to(data)))
            self.pay()
        self._stream.feed(data)
        return bool(data)

    def first_byte(self, timeout: float) -> None:
        """Wait until anything comes."""
        select.select([self.master], [], [], timeout)

    def until(self, seen: str | Callable[[], bool], timeout: float = 15) -> None:
        """Read until a text is on the screen, or a condition holds."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if seen() if callable(seen) else seen in self.text:
                return
            self.read(0.02)
        code = self.process.poll()
        state = "it runs" if code is None else f"it ended with {code}"
        raise AssertionError(f"{seen!r} did not appear, {state}, {self.bytes} bytes came:\n{self.text}")

    def settle(self, quiet: float = 0.4, timeout: float = 10) -> None:
        """Read until nothing has come for `quiet` seconds."""
        end = time.monotonic() + timeout
        while time.monotonic() < end and self.read(quiet):
            pass

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    def ended(self, timeout: float = 10) -> int:
        """Wait for the end, and return the exit code."""
        end = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.02)
        return self.process.wait(0.1)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(5)
        os.close(self.master)
