"""Fixtures that every room's tests share: real brokers, real workers."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings

from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker
from tests.support.rabbit import RabbitServer, need_server

# A busy machine makes single examples slow; the suite has its own time limits.
settings.register_profile("busy", deadline=None)
settings.load_profile("busy")
# Under nohup and in the background Ctrl-C is ignored, and so it would be by all that is started here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
WAITING = {"broker", "pty"}
"""Marks of tests that wait for others most of their time."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First the files that wait for brokers, workers and terminals: the quick ones fill the end of a run."""
    waits = Counter(item.path for item in items if WAITING & {mark.name for mark in item.iter_markers()})
    items.sort(key=lambda item: -waits[item.path])


@pytest.fixture(autouse=True)
def own_directories(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the configuration and state of whoever runs it."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def broker() -> Iterator[RedisServer]:
    """A fresh broker for one test."""
    server = RedisServer().start()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def shared_broker() -> Iterator[RedisServer]:
    """One broker for a module's tests that do not disturb each other."""
    server = RedisServer().start()
    yield server
    server.remove()


@pytest.fixture
def worker(broker: RedisServer) -> Iterator[Callable[..., CeleryWorker]]:
    """Starts workers on `broker`; all are killed at the end."""
    started: list[CeleryWorker] = []

    def start(name: str = "w1", **options: Any) -> CeleryWorker:
        one = CeleryWorker(broker.url, name, **options).start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.kill()  # Their broker goes with them; a warm shutdown takes seconds.


@pytest.fixture(scope="session")
def rabbit() -> Iterator[RabbitServer]:
    """One RabbitMQ node for all tests; those that kill one start their own."""
    need_server()
    server = RabbitServer().start()
    yield server
    server.remove()
