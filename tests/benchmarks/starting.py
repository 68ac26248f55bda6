"""How soon the program is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.figure import Figure
from tests.benchmarks.terminal import Terminal, as_installed
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker

REPEATS = 5
FIRST_WORDS = b"Workers"
"""Stands on the first painted frame and on no later occasion first."""
FIRST_FRAME = 0.35
"""CPU seconds that are to be reached."""
FIRST_WORKER = 1.0
"""Seconds by the clock that are to be reached."""
OF_A_BARE_SCREEN, OF_ITS_CLOCK = 2.0, 3.0
"""As many times what Textual alone needs: the limits, as machines differ."""


def command_cpu(home: Path) -> list[Figure]:
    return [
        Figure(
            f"{option}: CPU, best of {REPEATS}", min(_cpu_of(option, home) for _ in range(REPEATS)), "s", 0.1
        )
        for option in ("--version", "--help")
    ]


def _cpu_of(option: str, home: Path) -> float:
    process = subprocess.Popen(
        [sys.executable, "-m", "lazycelery", option], stdout=subprocess.DEVNULL, env=as_installed(home)
    )
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime


def first_frame_and_worker(home: Path) -> list[Figure]:
    server = RedisServer().start()
    workers = [CeleryWorker(server.url, name, pool="solo", concurrency=1).start() for name in ("w1", "w2")]
    try:
        (bare, clock), runs = bare_screen(home), [_start(server.url, home) for _ in range(REPEATS)]
    finally:
        for worker in workers:
            worker.stop()
        server.remove()
    return [
        first_frame(f"first painted frame: CPU, best of {REPEATS}", min(run[0] for run in runs), bare),
        Figure(
            f"first worker on the screen: best of {REPEATS}",
            min(run[1] for run in runs),
            "s",
            max(FIRST_WORKER, OF_ITS_CLOCK * clock),
            f"the first frame of Textual alone after {clock:.2f} s",
            aim=FIRST_WORKER,
            beside=True,
        ),
    ]


def first_frame(name: str, cpu: float, bare: float) -> Figure:
    """`bare`: CPU seconds of `bare_screen`, measured in the same run."""
    note = f"{cpu / bare:.1f} times the first frame of Textual alone, {bare:.2f} s"
    return Figure(name, cpu, "s", OF_A_BARE_SCREEN * bare, note, aim=FIRST_FRAME, beside=True)


def bare_screen(home: Path) -> tuple[float, float]:
    """CPU seconds, and seconds by the clock, to the first frame of Textual alone, best of some."""
    took, clock = [], []
    for _ in range(REPEATS):
        terminal = Terminal(home=home, module="tests.benchmarks.bare_screen")
        try:
            assert terminal.read(10, lambda came: FIRST_WORDS in came), "no frame was painted"
            took.append(terminal.cpu())
            clock.append(terminal.chunks[-1].at - terminal.began)
        finally:
            terminal.end()
    return min(took), min(clock)


def _start(url: str, home: Path) -> tuple[float, float]:
    terminal = Terminal("--broker", url, home=home)
    try:
        assert terminal.read(10, lambda came: FIRST_WORDS in came), "no frame was painted"
        cpu = terminal.cpu()
        # The first frame may hold the worker already.
        seen = b"".join(chunk.data for chunk in terminal.chunks)
        at = terminal.chunks[-1].at if b"w1" in seen else terminal.read(10, lambda came: b"w1" in came)
        assert at is not None, "no worker appeared"
        return cpu, at - terminal.began
    finally:
        terminal.end()
