"""The plan file of a bulk action, on a disk that is full for a while."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lazycelery.actions import journal
from lazycelery.actions.journal import Header, Item, Journal
from lazycelery.errors import Refused

if sys.platform != "win32":
    import resource
else:
    pytest.skip("no limit of a file's size there", allow_module_level=True)


@pytest.fixture
def plan() -> Journal:
    """Of four targets."""
    header = Header(
        plan="7f3a1c20",
        action="retry",
        title="Retry 4 tasks",
        time=1_790_000_000.0,
        user="ada",
        host="db1",
        profile="default",
        broker="redis://db/0",
        count=4,
    )
    return Journal.create(header, [Item(n=n, target=f"t{n}", raw=b"message") for n in range(4)])


@contextmanager
def room_for(plan: Journal, more: int) -> Iterator[None]:
    """The system writes so many bytes more into that file, then fails: a line is cut in its middle."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (plan.path.stat().st_size + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def states(plan: Journal) -> list[str]:
    return [item.state for item in journal.read(plan.path)[1]]


def test_a_line_behind_one_that_a_full_disk_cut_is_whole(plan: Journal) -> None:
    """Room is made, and the same session goes on: what it writes then is not lost with the half line."""
    plan.begin(plan.items[:2])
    with room_for(plan, 9), pytest.raises(Refused, match="cannot be written"):
        plan.tell(done=plan.items[:2])
    assert not plan.path.read_bytes().endswith(b"\n"), "a half line is there"
    assert states(plan) == ["doubt", "doubt", "waiting", "waiting"]
    plan.tell(done=plan.items[:1], waiting=plan.items[1:2], why="the disk was full")
    assert states(plan) == ["done", "waiting", "waiting", "waiting"]
    assert journal.read(plan.path)[2] == "the disk was full"
    plan.begin(plan.items[2:3])
    assert states(plan) == ["done", "waiting", "doubt", "waiting"]
    assert plan.path.read_bytes().count(b"\n\n") == 0, "only the one line was ended"


def test_what_was_not_noted_as_begun_is_not(plan: Journal) -> None:
    with room_for(plan, 5), pytest.raises(Refused):
        plan.begin(plan.items[:2])
    plan.close()
    again = Journal.take_up("7f3a1c20")
    assert [item.state for item in again.items] == ["waiting"] * 4
    again.begin(again.items[:1])
    again.tell(done=again.items[:1])
    assert states(again) == ["done", "waiting", "waiting", "waiting"]


@pytest.mark.parametrize("more", [0, 1, 20])
def test_a_disk_that_stays_full_is_told_each_time(plan: Journal, more: int) -> None:
    with room_for(plan, more):
        for _ in range(3):
            with pytest.raises(Refused, match="cannot be written"):
                plan.begin(plan.items)
    plan.begin(plan.items[:1])
    assert states(plan) == ["doubt", "waiting", "waiting", "waiting"]
