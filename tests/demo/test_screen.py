"""`lazycelery demo` on a terminal: the fleet appears, and goes with the screen."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.benchmarks.terminal import Terminal
from tests.demo.running import alive, eventually

pytestmark = [pytest.mark.broker, pytest.mark.pty]


def everything_on_screen(terminal: Terminal) -> list[psutil.Process]:
    names = (b"pay@shop", b"mail@shop", b"pics@shop")
    assert terminal.read(20, lambda came: all(name in came for name in names)), "the workers never appeared"
    return psutil.Process(terminal.process.pid).children(recursive=True)


@pytest.mark.parametrize("key", ["q", "\x03"], ids=["q", "ctrl-c"])
def test_quitting_ends_every_process_and_gives_the_terminal_back(tmp_path: Path, key: str) -> None:
    terminal = Terminal("demo", home=tmp_path)
    try:
        processes = everything_on_screen(terminal)
        terminal.press(key)
        assert terminal.read(10, lambda came: b"\x1b[?1049l" in came)
        assert terminal.process.wait(10) == 0
        # The processes of a pool are killed with their group, and nobody waits for them.
        assert eventually(lambda: not alive(processes), 2), alive(processes)
    finally:
        terminal.end()


def test_kill_9_of_the_screen_leaves_no_worker_no_broker_and_no_engine(tmp_path: Path) -> None:
    terminal = Terminal("demo", home=tmp_path)
    try:
        processes = everything_on_screen(terminal)
        terminal.process.kill()
        assert eventually(lambda: not alive(processes), 8), alive(processes)
    finally:
        terminal.end()
