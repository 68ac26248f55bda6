"""An engineer at a terminal: the real program, a real broker, a real worker, nothing in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pty.terminal import Terminal
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

pytestmark = [pytest.mark.broker, pytest.mark.pty]

LISTS = ["bulk", "bulk\x06\x163", "bulk\x06\x166", "bulk\x06\x169"]


@pytest.fixture
def room(broker: RedisServer) -> Iterator[Callable[..., Terminal]]:
    """Opens the program on `broker`; what still runs at the end is ended."""
    opened: list[Terminal] = []

    def open_room(*options: str) -> Terminal:
        terminal = Terminal("-m", "lazycelery", "--broker", broker.url, *options, width=140, height=40)
        opened.append(terminal)
        return terminal

    yield open_room
    for terminal in opened:
        terminal.close()


def press(terminal: Terminal, keys: str, seen: str, timeout: float = 15) -> None:
    """Press keys, and wait for what the screen must answer."""
    terminal.send(keys)
    terminal.until(seen, timeout)


def result(broker: RedisServer, task: str) -> Any:
    import json

    found = broker.client().get(f"celery-task-meta-{task}")
    return json.loads(found) if found else None


def until(look: Callable[[], object], terminal: Terminal, within: float = 20) -> None:
    terminal.until(lambda: bool(look()), within)


def lists(broker: RedisServer) -> list[list[bytes]]:
    return [broker.client().lrange(name, 0, -1) for name in LISTS]


def test_a_failing_task_is_seen_and_its_retry_succeeds(
    broker: RedisServer, worker: Callable[..., CeleryWorker], room: Callable[..., Terminal], tmp_path: Path
) -> None:
    worker("w1")
    there = tmp_path / "there"
    terminal = room()
    terminal.until("w1@test")
    failing = send(broker.url, "shop.until_file", str(there), backend=broker.url)
    press(terminal, "3", "✗ shop")
    terminal.until("failed on w1@test")
    terminal.until('raise FileNotFoundError(f"no {path} yet")')  # The line of its traceback.
    press(terminal, "r", "Read-only")
    press(terminal, "W", "y/N")
    press(terminal, "y", "Unlocked")
    there.touch()
    press(terminal, "r", "from its arguments, to celery? y/N")
    press(terminal, "y", "succeeded on w1@test")
    [again] = [
        key.decode().removeprefix("celery-task-meta-")
        for key in broker.client().scan_iter("celery-task-meta-*")
        if failing not in key.decode()
    ]
    assert result(broker, again)["result"] == "found"
    terminal.send("q")
    assert terminal.ended() == 0


def test_a_waiting_task_that_is_revoked_never_runs(
    broker: RedisServer, worker: Callable[..., CeleryWorker], room: Callable[..., Terminal], tmp_path: Path
) -> None:
    one = worker("w1", concurrency=1)
    release = tmp_path / "release"
    for _ in range(2):  # One runs and one is prefetched: what comes now waits in the queue.
        send(broker.url, "shop.wait_for", str(release))
    proof = tmp_path / "never"
    waiting = send(broker.url, "shop.until_file", str(proof), backend=broker.url)
    terminal = room("--allow", "revoke")
    terminal.until("w1@test")
    press(terminal, "3", "shop.until_file")
    terminal.send("/")
    terminal.settle(0.2)
    press(terminal, "name:shop.until_file\r", "› name:shop")
    press(terminal, "x", "y/N")
    press(terminal, "y", "w1@test")
    until(lambda: (result(broker, waiting) or {}).get("status") == "REVOKED", terminal)
    terminal.until("⊘ shop")
    release.touch()
    # A message is in neither the queue nor among the unacknowledged for a moment while a worker takes it.
    discarded = f"Discarding revoked task: shop.until_file[{waiting}]"
    until(lambda: discarded in Path(one.log).read_text(), terminal)
    until(lambda: broker.client().llen("celery") == 0 and broker.client().hlen("unacked") == 0, terminal)
    assert result(broker, waiting)["status"] == "REVOKED"
    terminal.send("q")
    assert terminal.ended() == 0


def test_a_purged_queue_comes_back_message_for_message(
    broker: RedisServer, room: Callable[..., Terminal]
) -> None:
    for number in range(12):
        send(broker.url, "shop.add", number, queue="bulk", priority=(0, 3, 6, 9)[number % 4])
    before = lists(broker)
    assert [len(one) for one in before] == [3, 3, 3, 3]
    terminal = room("--allow", "purge,restore")
    press(terminal, "2", "bulk")
    press(terminal, "P", "Type bulk")
    press(terminal, "\r", "Nothing was done")
    assert lists(broker) == before
    press(terminal, "P", "Type bulk")
    press(terminal, "bulk\r", "12 removed, 0 left")
    assert lists(broker) == [[], [], [], []]
    press(terminal, "u", "y/N")
    press(terminal, "y", "restored 12 of 12")
    assert lists(broker) == before
    terminal.send("q")
    assert terminal.ended() == 0


def test_read_only_refuses_retry_revoke_and_purge(
    broker: RedisServer, worker: Callable[..., CeleryWorker], room: Callable[..., Terminal]
) -> None:
    worker("w1")
    send(broker.url, "shop.add", 1, queue="bulk")
    before = lists(broker)
    terminal = room("--read-only")
    terminal.until("w1@test")
    send(broker.url, "shop.charge", 1)
    press(terminal, "2", "bulk")
    press(terminal, "P", "ead-only")
    press(terminal, "3", "shop.charge")
    for key in "rx":
        press(terminal, "\x1b", "Tasks")
        terminal.settle(0.3)
        press(terminal, key, "ead-only")
    press(terminal, "W", "not permit")
    assert lists(broker) == before
    assert not broker.client().exists("celery")
    terminal.send("q")
    assert terminal.ended() == 0


def test_a_broker_that_dies_and_returns_and_a_killed_worker_are_told_on_the_screen(
    broker: RedisServer, worker: Callable[..., CeleryWorker], room: Callable[..., Terminal]
) -> None:
    one = worker("w1")
    terminal = room()
    terminal.until("● w1@test")
    broker.kill()
    terminal.until("refused", 20)
    terminal.until("w1@test")  # What was known stays.
    broker.start()
    terminal.until(lambda: "refused" not in terminal.text and "● w1@test" in terminal.text, 40)
    one.kill()
    terminal.until("✗ w1@test", 30)
    terminal.send("q")
    assert terminal.ended() == 0
