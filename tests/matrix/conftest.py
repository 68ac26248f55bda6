"""The same work on each broker and type of queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.matrix.places import KINDS, Place, opened
from tests.support.fleet import CeleryWorker


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Each broker and type of queue in turn."""
    rabbit = None if request.param == "redis" else request.getfixturevalue("rabbit")
    with opened(request.param, tmp_path / "broker", rabbit) as place:
        yield place


@pytest.fixture
def worker(place: Place) -> Iterator[Callable[..., CeleryWorker]]:
    started: list[CeleryWorker] = []

    def start(name: str = "w1", **options: Any) -> CeleryWorker:
        started.append(place.worker(name, **options).start())
        return started[-1]

    yield start
    for one in started:
        one.kill()
