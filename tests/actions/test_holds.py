"""The list of held queues, when another session does not let go of it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from lazycelery.actions import holds, shared_file
from lazycelery.actions.holds import Holds
from lazycelery.errors import Refused
from tests.actions.fakes import Room


async def test_a_session_that_hangs_does_not_hang_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "state_directory", lambda: tmp_path)
    monkeypatch.setattr(shared_file, "PATIENCE", 0.2)
    store = Holds(Room(tmp_path).actions._context)
    with store.changing():
        pass
    other = os.open(store.path.with_suffix(".lock"), os.O_RDWR)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(Refused, match="another session has it locked"), store.changing():
        raise AssertionError("nobody is alone here")
    os.close(other)
    with store.changing():
        pass


async def test_a_full_disk_leaves_the_list_as_it_was_and_no_half_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holds, "state_directory", lambda: tmp_path)
    store = Holds(Room(tmp_path).actions._context)
    with store.changing():
        pass
    before = store.path.read_bytes()

    def full(descriptor: int, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shared_file, "write_all", full)
    with pytest.raises(Refused, match="No space left"), store.changing():
        pass
    assert store.path.read_bytes() == before
    assert sorted(path.suffix for path in store.path.parent.iterdir()) == [".json", ".lock"]
