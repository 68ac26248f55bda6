"""The real program in a pseudo-terminal: what it writes, and when. Nothing is interpreted while it runs."""

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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.support.answers import Answers

ROOT = Path(__file__).resolve().parents[2]


def as_installed(home: Path) -> dict[str, str]:
    """The environment of a program that does not compile itself at each start: packages come with bytecode,
    and a checkout may have been told to keep none."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(home / "bytecode")}


class Chunk(NamedTuple):
    at: float
    data: bytes


class Terminal:
    """A program, its terminal, and every chunk that it wrote with its time (`time.perf_counter`)."""

    def __init__(
        self,
        *arguments: str,
        home: Path,
        columns: int = 120,
        lines: int = 40,
        module: str = "lazycelery",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.chunks: list[Chunk] = []
        self._answers = Answers()
        self._fd, program = pty.openpty()
        fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=program,
            stdout=program,
            stderr=program,
            cwd=ROOT,
            start_new_session=True,
            env={
                **as_installed(home),
                **{"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"},
                **{"HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_STATE_HOME": str(home)},
                **(environment or {}),
            },
        )
        os.close(program)

    def read(self, seconds: float, until: Callable[[bytes], bool] | None = None) -> float | None:
        """Collect output for some seconds, or until what came since the call fulfils `until`.

        The time at which it did, or `None`.
        """
        end = time.perf_counter() + seconds
        came = b""
        while (left := end - time.perf_counter()) > 0:
            if not select.select([self._fd], [], [], left)[0]:
                break
            chunk = Chunk(time.perf_counter(), os.read(self._fd, 1 << 16))
            os.write(self._fd, self._answers.to(chunk.data))
            self.chunks.append(chunk)
            came += chunk.data
            if until is not None and until(came):
                return chunk.at
        return None

    def quiet(self, still: float = 1.0, most: float = 30.0) -> bool:
        """Wait until nothing came for `still` seconds; whether that was within `most`."""
        end = time.perf_counter() + most
        while time.perf_counter() < end:
            if self.read(still, lambda came: bool(came)) is None:
                return True
        return False

    def press(self, keys: str) -> float:
        """Type; the time at which it was."""
        at = time.perf_counter()
        os.write(self._fd, keys.encode())
        return at

    def bytes_since(self, at: float) -> int:
        return sum(len(chunk.data) for chunk in self.chunks if chunk.at >= at)

    def cpu(self) -> float:
        """CPU seconds of the face's process, the engine's not counted."""
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def end(self) -> None:
        """Quit as a person does; what does not quit is killed."""
        try:
            self.press("q")
            self.read(3.0)
        except OSError:
            pass
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(5)
        os.close(self._fd)
