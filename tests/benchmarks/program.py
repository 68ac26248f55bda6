"""The real program over a million tasks: its memory, keys answered and events shown in floods, and the start.

    python -m tests.benchmarks program

One run fills the program's engine from another process, at a pace that is taken whole; measures it while
events come, quits it, and starts it again on the history that it has written. All settings are the default
ones. What the engine holds and has written is asked of itself. `$LAZYCELERY_PROGRAM_TASKS`: fewer tasks,
for a look.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil

from lazycelery.engine.memory import storage_of
from lazycelery.model.profile import Profile
from tests.benchmarks.figure import Figure, guarded, progress
from tests.benchmarks.filling import Filled, fill
from tests.benchmarks.painting import SETTLE, at_share, beat, echoes, presses
from tests.benchmarks.pouring import pour
from tests.benchmarks.starting import bare_screen, first_frame
from tests.benchmarks.telling import FILE, latest
from tests.benchmarks.terminal import Terminal
from tests.support.broker import RedisServer

TASKS = int(os.environ.get("LAZYCELERY_PROGRAM_TASKS", "1000000"))
RATE = 20_000
MARKS = 100
"""Changes of a worker of which it is measured how soon they are painted."""
MARK_EVERY = 0.2
UNSEEN = 10.0
"""Seconds after which a change counts as lost on the way, and as so late."""
LONGEST = 120.0
SOON = 16.0
"""Milliseconds."""
ROW = b"part"
"""Of the names of all tasks."""
MB = 1e6


def program(home: Path) -> Iterator[Figure]:
    server = RedisServer().start()
    told = home / "told.ndjson"
    try:
        terminal = Terminal(
            "--broker",
            server.url,
            home=home,
            module="tests.benchmarks.telling",
            environment={FILE: str(told)},
        )
        try:
            assert terminal.read(60, lambda came: b"Workers" in came), "no frame was painted"
            terminal.read(3.0)
            filled = fill(terminal, server.url, told, TASKS)
            yield from _held(terminal, server.url, home, filled)
            name = f"{filled.held:,} tasks, {RATE:,} events/s"
            with _flood(server.url, terminal, RATE):
                yield from guarded(f"keys, {name}", lambda: _keys(terminal, name))
                yield from guarded(f"from worker to screen, {name}", lambda: [_lag(terminal, server, name)])
            yield _kept_up(terminal, told, filled, name)
            name = f"{filled.held:,} tasks, unpaced flood"
            with _flood(server.url, terminal, 0):
                yield from guarded(f"keys, {name}", lambda: _keys(terminal, name, 40.0))
            terminal.read(5.0)
        finally:
            terminal.end()
        yield from guarded("start", lambda: _start(server.url, home))
    finally:
        server.remove()


@contextlib.contextmanager
def _flood(url: str, terminal: Terminal, rate: float) -> Iterator[None]:
    """A generator in a process of its own, for as long as it takes."""
    process = pour(url, rate, LONGEST)
    try:
        assert process.stdout is not None
        while not select.select([process.stdout], [], [], 0)[0]:
            terminal.read(0.2)
        terminal.read(2.0)
        yield
    finally:
        process.kill()
        process.communicate()


def _engine(terminal: Terminal) -> psutil.Process:
    """The engine is the only child of the screen."""
    return max(psutil.Process(terminal.process.pid).children(), key=lambda one: one.memory_info().rss)


def _held(terminal: Terminal, url: str, home: Path, filled: Filled) -> Iterator[Figure]:
    rss = _engine(terminal).memory_info().rss
    face = psutil.Process(terminal.process.pid).memory_info().rss
    written = _written(url, home)
    let_go = f"{filled.sent:,} sent at {filled.pace:,.0f} events/s, {filled.let_go:,} texts and tasks let go"
    yield Figure("tasks that the engine holds, by itself", filled.held, "", filled.enough, let_go, least=True)
    # What was let go is in no file.
    yield Figure("tasks that the history holds", written, "", filled.held, filled.backlog, least=True)
    each = rss / filled.held
    note = f"{each:.0f} B a task, all of the process divided; the screen's process {face / MB:.0f} MB"
    if filled.let_go:
        note += f"; less than it would be, as {filled.let_go:,} texts and tasks were let go"
    yield Figure(f"engine process with {filled.held:,} tasks and their history", rss / MB, "MB", 600.0, note)


def _written(url: str, home: Path) -> int:
    """Tasks in the files of the history. Its place is the one of a user without a configuration."""
    storage = storage_of(Profile(broker=url, history_dir=str(home / "lazycelery" / "history")))
    return sum(part.count(sys.maxsize)[0] for part in storage.opened([]))


def _kept_up(terminal: Terminal, told: Path, filled: Filled, name: str) -> Figure:
    terminal.read(2.0)
    now = latest(told)
    assert now is not None
    note = f"{now.gaps - filled.gaps} connections lost"
    return Figure(f"{name}: texts and tasks let go", now.let_go - filled.let_go, "", 0, note)


def _keys(terminal: Terminal, name: str, limit: float = SOON) -> list[Figure]:
    """`limit`: of the slowest of a hundred, milliseconds, where it is not the aim yet."""
    progress(f"program: keys, {name}")
    moved, shown = (sorted(took) for took in zip(*presses(terminal), strict=True))
    echo = sorted(echoes())
    note = f"worst {at_share(moved, 1.0):.1f} ms; {_echo(echo)}"
    return [
        Figure(f"key answered (cursor), {name}: p50", at_share(moved, 0.5), "ms", 5.0, note),
        Figure(f"key answered (cursor), {name}: p99", at_share(moved, 0.99), "ms", limit, note, aim=SOON),
        Figure(f"the page it leads to, {name}: p99", at_share(shown, 0.99), "ms", 100.0, _echo(echo)),
    ]


def _echo(echo: Sequence[float]) -> str:
    return f"a bare echo: p50 {at_share(echo, 0.5):.1f} ms, p99 {at_share(echo, 0.99):.1f} ms"


def _lag(terminal: Terminal, server: RedisServer, name: str) -> Figure:
    """From a worker's event to its cells on the screen, behind all other events."""
    progress(f"program: from worker to screen, {name}")
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
            done = terminal.read(UNSEEN, lambda came, load=load: str(load).encode() in came)  # type: ignore[misc]
            took.append((done if done is not None else time.perf_counter()) - began)
            terminal.read(MARK_EVERY)
    took.sort()
    lost = sum(one >= UNSEEN for one in took)
    note = (
        f"p50 {at_share(took, 0.5):.0f} ms, worst {at_share(took, 1.0):.0f} ms, {lost} of {MARKS} never shown"
    )
    return Figure(f"from worker to screen, {name}: p99", at_share(took, 0.99), "ms", 150.0, note)


def _start(url: str, home: Path) -> list[Figure]:
    """On the history that was written: the program again, as it is."""
    written = _written(url, home)
    progress(f"program: start with {written:,} tasks of history")
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
    name = f"start with {written:,} tasks of history"
    return [
        first_frame(f"{name}: first frame, CPU", min(frames), bare_screen(home)[0]),
        Figure(f"{name}: tasks on the screen", min(shown), "s", 1.0, "by the clock, best of three"),
    ]
