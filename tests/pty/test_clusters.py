"""Two real clusters in one screen: Redis and RabbitMQ."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.pty.terminal import Terminal
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send
from tests.support.rabbit import RabbitServer

pytestmark = [pytest.mark.pty, pytest.mark.broker]


@pytest.fixture
def second(rabbit: RabbitServer) -> Iterator[str]:
    """A virtual host with a worker; its URL."""
    name = f"test/{uuid.uuid4().hex[:8]}"
    rabbit.add_vhost(name)
    worker = CeleryWorker(rabbit.url(name), "r2", backend="rpc://").start()
    yield rabbit.url(name)
    worker.kill()
    rabbit.drop_vhost(name)


def tabs(terminal: Terminal) -> str:
    return terminal.text.splitlines()[1]


def test_redis_and_rabbitmq_side_by_side_and_one_of_them_killed_and_back(
    broker: RedisServer,
    worker: Callable[..., CeleryWorker],
    rabbit: RabbitServer,
    second: str,
) -> None:
    worker("r1")
    home = os.environ["HOME"]
    config = Path(home) / "two.toml"
    config.write_text(
        f'[profiles.first]\nbroker = "{broker.url}"\n'
        f'[profiles.second]\nbroker = "{second}"\nproduction = true\n'
        f'management = "{rabbit.management}"\n'
    )
    state = {name: f"{home}/{name.lower()}" for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME")}
    words = ("--config", str(config), "-p", "first", "-p", "second")
    terminal = Terminal("-m", "lazycelery", *words, width=80, height=24, HOME=home, **state)
    try:
        terminal.until(lambda: "● r1@test" in terminal.text and "● 2 second" in tabs(terminal), 30)
        terminal.send("}")
        terminal.until(lambda: "● r2@test" in terminal.text and "PRODUCTION" in terminal.text, 30)
        assert "r1@test" not in terminal.text
        # What is true of one is true of it alone.
        terminal.send("W")
        terminal.until("PRODUCTION")
        terminal.until("y/N")
        terminal.send("y")
        terminal.until("UNLOCKED")
        terminal.send("}")
        terminal.until("READ-ONLY")
        terminal.send("}3")
        terminal.until("UNLOCKED")
        broker.kill()
        terminal.until(lambda: "✗ 1 first ▲" in tabs(terminal), 30)
        # The other one goes on, and answers each key.
        id = send(second, "shop.charge", 7)
        terminal.until("Failed on r2@test", 20)
        for key, seen in (("1", "▸● r2@test"), ("3", id[:8]), ("?", "Everywhere"), ("\x1b", "r2@test")):
            began = time.monotonic()
            terminal.send(key)
            terminal.until(seen)
            assert time.monotonic() - began < 1.0
            terminal.settle(0.2)
        terminal.send("bk")
        terminal.until("Clusters")
        terminal.until(lambda: "refused" in terminal.text or " broke." in terminal.text)
        broker.start()
        terminal.until(lambda: "● 1 first " in tabs(terminal), 40)
        terminal.send("\r")
        terminal.until("● r1@test", 40)
        # Closing one ends its engine, and not the other's.
        engines = psutil.Process(terminal.process.pid).children()
        assert len(engines) == 2
        terminal.send("bx")
        terminal.until("first is closed.")
        terminal.until(lambda: sum(one.is_running() for one in engines) == 1)
        terminal.send("\x1b")
        terminal.until("● r2@test")
        terminal.send("q")
        assert terminal.ended() == 0
        assert psutil.wait_procs(engines, 5)[1] == []
    finally:
        terminal.close()
