"""A filesystem broker in a folder, real workers on it, and engines that look at it."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lazycelery.engine.engine import Engine
from lazycelery.errors import NothingFound
from lazycelery.model.profile import Profile
from lazycelery.sources import open_broker
from lazycelery.sources.kombu.broker import KombuBroker
from tests.support.fleet import CeleryWorker, send

OpenEngine = Callable[..., Awaitable[Engine]]
OpenBroker = Callable[..., Awaitable[KombuBroker]]


class Folder:
    """A filesystem broker: a folder with messages, and `control` with bindings."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.control = path / "control"
        self.control.mkdir(parents=True)
        self.url = f"filesystem://{path}"
        self.options = {
            "data_folder_in": str(path),
            "data_folder_out": str(path),
            "control_folder": str(self.control),
        }

    def send(self, name: str, *args: Any, **options: Any) -> str:
        return send("filesystem://", name, *args, transport_options=self.options, **options)

    def files(self, queue: str) -> list[str]:
        return sorted(name for name in os.listdir(self.path) if name.endswith(f".{queue}.msg"))

    def bindings(self, exchange: str) -> list[str]:
        file = self.control / f"{exchange}.exchange"
        return [each[2] for each in json.loads(file.read_text())] if file.exists() else []

    def ours(self) -> list[str]:
        """Traces of a LazyCelery: bindings and files."""
        bound = [name for file in self.control.iterdir() for name in self.bindings(file.stem)]
        return [name for name in [*bound, *os.listdir(self.path)] if "lazycelery-" in name]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "broker")


@pytest.fixture
def worker(folder: Folder) -> Iterator[Callable[..., CeleryWorker]]:
    started: list[CeleryWorker] = []

    def start(name: str = "w1", **options: Any) -> CeleryWorker:
        env = {"TEST_TRANSPORT_OPTIONS": json.dumps({**folder.options, "polling_interval": 0.1})}
        options.setdefault("backend", "")
        one = CeleryWorker("filesystem://", name, env={**env, **options.pop("env", {})}, **options).start()
        started.append(one)
        return one

    yield start
    for one in started:
        one.kill()  # Their folder goes with them; a warm shutdown takes seconds here.


@pytest.fixture
async def opened() -> AsyncIterator[OpenBroker]:
    made: list[KombuBroker] = []

    async def open_one(url: str, **profile: Any) -> KombuBroker:
        broker = open_broker(Profile(broker=url, **profile))
        assert isinstance(broker, KombuBroker)
        made.append(broker)
        await broker.connect()
        return broker

    yield open_one
    for broker in made:
        await broker.close()


@pytest.fixture
async def open_engine(tmp_path: Path) -> AsyncIterator[OpenEngine]:
    made: list[Engine] = []

    async def start(url: str, **profile: Any) -> Engine:
        profile.setdefault("audit_file", str(tmp_path / "audit.ndjson"))
        profile.setdefault("backup_dir", str(tmp_path / "backups"))
        engine = Engine(Profile(broker=url, **profile))
        await engine.start()
        made.append(engine)
        return engine

    yield start
    for engine in made:
        await engine.close()


async def until(look: Callable[[], Awaitable[Any]], within: float = 15.0) -> Any:
    """The first true answer; the last one when time runs out."""
    deadline = time.monotonic() + within
    while True:
        found = await look()
        if found or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.05)


async def ended(engine: Engine, id: str, state: str) -> bool:
    async def look() -> bool:
        try:
            return (await engine.task(id, fetch=False)).state == state
        except NothingFound:
            return False

    return bool(await until(look))
