"""The real program over a million tasks: its memory, keys answered and events shown in floods, and the start.

    python -m tests.benchmarks program

One run fills the program's engine from another process, measures it while events come, quits it, and starts
it again on the history that it has written. `$LAZYCELERY_PROGRAM_TASKS`: fewer tasks, for a look.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from tests.benchmarks.figure import Figure
from tests.benchmarks.painting import SETTLE, at_share, beat, echoes, presses
from tests.benchmarks.terminal import ROOT, Terminal
from tests.support.broker import RedisServer

TASKS = int(os.environ.get("LAZYCELERY_PROGRAM_TASKS", "1000000"))
RATE = 20_000
MARKS = 100
"""Changes of a worker of which it is measured how soon they are painted."""
MARK_EVERY = 0.2
LONGEST = 120.0
ROW = b"part"
"""Of the names of all tasks."""
MB = 1e6


def program(home: Path) -> list[Figure]:
    server = RedisServer().start()
    figures: list[Figure] = []
    try:
        terminal = Terminal("--broker", server.url, home=home)
        try:
            assert terminal.read(60, lambda came: b"Workers" in came), "no frame was painted"
            terminal.read(3.0)
            with _flood(server.url, terminal, TASKS, 0, 0):
                pass
            terminal.read(12.0)  # What came is sealed, and written to the history.
            figures.append(_memory(terminal))
            with _flood(server.url, terminal, 0, RATE, LONGEST):
                name = f"{TASKS:,} tasks, {RATE:,} events/s"
                figures += _keys(terminal, name)
                figures.append(_lag(terminal, server, name))
            terminal.read(5.0)
            with _flood(server.url, terminal, 0, 0, LONGEST):
                figures += _keys(terminal, f"{TASKS:,} tasks, unpaced flood")
            terminal.read(5.0)
        finally:
            terminal.end()
        return [*figures, *_start(server.url, home)]
    finally:
        server.remove()


@contextlib.contextmanager
def _flood(url: str, terminal: Terminal, tasks: int, rate: float, seconds: float) -> Iterator[None]:
    """A generator in a process of its own; begins once it has filled in so many tasks."""
    command = [sys.executable, "-m", "tests.benchmarks.firehose", url, str(tasks), str(rate), str(seconds)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        while not select.select([process.stdout], [], [], 0)[0]:
            terminal.read(0.2)
        terminal.read(2.0 if seconds else 0.1)
        yield
    finally:
        process.kill()
        process.communicate()


def _engine(terminal: Terminal) -> psutil.Process:
    """The engine is the only child of the screen."""
    return max(psutil.Process(terminal.process.pid).children(), key=lambda one: one.memory_info().rss)


def _memory(terminal: Terminal) -> Figure:
    rss = _engine(terminal).memory_info().rss
    face = psutil.Process(terminal.process.pid).memory_info().rss
    note = f"{rss / TASKS:.0f} B a task, all of the process divided; the screen's process {face / MB:.0f} MB"
    return Figure(f"engine process with {TASKS:,} tasks and their history", rss / MB, "MB", 600.0, note)


def _keys(terminal: Terminal, name: str) -> list[Figure]:
    moved, shown = (sorted(took) for took in zip(*presses(terminal), strict=True))
    echo = sorted(echoes())
    note = f"worst {at_share(moved, 1.0):.1f} ms; {_echo(echo)}"
    return [
        Figure(f"key answered (cursor), {name}: p50", at_share(moved, 0.5), "ms", 5.0, note),
        Figure(f"key answered (cursor), {name}: p99", at_share(moved, 0.99), "ms", 16.0, note),
        Figure(f"the page it leads to, {name}: p99", at_share(shown, 0.99), "ms", 100.0, _echo(echo)),
    ]


def _echo(echo: Sequence[float]) -> str:
    return f"a bare echo: p50 {at_share(echo, 0.5):.1f} ms, p99 {at_share(echo, 0.99):.1f} ms"


def _lag(terminal: Terminal, server: RedisServer, name: str) -> Figure:
    """From a worker's event to its cells on the screen, behind all other events."""
    took = []
    terminal.press("1")
    with server.client() as client:
        for load in (0.5, 3.9):
            beat(client, load, "celery@a")
            terminal.read(SETTLE)
        for number in range(MARKS):
            load = (0.5, 3.9)[number % 2]
            began = time.perf_counter()
            beat(client, load, "celery@a")
            done = terminal.read(30.0, lambda came, load=load: str(load).encode() in came)  # type: ignore[misc]
            took.append((done if done is not None else time.perf_counter()) - began)
            terminal.read(MARK_EVERY)
    took.sort()
    note = f"p50 {at_share(took, 0.5):.0f} ms, worst {at_share(took, 1.0):.0f} ms"
    return Figure(f"from worker to screen, {name}: p99", at_share(took, 0.99), "ms", 150.0, note)


def _start(url: str, home: Path) -> list[Figure]:
    """On the history that was written: the program again."""
    frames, shown = [], []
    for _ in range(3):
        terminal = Terminal("--broker", url, home=home)
        try:
            assert terminal.read(20, lambda came: b"Workers" in came), "no frame was painted"
            frames.append(terminal.cpu())
            seen = b"".join(chunk.data for chunk in terminal.chunks)
            at = terminal.chunks[-1].at if ROW in seen else terminal.read(20, lambda came: ROW in came)
            assert at is not None, "no task of the history was shown"
            shown.append(at - terminal.began)
            terminal.read(2.0)
        finally:
            terminal.end()
    note = "CPU of the screen's process, best of three"
    return [
        Figure(f"start with {TASKS:,} tasks of history: first frame", min(frames), "s", 0.35, note),
        Figure(f"start with {TASKS:,} tasks of history: tasks on the screen", min(shown), "s", 1.0),
    ]
