"""Every action on every broker, type of queue and kind of pool that a test can have."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from lazycelery.engine.engine import Engine
from lazycelery.errors import LazyCeleryError
from lazycelery.model.profile import Profile
from tests.beat.test_django import make_database
from tests.matrix.deeds import EVERY, WAYS
from tests.matrix.expected import PLACES, POOLED, POOLS, why_not
from tests.matrix.places import opened
from tests.matrix.scene import ENTRY, W1, Scene, until
from tests.support.rabbit import RabbitServer
from tests.support.supervised import end_supervised, service_of

CORE = (("redis", "prefork"), ("classic", "prefork"))
LONG = ("pool", "shutdown", "service")
"""In the default run is the core without these, which have a room of their own: tests/workers."""
SLOW = (
    "pool shrink",
    "pool size",
    "pool autoscale",
    "pool restart",
    "service restart",
    "restore --orphans",
    "rule",
)
"""Other ways that take seconds."""
pytestmark = [pytest.mark.broker, pytest.mark.asyncio(loop_scope="module")]


def scenes() -> list[tuple[str, str]]:
    """All brokers with the usual pool, and each pool where workers of all kinds are tried."""
    others = [(kind, pool) for kind in POOLED for pool in POOLS[1:]]
    return [*((kind, POOLS[0]) for kind in PLACES), *others]


def cells() -> list[Any]:
    """Scene and action. A usual action is tried on the core by default, another way of it on one broker."""
    found = []
    for scene in scenes():
        for action in EVERY:
            if action in WAYS and scene[0] not in POOLED:
                continue
            usual = action not in WAYS and scene in CORE and action not in LONG
            other = action in WAYS and scene == CORE[0] and action not in SLOW
            marks = [] if usual or other else [pytest.mark.soak]
            found.append(pytest.param(scene, action, id=f"{'-'.join(scene)}-{action}", marks=marks))
    return found


@pytest.fixture(scope="module")
def schedule(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of django-celery-beat with one entry, due once a year."""
    path = tmp_path_factory.mktemp("django") / "app.sqlite3"
    never = {"month_of_year": "2", "day_of_month": "30"}
    make_database(
        path, "memory://", [{"name": ENTRY, "task": "shop.add", "args": "[1, 2]", "crontab": never}]
    )
    return path


class Stage:
    """One scene at a time, kept for as long as the tests ask for the same one."""

    def __init__(self, schedule: Path) -> None:
        self._schedule = schedule
        self._key: tuple[str, str] | None = None
        self._scene: Scene | None = None
        self._open = AsyncExitStack()

    async def at(self, key: tuple[str, str], rabbit: RabbitServer | None) -> Scene:
        if self._scene is None or key != self._key:
            await self.close()
            self._key, self._scene = (
                key,
                await self._open.enter_async_context(opened_scene(*key, rabbit, self._schedule)),
            )
        return self._scene

    async def close(self) -> None:
        self._scene = None
        await self._open.aclose()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(schedule: Path) -> AsyncIterator[Stage]:
    one = Stage(schedule)
    yield one
    await one.close()


@pytest_asyncio.fixture(loop_scope="module")
async def scene(request: pytest.FixtureRequest, stage: Stage) -> Scene:
    rabbit = request.getfixturevalue("rabbit") if request.param[0] in ("classic", "quorum") else None
    return await stage.at(request.param, rabbit)


@asynccontextmanager
async def opened_scene(
    kind: str, pool: str, rabbit: RabbitServer | None, schedule: Path
) -> AsyncIterator[Scene]:
    with tempfile.TemporaryDirectory() as folder, opened(kind, Path(folder) / "broker", rabbit) as place:
        directory = Path(folder)
        shutil.copy(schedule, directory / "app.sqlite3")
        place.declare("box", "other", "dead", "mail")
        place.declare("home", x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
        one = place.worker("w1", events=False, pool=pool, env={"TEST_POOL_RESTARTS": "1"})
        if place.works:
            one.start()
        services = [service_of(place.worker("w9", queues="mail", concurrency=1, pool=pool), directory)]
        engine = Engine(
            Profile(
                allow=["all"],
                refresh=0.5,
                control_refresh=1.0,
                audit_file=str(directory / "audit.ndjson"),
                backup_dir=str(directory / "backups"),
                workers=services,
                beat=f"sqlite:///{directory / 'app.sqlite3'}",
                **place.profile,
            )
        )
        try:
            await engine.start()
            await engine.ready(15)
            made = Scene(place, pool, engine, place.app(), directory)
            if place.works:
                await made.ask("enable_events")

                async def online() -> bool:
                    return any(each.name == W1 for each in await engine.workers())

                assert await until(online)
            yield made
        finally:
            await engine.close()
            one.kill()
            end_supervised(directory)


@pytest.mark.parametrize(("scene", "action"), cells(), indirect=["scene"])
async def test_an_action_does_what_it_says_or_says_why_not(scene: Scene, action: str) -> None:
    why = why_not(action, scene.place.kind, scene.pool)
    scene.sent.clear()
    scene.owed.clear()
    if why is None:
        await EVERY[action](scene)
        assert scene.owed == [], "what can be undone was"
        return
    with pytest.raises(LazyCeleryError) as told:
        await EVERY[action](scene)
    assert re.search(why, f"{told.value.title} {told.value.hint}"), told.value
    for queue, ids in scene.sent.items():  # And nothing was done.
        assert sorted(scene.place.content(queue)) == sorted(ids)
