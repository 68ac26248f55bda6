"""Fills the engine behind a screen with finished tasks, at a pace that it takes whole."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from tests.benchmarks.figure import progress
from tests.benchmarks.pouring import Sent, pour, sent
from tests.benchmarks.telling import Report, latest
from tests.benchmarks.terminal import Terminal

PACE = 35_000
"""Events a second at first: the machine may not take more."""
SLOWER = 0.8
LEAST_PACE = 4_000
EVENTS_A_TASK = 3
PIECE = 8.0
"""Seconds after which it is looked whether all was taken."""
MOST = 150.0
"""Seconds for all of it: what is not there then is not, and said."""
ENOUGH = 0.999
"""Share of the wanted tasks: a full store lets a few hundred leave at once."""
SILENT = 30.0
"""Seconds without a word of the engine, after which it counts as gone."""
WRITTEN = 60.0
"""Seconds that are waited for at most until the history has all of it."""


class Filled(NamedTuple):
    """What the engine said when it was over."""

    wanted: int
    held: int
    """Tasks, by the engine's own count."""
    sent: int
    pace: float
    """Events a second in the end."""
    let_go: int
    """Long texts and tasks that the engine did not keep, since it began."""
    gaps: int
    backlog: str
    """How the history did."""

    @property
    def enough(self) -> float:
        return ENOUGH * self.wanted


def fill(terminal: Terminal, url: str, told: Path, tasks: int) -> Filled:
    """Send until so many are held. The pace falls when something is let go."""
    end = time.monotonic() + MOST
    pace, total = float(PACE), 0
    now = fresh(terminal, told)
    while now.tasks < ENOUGH * tasks and time.monotonic() < end:
        made = _piece(terminal, url, pace, min(PIECE, EVENTS_A_TASK * (tasks - now.tasks) / pace))
        total += made.tasks
        before, now = now, fresh(terminal, told)
        if now.let_go > before.let_go or now.gaps > before.gaps:
            pace = max(LEAST_PACE, SLOWER * min(pace, made.rate))
            terminal.read(2.0)
        progress(
            f"program: {now.tasks:,} of {tasks:,} tasks held, {made.rate:,.0f} events/s; let go "
            f"{now.let_go:,}, {now.behind:,} events wait for the history"
        )
    terminal.read(2.0)  # What came last is sealed, and begins to be written.
    end = time.monotonic() + WRITTEN
    now = fresh(terminal, told)
    while (now.behind or now.lean) and time.monotonic() < end:
        now = fresh(terminal, told)
    waits = f"; {now.behind:,} events still wait" if now.behind else ""
    backlog = f"{now.dropped:,} events dropped, {now.lean:,} tasks without texts{waits}"
    return Filled(tasks, now.tasks, total, pace, now.let_go, now.gaps, backlog)


def _piece(terminal: Terminal, url: str, pace: float, seconds: float) -> Sent:
    process = pour(url, pace, seconds)
    try:
        while process.poll() is None:
            terminal.read(0.2)
            terminal.chunks.clear()
        return sent(process)
    finally:
        process.kill()


def fresh(terminal: Terminal, told: Path) -> Report:
    """What the engine tells when it is asked from now on."""
    asked = time.monotonic()
    while time.monotonic() - asked < SILENT:
        terminal.read(0.1)
        terminal.chunks.clear()
        report = latest(told)
        if report is not None and report.at > asked:
            return report
    raise RuntimeError("the engine tells nothing")
