"""Running commands in this process, on the engine of canned answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from lazycelery.cli import main, session
from lazycelery.model.profile import Profile
from tests.cli.fake_engine import FakeEngine


class Ran(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    fake = FakeEngine()

    async def open_engine(profile: Profile, start: bool = True) -> FakeEngine:
        fake.profile, fake.started = profile, start
        return fake

    monkeypatch.setattr(session, "open_engine", open_engine)
    return fake


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs a command; a broker is given unless `broker` is false."""

    def go(*args: str, broker: bool = True) -> Ran:
        capsys.readouterr()
        code = main([*(["--broker", "redis://db/0"] if broker else []), *args])
        return Ran(code, *capsys.readouterr())

    return go
