"""Fixtures that the tests of the command line have too, and the two kinds of storage."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lazycelery.engine import steadiness
from lazycelery.store.history.local import Local
from lazycelery.store.history.postgres.address import address_of
from lazycelery.store.history.postgres.storage import Shared
from lazycelery.store.history.storage import Storage
from tests.cli.conftest import run
from tests.history.keeping import files_in
from tests.support.postgres import PostgresServer, need_server

__all__ = ["run"]

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server; `tests/run` sees to it that there is one."""
    need_server()
    server = PostgresServer()
    try:
        yield server.start()
    finally:
        server.remove()


@pytest.fixture
def shared(postgres: PostgresServer) -> Callable[..., Shared]:
    """A storage in a schema of its own; the same name gives the same schema."""
    own = next(_numbers)

    def made(name: str = "shop", **bounds: float) -> Shared:
        return Shared(address_of(postgres.url, f"{name}{own}", ""), **bounds)  # type: ignore[arg-type]

    return made


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is believed at once."""
    monkeypatch.setattr(steadiness, "SETTLED", 0.0)


@pytest.fixture(params=["files", "postgres"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """Each kind in turn: what a test of this tells holds for both."""
    if request.param == "files":
        return Local(files_in(tmp_path))
    made: Storage = request.getfixturevalue("shared")()
    return made
