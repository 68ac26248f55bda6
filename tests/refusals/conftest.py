"""Each face on real plans and a real guard, with stand-ins for what is done."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lazycelery.actions import drafts
from lazycelery.model.action import Order, Outcome, Plan
from tests.actions.fakes import Room
from tests.cli.conftest import Ran, engine, run
from tests.cli.fake_engine import FakeEngine
from tests.refusals.stand_in import Deeds

__all__ = ["engine", "run"]


@pytest.fixture
def deeds(monkeypatch: pytest.MonkeyPatch) -> Deeds:
    made = Deeds()
    monkeypatch.setattr(drafts, "DRAFTS", {name: made.draft for name in drafts.DRAFTS})
    return made


@pytest.fixture
def said(
    engine: FakeEngine, run: Callable[..., Ran], deeds: Deeds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    """Runs a command line, on real plans and a real guard; `engine.room` is where it acted."""
    own: dict[str, Any] = {}
    hours = itertools.count()

    async def plan(order: Order) -> Plan:
        engine.room = Room(tmp_path, allow=engine.profile.allow, **own)  # type: ignore[attr-defined]
        engine.room.now += 3600.0 * next(hours)  # type: ignore[attr-defined]  # No session is told of the one before.
        made: Plan = await engine.room.actions.plan(order)  # type: ignore[attr-defined]
        return made

    async def act(plan_id: str, word: str | None = None) -> Outcome:
        done: Outcome = await engine.room.actions.act(plan_id, word)  # type: ignore[attr-defined]
        return done

    monkeypatch.setattr(engine, "plan", plan)
    monkeypatch.setattr(engine, "act", act)
    monkeypatch.chdir(tmp_path)

    def go(*words: str, **profile: Any) -> Ran:
        own.clear()
        own.update(profile)
        return run(*words)

    return go
