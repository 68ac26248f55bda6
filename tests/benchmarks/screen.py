"""What the screen costs by itself: exact bytes, CPU for a key, memory, a slow line, a storm of resizes.

The real screen over an engine in memory, so that nothing but it is measured.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.benchmarks.figure import Figure
from tests.pty.slow_line import SlowLine
from tests.pty.terminal import Terminal

TASKS = "tasks=100000"
WIDTH, HEIGHT = 160, 50
KEYS = 100
RESIZES = 200
"""A second, for `STORM` seconds."""
STORM = 3.0
MB = 1e6


@contextlib.contextmanager
def shown(*words: str, wait: bool = True) -> Iterator[Terminal]:
    terminal = Terminal("-m", "tests.support.fake_engine", *words, width=WIDTH, height=HEIGHT)
    try:
        if wait:
            terminal.until("web-1", timeout=30)
        yield terminal
    finally:
        terminal.close()


def screen(home: Path) -> list[Figure]:
    figures = [
        figure for theme, share in (("dark", 1.0), ("terminal", 0.5)) for figure in _bytes(theme, share)
    ]
    return [*figures, *_keys(), *_slow(), _storm()]


def _bytes(theme: str, share: float) -> list[Figure]:
    name = f"{WIDTH}x{HEIGHT}, theme {theme}"
    with shown(TASKS, "unlocked", f"theme={theme}") as terminal:
        terminal.settle(1.0)
        before = terminal.bytes
        terminal.read(6.0)
        idle = terminal.bytes - before
        focus = max(_cost(terminal, key) for key in ("2", "3", "1", "\t"))
        _cost(terminal, "2")
        question = max(_cost(terminal, "P"), _cost(terminal, "\r"))
        _cost(terminal, "3")
        _cost(terminal, "z")
        page = max(_cost(terminal, "\x06") for _ in range(3))
    with shown("one-row", f"theme={theme}") as terminal:
        terminal.send("j")  # The changing worker is not the one the main side shows.
        terminal.settle(0.2, timeout=2)
        before, began = terminal.bytes, time.monotonic()
        terminal.read(3)
        row = (terminal.bytes - before) / ((time.monotonic() - began) / 0.1)
    return [
        Figure(f"{name}: idle for 6 s", idle, "bytes", 0),
        Figure(f"{name}: one changed row", row, "bytes", 1_000 * share),
        Figure(f"{name}: a change of focus, most", focus, "bytes", 12_000 * share),
        Figure(f"{name}: a question, most", question, "bytes", 8_000 * share),
        Figure(f"{name}: a page of tasks, most", page, "bytes", 15_000 * share),
    ]


def _cost(terminal: Terminal, keys: str) -> int:
    before = terminal.bytes
    terminal.send(keys)
    terminal.settle()
    return terminal.bytes - before


def _keys() -> list[Figure]:
    """CPU that a key and all it causes take: the same on a busy machine."""
    with shown(TASKS) as terminal:
        for key in "3jjjj":
            _cost(terminal, key)
        process = psutil.Process(terminal.process.pid)
        before = _cpu(process)
        for number in range(KEYS):
            terminal.send("j" if number % 2 == 0 else "k")
            terminal.read(0.05)
        spent = (_cpu(process) - before) / KEYS
        memory = process.memory_info().rss / MB
    name = f"{WIDTH}x{HEIGHT}, 100,000 tasks"
    return [
        Figure(f"{name}: CPU of a key, its page included", spent * 1000, "ms", 16.0),
        Figure(f"{name}: memory of the UI process (and its toy engine)", memory, "MB", 80.0),
    ]


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _slow() -> list[Figure]:
    with shown("flood", TASKS, wait=False) as terminal:
        line = SlowLine(terminal)
        line.carry(20, lambda: "web-3" in terminal.text)
        line.carry(2)
        took = line.keys(20)
        terminal.send("q")
        quits = line.carry(5, lambda: terminal.process.poll() is not None)
    note = f"worst {took[-1] * 1000:.0f} ms"
    return [
        Figure("terminal of 5 kB/s, all changes: a key answered, p50", took[10] * 1000, "ms", 100.0, note),
        Figure("terminal of 5 kB/s: q ends it", quits, "s", 1.0),
    ]


def _storm() -> Figure:
    with shown("flood") as terminal:
        end, step = time.monotonic() + STORM, 0
        while time.monotonic() < end:
            terminal.resize(40 + step * 37 % 140, 12 + step * 13 % 40)
            step += 1
            if step % 4 == 0:
                terminal.read(2 / RESIZES)
        terminal.resize(WIDTH, HEIGHT)
        began = time.monotonic()
        terminal.until(lambda: "1 Workers" in terminal.text and "q quit" in terminal.text, timeout=20)
        took = time.monotonic() - began
    return Figure(f"whole again after {step / STORM:.0f} resizes a second", took, "s", 1.0)
