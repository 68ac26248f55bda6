"""The grounds of the moves, with a result backend that tells of failed tasks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.moves.conftest import Ground, ground
from tests.moves.test_killed import Cli
from tests.support.broker import RedisServer

__all__ = ["ground"]
Fail = Callable[..., list[str]]


class BackendCli(Cli):
    """The real program, told of the result backend."""

    def __init__(self, ground: Ground, backend: str) -> None:
        super().__init__(ground)
        self.config.write_text(self.config.read_text() + f"backend = {json.dumps(backend)}\n")


@pytest.fixture
def backend(shared_broker: RedisServer) -> str:
    """Another database than the broker's."""
    url = shared_broker.url.rsplit("/", 1)[0] + "/7"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def failures(backend: str) -> Fail:
    """Note failed tasks in the result backend, as workers with `result_extended` do; returns their ids."""

    def note(count: int, queue: str = "box") -> list[str]:
        ids = [f"f{number:04}" for number in range(count)]
        with redis.Redis.from_url(backend) as client:
            for number, id in enumerate(ids):
                client.set(f"celery-task-meta-{id}", json.dumps(_meta(id, number, queue)))
        return ids

    return note


def _meta(id: str, number: int, queue: str) -> dict[str, Any]:
    return {
        "status": "FAILURE",
        "result": {"exc_type": "ValueError", "exc_message": ["boom"], "exc_module": "builtins"},
        "traceback": "Traceback …",
        "children": [],
        "date_done": f"2026-11-21T01:{number // 60 % 60:02}:{number % 60:02}.000000+00:00",
        "task_id": id,
        "name": "shop.add",
        "args": [number, 1],
        "kwargs": {},
        "worker": "w1@test",
        "retries": 0,
        "queue": queue,
    }


@pytest.fixture
def cli(ground: Ground, backend: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> BackendCli:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return BackendCli(ground, backend)
