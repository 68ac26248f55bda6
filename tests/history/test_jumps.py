"""A jump that comes while another one is still beginning."""

from __future__ import annotations

import asyncio
import os
import weakref
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from lazycelery.engine import rewinding
from lazycelery.engine.client import EngineClient
from lazycelery.engine.engine import Engine
from lazycelery.engine.server import Server
from lazycelery.errors import ConnectionProblem
from lazycelery.model.profile import Profile
from lazycelery.model.sla import Objective
from lazycelery.tui.link import Link
from tests.engine.test_contract import until
from tests.history.test_rewind import SECONDS, tape, write  # noqa: F401 -- a fixture, and what it needs
from tests.store.build import T0


class Served:
    """An engine's server in this process, and the face's side of its pipe."""

    def __init__(self) -> None:
        (to_server, from_face), (to_face, from_server) = os.pipe(), os.pipe()
        self.server = Server(os.fdopen(to_server, "rb"), os.fdopen(from_server, "wb"))
        self.running = asyncio.ensure_future(self.server.run())
        self.client = EngineClient(os.fdopen(to_face, "rb"), os.fdopen(from_face, "wb"))

    async def connect(self, profile: Profile) -> Any:
        """As a process does."""
        return await self.client.anew(profile)

    @property
    def engine(self) -> Engine:
        """The one of now."""
        engine = self.server._engine
        assert engine is not None
        return engine


@pytest.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(rewinding, "EVENTS", 150)
    served = Served()
    yield served
    await served.client.close()
    await served.running


def at(path: Path, moment: float) -> Profile:
    return Profile(broker=f"replay://{path}?speed=1&paused=1&from={moment}")


async def test_the_last_of_several_jumps_at_once_is_gone_to_from_what_was_kept(
    tape: Path,  # noqa: F811
    served: Served,
) -> None:
    """The second one found no engine, and a new one played from the recording's beginning."""
    await served.connect(at(tape, SECONDS - 5.0))
    await served.client.api.ready(10)
    kept = served.engine._parts.rewinder
    assert kept is not None and len(kept._moments) > 8
    jumps = [asyncio.ensure_future(served.connect(at(tape, 40.0)))]
    await asyncio.sleep(0)  # It was sent.
    jumps += [asyncio.ensure_future(served.connect(at(tape, moment))) for moment in (200.0, 70.0, 120.0)]
    assert await asyncio.gather(*jumps) == [served.client] * 4
    assert (await served.client.api.ready(10)).now == T0 + 120
    assert served.engine._parts.rewinder is kept
    assert kept._from is not None and 80 < kept._from.at - T0 <= 120


async def test_a_moment_asked_for_while_the_screen_goes_to_another_one_is_gone_to(
    tape: Path,  # noqa: F811
    served: Served,
) -> None:
    link = Link(lambda: cast("Any", served), at(tape, SECONDS - 5.0), lambda **_: None)
    running = asyncio.ensure_future(link.run())

    def stands_at(moment: float) -> Any:
        async def stands() -> bool:
            overview = link.truth.overview
            return link.looked and overview is not None and overview.now == T0 + moment

        return stands

    assert await until(stands_at(SECONDS - 5.0))
    await link.reopen(at(tape, 40.0).broker or "")
    assert not link.looked
    while link._process is not None:
        await asyncio.sleep(0)
    await link.reopen(at(tape, 90.0).broker or "")
    assert await until(stands_at(90.0))
    assert link.truth.engine_deaths == 0
    running.cancel()


async def test_nothing_of_the_engine_that_is_left_stays_for_good(
    tape: Path,  # noqa: F811
    served: Served,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A question that was open held all of it while the next one began, and then nothing collected it."""

    async def hangs(self: Engine) -> list[Objective]:
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr(Engine, "sla", hangs)
    await served.connect(at(tape, SECONDS - 5.0))
    await served.client.api.ready(10)
    left = weakref.ref(served.engine._store)
    asked = asyncio.ensure_future(served.client.api.sla())
    while not served.server._asked:
        await asyncio.sleep(0)
    await served.connect(at(tape, 40.0))
    with pytest.raises(ConnectionProblem):
        await asked
    assert left() is None
