"""The demo where there is no server: its broker is a folder."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from lazycelery.demo import embedded, folder
from lazycelery.demo.fleet import Fleet
from lazycelery.demo.group import ProcessGroup
from lazycelery.engine.engine import Engine
from lazycelery.errors import LazyCeleryError
from lazycelery.model.profile import Profile
from lazycelery.model.task import TaskQuery


@pytest.mark.broker
async def test_without_a_server_the_shop_lives_on_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def nothing() -> str:
        raise LazyCeleryError("none")

    monkeypatch.setattr(embedded, "server_binary", nothing)
    group = ProcessGroup()
    engine = None
    try:
        url = embedded.start_broker(group)
        assert folder.is_folder(url) and Path(url.removeprefix("filesystem://")).is_dir()
        Fleet(group, "shop", url, 1)
        engine = Engine(Profile(broker=url, audit_file=str(tmp_path / "audit")))
        await engine.start()
        deadline = time.monotonic() + 60
        ended: list[str] = []
        while time.monotonic() < deadline:
            overview = await engine.overview()
            ended = [row.id for row in (await engine.tasks(TaskQuery(filter="state:success"))).rows]
            results = next(source for source in overview.sources if source.name == "results")
            if overview.workers_online == 3 and ended and results.state == "connected":
                break
            await asyncio.sleep(0.2)
        assert (overview.workers_online, results.state, results.reason) == (3, "connected", "") and ended
        assert {queue.name for queue in await engine.queues()} >= {"high", "default", "low"}
    finally:
        if engine is not None:
            await engine.close()
        group.end()
    assert not group.directory.exists()
