"""Every action on every broker and type of queue that a test can have."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from lazycelery.engine.engine import Engine
from lazycelery.errors import LazyCeleryError
from lazycelery.model.profile import Profile
from tests.beat.test_django import make_database
from tests.matrix.deeds import DEEDS, ENTRY, W1, WHOLE, Scene, until
from tests.matrix.expected import PLACES, REFUSED
from tests.matrix.places import opened
from tests.support.supervised import end_supervised, service_of

CORE = ("redis", "classic")
LONG = ("pool", "shutdown", "service")
"""In the default run is the core without these, which have a room of their own: tests/workers."""
EVERY = {**DEEDS, **WHOLE}
pytestmark = [pytest.mark.broker, pytest.mark.asyncio(loop_scope="module")]


def scenes() -> list[Any]:
    return [pytest.param(kind, marks=[] if kind in CORE else [pytest.mark.soak]) for kind in PLACES]


@pytest.fixture(scope="module")
def schedule(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of django-celery-beat with one entry, due once a year."""
    path = tmp_path_factory.mktemp("django") / "app.sqlite3"
    never = {"month_of_year": "2", "day_of_month": "30"}
    make_database(
        path, "memory://", [{"name": ENTRY, "task": "shop.add", "args": "[1, 2]", "crontab": never}]
    )
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=scenes())
async def scene(request: pytest.FixtureRequest, schedule: Path) -> AsyncIterator[Scene]:
    kind = request.param
    rabbit = request.getfixturevalue("rabbit") if kind in ("classic", "quorum") else None
    with tempfile.TemporaryDirectory() as folder, opened(kind, Path(folder) / "broker", rabbit) as place:
        directory = Path(folder)
        shutil.copy(schedule, directory / "app.sqlite3")
        place.declare("box", "other", "dead", "mail")
        place.declare("home", x_dead_letter_exchange="", x_dead_letter_routing_key="dead")
        one = place.worker("w1", events=False)
        if place.works:
            one.start()
        services = [service_of(place.worker("w9", queues="mail", concurrency=1), directory)]
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
            made = Scene(place, engine, place.app(), directory)
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


def rows() -> list[Any]:
    return [pytest.param(each, marks=[pytest.mark.soak] if each in LONG else []) for each in EVERY]


@pytest.mark.parametrize("action", rows())
async def test_an_action_does_what_it_says_or_says_why_not(scene: Scene, action: str) -> None:
    why = REFUSED.get((action, scene.place.kind))
    scene.sent.clear()
    if why is None:
        await EVERY[action](scene)
        return
    with pytest.raises(LazyCeleryError) as told:
        await EVERY[action](scene)
    assert re.search(why, f"{told.value.title} {told.value.hint}")
    for queue, ids in scene.sent.items():  # And nothing was done.
        assert sorted(scene.place.content(queue)) == sorted(ids)
