"""The real program on a real broker with real workers."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.pty.terminal import Terminal
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

pytestmark = [pytest.mark.pty, pytest.mark.broker]


@pytest.fixture
def program() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def start(url: str, *words: str) -> Terminal:
        home = os.environ["HOME"]
        state = {
            name: f"{home}/{name.lower()}" for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME")
        }
        broker = ("--broker", url) if url else ()
        terminal = Terminal("-m", "lazycelery", *broker, *words, HOME=home, **state)
        opened.append(terminal)
        return terminal

    yield start
    for terminal in opened:
        terminal.close()


def engine_of(terminal: Terminal) -> psutil.Process:
    return psutil.Process(terminal.process.pid).children()[0]


def test_an_empty_broker_says_what_is_missing(broker: RedisServer, program: Callable[..., Terminal]) -> None:
    terminal = program(broker.url)
    terminal.until("No worker answers.")
    terminal.send("q")
    assert terminal.ended() == 0


def test_a_port_where_nothing_listens_is_told_with_a_hint(program: Callable[..., Terminal]) -> None:
    terminal = program("redis://127.0.0.1:1/0")
    terminal.until("Not connected")
    terminal.until("Is the broker running")
    terminal.send("q")
    assert terminal.ended() == 0


def test_a_failed_task_is_found_and_retried_with_two_keys(
    broker: RedisServer, worker: Callable[..., CeleryWorker], program: Callable[..., Terminal]
) -> None:
    worker("w1")
    terminal = program(broker.url, "--allow", "retry")
    terminal.until("w1@test")
    terminal.send("3")
    id = send(broker.url, "shop.charge", 42, backend=broker.url)
    terminal.until(id[:8])
    terminal.until("failed on w1@test")
    terminal.send("]]]")
    terminal.until("card declined for order 42")
    terminal.send("r")
    terminal.until("y/N")
    assert "Retry 1 task" in terminal.text
    terminal.send("y")
    terminal.until("new task")
    terminal.until("2 ─╮")


def test_a_killed_engine_is_replaced_and_a_broker_that_returns_is_found(
    worker: Callable[..., CeleryWorker], broker: RedisServer, program: Callable[..., Terminal]
) -> None:
    worker("w1")
    terminal = program(broker.url)
    terminal.until("w1@test")
    terminal.until("online")
    engine = engine_of(terminal)
    engine.send_signal(signal.SIGKILL)
    terminal.until("Another engine starts at")
    terminal.until(lambda: "Another engine" not in terminal.text and "w1@test" in terminal.text)
    assert engine_of(terminal).pid != engine.pid
    broker.kill()
    terminal.until("Not connected", timeout=20)
    assert "w1@test" in terminal.text
    broker.start()
    terminal.until(lambda: "Not connected" not in terminal.text, timeout=30)
    pid = engine_of(terminal).pid
    terminal.send("q")
    assert terminal.ended() == 0
    end = time.monotonic() + 5
    while psutil.pid_exists(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not psutil.pid_exists(pid), "the engine outlived its screen"


def test_without_a_broker_the_program_offers_the_profiles_of_its_file(
    broker: RedisServer, program: Callable[..., Terminal]
) -> None:
    config = Path(os.environ["HOME"]) / "two.toml"
    config.write_text(f'[profiles.one]\nbroker = "{broker.url}"\n[profiles.two]\nbroker = "{broker.url}"\n')
    terminal = program("", "--config", str(config))
    terminal.until("Looked for a broker here")
    terminal.send("j\r")
    terminal.until("No worker answers.")
    assert "two" in terminal.text.splitlines()[0]
    terminal.send("bj\r")
    terminal.until(lambda: "one" in terminal.text.splitlines()[0])
    terminal.until("No worker answers.")
    engines = psutil.Process(terminal.process.pid).children()
    assert len(engines) == 2
    terminal.send("q")
    assert terminal.ended() == 0
    assert psutil.wait_procs(engines, 5)[1] == []


def test_a_signal_ends_the_engine_too(broker: RedisServer, program: Callable[..., Terminal]) -> None:
    terminal = program(broker.url)
    terminal.until("No worker answers.")
    engine = engine_of(terminal)
    terminal.process.send_signal(signal.SIGTERM)
    assert terminal.ended() == 143
    engine.wait(5)


@pytest.mark.soak
def test_a_fleet_at_rest_sends_next_to_nothing(
    broker: RedisServer, worker: Callable[..., CeleryWorker], program: Callable[..., Terminal]
) -> None:
    worker("w1")
    terminal = program(broker.url)
    terminal.until("w1@test")
    terminal.settle(2.5, timeout=15)
    assert terminal.read(6) + terminal.read(6) < 2500
