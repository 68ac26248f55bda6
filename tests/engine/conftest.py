"""Both ways to an engine, over one real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from lazycelery.engine.api import EngineApi
from lazycelery.engine.client import spawn
from lazycelery.engine.engine import Engine
from lazycelery.model.profile import Profile

Open = Callable[..., Awaitable[EngineApi]]


async def in_process(profile: Profile) -> EngineApi:
    engine = Engine(profile)
    await engine.start()
    return engine


async def other_process(profile: Profile) -> EngineApi:
    return (await spawn().connect(profile)).api


@pytest.fixture(params=[in_process, other_process], ids=["in-process", "process"])
async def open_engine(request: pytest.FixtureRequest) -> AsyncIterator[Open]:
    """Opens engines; all are closed at the end."""
    opened: list[EngineApi] = []

    async def start(broker: str, **profile: Any) -> EngineApi:
        engine = await request.param(Profile(broker=broker, **profile))
        opened.append(engine)
        return engine

    yield start
    for engine in opened:
        await engine.close()
