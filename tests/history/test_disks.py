"""A disk that is full, and one that is read-only, under the real engine in its own process."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lazycelery.engine.client import spawn
from lazycelery.model.history import HistoryQuery
from lazycelery.model.profile import Profile
from tests.engine.test_contract import state_of, until
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

pytestmark = [pytest.mark.broker, pytest.mark.soak]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=False)


def fill(path: Path) -> None:
    """With all that there is room for."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


class Watched:
    """An engine process with its history on the disk, and the tasks that a worker did meanwhile."""

    def __init__(self, broker: RedisServer, disk: Path) -> None:
        self.broker, self.sent = broker, list[str]()
        self.profile = Profile(broker=broker.url, history_dir=str(disk / "h"), recorder=True)

    async def start(self) -> Watched:
        self.client = await spawn().connect(self.profile)
        self.api = self.client.api
        await self.api.ready(10)
        return self

    async def one_more(self) -> None:
        self.sent.append(send(self.broker.url, "shop.add", 1, 2))

        async def seen() -> bool:
            return await state_of(self.api, self.sent[-1]) == "success"

        assert await until(seen)

    async def kept(self) -> bool:
        async def look() -> bool:
            page = await self.api.history(HistoryQuery(filter="state:success"))
            return [task.id for task in page.tasks] == self.sent[::-1]

        return bool(await until(look, 30))

    async def state(self, wanted: str, told: str = "") -> bool:
        async def look() -> bool:
            overview = await self.api.overview()
            titles = " ".join(notice.title for notice in overview.notices)
            return overview.history.state == wanted and told in titles

        return bool(await until(look, 60))


async def test_a_disk_that_is_full_is_said_and_nothing_is_missing_afterwards(
    broker: RedisServer, worker: Callable[..., CeleryWorker], disk: Path
) -> None:
    worker("w1")
    watched = await Watched(broker, disk).start()
    await watched.one_more()
    assert await watched.kept()
    filler = disk / "filler"
    fill(filler)
    for _ in range(3):
        await watched.one_more()
    assert await watched.state("broken", "History is not written: the disk "), await watched.api.overview()
    await watched.one_more()  # The monitor goes on.
    filler.unlink()
    assert await watched.state("writing") and await watched.kept()
    assert not (await watched.api.overview()).history.dropped
    await watched.client.close()


async def test_a_disk_that_is_read_only_is_said_and_written_once_it_is_not(
    broker: RedisServer, worker: Callable[..., CeleryWorker], disk: Path
) -> None:
    worker("w1")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    watched = await Watched(broker, disk).start()
    await watched.one_more()
    assert await watched.state("broken", "History is not written: read-only file system")
    await watched.one_more()
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    assert await watched.state("writing") and await watched.kept()
    await watched.client.close()
