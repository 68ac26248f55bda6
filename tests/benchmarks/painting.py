"""How soon a key is answered, and how much is sent for how little."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import time
import tty
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.figure import Figure
from tests.benchmarks.terminal import Terminal
from tests.benchmarks.traffic import envelope
from tests.support.broker import RedisServer

PRESSES = 300
KEY_PAUSE = 0.05
SETTLE = 0.6
"""Seconds after which all that a key or an event changes has been painted."""
LONGEST = 5.0
"""Seconds after which a key counts as not answered, and as so late."""
PAIRS = 5
"""Of tasks, that are tried."""
UNANSWERED = 5
"""Keys not answered, after which nothing is measured any more."""
CURSOR = "▸".encode()
UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


def at_share(took: Sequence[float], share: float) -> float:
    """A quantile of sorted seconds, in milliseconds."""
    return took[int((len(took) - 1) * share)] * 1000


def echoes() -> list[float]:
    """The same keys answered by a program that only echoes: what the machine itself takes just now."""
    program = "import os\nwhile data := os.read(0, 99): os.write(1, data)"
    controller, end = pty.openpty()
    tty.setraw(end)
    process = subprocess.Popen([sys.executable, "-c", program], stdin=end, stdout=end)
    os.close(end)
    took = []
    for _ in range(PRESSES):
        began = time.perf_counter()
        os.write(controller, b"j")
        os.read(controller, 99)
        took.append(time.perf_counter() - began)
        time.sleep(KEY_PAUSE)
    process.kill()
    process.wait()
    os.close(controller)
    return took


def presses(terminal: Terminal) -> list[tuple[float, float]]:
    """Seconds from a key until the cursor has moved, and until the page of its task is painted.

    Two neighbours a few rows down: the cursor holds them, however many new ones come above.
    """
    for key in "3jjjj":
        terminal.press(key)
        terminal.read(SETTLE)
    below, above = _neighbours(terminal)
    took: list[tuple[float, float]] = []
    for number in range(PRESSES):
        took.append(_press(terminal, *(("j", below) if number % 2 == 0 else ("k", above))))
        missed = sum(shown >= LONGEST for _, shown in took)
        assert missed <= UNANSWERED, f"{missed} of {len(took)} keys were not answered"
    return took


def _press(terminal: Terminal, key: str, id: bytes) -> tuple[float, float]:
    seen = len(terminal.chunks)
    pressed = terminal.press(key)
    # Only cells that changed are sent, so the sign comes when the cursor moves and at no other time.
    done = terminal.read(LONGEST, lambda came: id in came and CURSOR in came)
    late = done if done is not None else pressed + LONGEST
    came, moved, shown = b"", late, late
    for chunk in terminal.chunks[seen:]:
        came += chunk.data
        moved = min(moved, chunk.at) if CURSOR in came else moved
        shown = min(shown, chunk.at) if id in came else shown
    terminal.read(KEY_PAUSE)
    return moved - pressed, shown - pressed


def _neighbours(terminal: Terminal) -> tuple[bytes, bytes]:
    """The ids of two tasks between which keys go down and up. Cells that two ids have in common are not sent
    again: of some pairs no whole id ever comes, and the next one is taken."""
    for _ in range(PAIRS):
        below, above = _shown_after(terminal, "j"), _shown_after(terminal, "k")
        if below and above and below != above:
            return below, above
        terminal.press("j")
        terminal.read(SETTLE)
    raise AssertionError("no task was shown after a key")


def _shown_after(terminal: Terminal, key: str) -> bytes | None:
    """The id of the task whose page a key brings, if it is sent in one piece."""
    pressed = terminal.press(key)
    terminal.read(LONGEST, lambda came: UUID.search(came) is not None)
    terminal.read(SETTLE)  # A page that was on its way may have come before it.
    came = b"".join(chunk.data for chunk in terminal.chunks if chunk.at >= pressed)
    found = UUID.findall(came)
    return bytes(found[-1]) if found else None


def bytes_sent(home: Path) -> list[Figure]:
    server = RedisServer().start()
    terminal = Terminal("--broker", server.url, home=home)
    try:
        terminal.read(3.0)
        assert terminal.quiet(still=3.0), "the screen of an empty broker never rests"
        began = time.perf_counter()
        terminal.read(5.0)
        idle = terminal.bytes_since(began)
        focus = [_sent_for(terminal, key) for key in ("2", "3", "1", "\t")]
        return [
            Figure("bytes sent in 5 s by an idle screen", idle, "bytes", 0),
            Figure("bytes sent for a change of focus, most", max(focus), "bytes", 12_000),
            Figure("bytes sent for one changed row", _row(terminal, server), "bytes", 1000),
        ]
    finally:
        terminal.end()
        server.remove()


def _sent_for(terminal: Terminal, key: str) -> int:
    pressed = terminal.press(key)
    terminal.read(SETTLE)
    return terminal.bytes_since(pressed)


def _row(terminal: Terminal, server: RedisServer) -> int:
    """A worker whose load changes, while the main side shows something else."""
    terminal.press("3")
    with server.client() as client:
        for _ in range(3):
            beat(client, 0.5)
            terminal.read(2.0)
        began = time.perf_counter()
        beat(client, 3.9)
        assert terminal.read(SETTLE, lambda came: b"3.9" in came), "the row did not change"
        terminal.read(SETTLE)
    return terminal.bytes_since(began)


def beat(client: object, load: float, worker: str = "celery@web-1") -> None:
    """A worker tells its load."""
    event = {
        **{"type": "worker-heartbeat", "hostname": worker, "utcoffset": 0, "pid": 100},
        **{"clock": int(time.time()), "timestamp": time.time(), "freq": 2.0, "active": 0, "processed": 0},
        **{"loadavg": [load, load, load], "sw_ident": "py-celery", "sw_ver": "5.7.0", "sw_sys": "Linux"},
    }
    client.publish("/0.celeryev/worker.heartbeat", envelope(event))  # type: ignore[attr-defined]
