"""Running demos as a person does: as a program, seen only from outside."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = (
    "import sys; from lazycelery.demo import run; sys.exit(run(headless=True, seed=1, broker={broker!r}))"
)


class Demo:
    """A headless demo and all that it started."""

    def __init__(self, directory: Path, broker: str | None = None) -> None:
        self.directory = directory
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(broker=broker)],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(directory)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def started(self) -> list[psutil.Process]:
        """Every process that the demo started, children of children too."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(15)


@contextlib.contextmanager
def demo(directory: Path, broker: str | None = None) -> Iterator[Demo]:
    one = Demo(directory, broker)
    try:
        yield one
    finally:
        one.end()


def eventually(true: Callable[[], object], seconds: float = 15.0) -> bool:
    """Whether a condition comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return True
        time.sleep(0.05)
    return False


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; a zombie that its parent has not reaped does not."""
    left = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                left.append(process)
    return left
