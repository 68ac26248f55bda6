"""Failed tasks that were dealt with: kept on the disk, seen by the next start, never sent."""

from __future__ import annotations

import stat
from collections.abc import Mapping

import pytest

from lazycelery.actions.dealt import DealtFile
from lazycelery.actions.files import state_directory
from lazycelery.engine.dealing import Dealing
from lazycelery.engine.engine import Engine
from lazycelery.errors import NothingFound, UsageError
from lazycelery.model.event import Event
from lazycelery.model.profile import Profile
from lazycelery.model.task import Dealt, Task, TaskQuery
from lazycelery.store.store import Store

T0 = 1_800_000_000.0


def event(type: str, uuid: str, at: float, clock: int) -> Event:
    return Event(
        type=type, hostname="w1@a", timestamp=at, received=at, uuid=uuid, name="shop.add", clock=clock
    )


def store(*failed: str, ok: str = "fine-0001") -> Store:
    one = Store()
    for n, id in enumerate((*failed, ok)):
        end = "task-succeeded" if id == ok else "task-failed"
        one.apply_events([event("task-received", id, T0, 3 * n + 1), event(end, id, T0 + 1, 3 * n + 2)])
    return one


def dealing(one: Store, place: str = "redis://db1/0|") -> Dealing:
    return Dealing(place, one, lambda: T0 + 60, lambda: None)


def matching(one: Store, filter: str) -> list[str]:
    return sorted(row.id for row in one.query(TaskQuery(filter=filter), T0 + 60).rows)


async def test_a_mark_is_filtered_by_and_survives_a_restart() -> None:
    one = store("fail-0001", "fail-0002")
    assert await dealing(one).mark(["fail-0001"], None, "refunded", False) == ["fail-0001"]
    assert matching(one, "dealt:yes") == ["fail-0001"]
    assert matching(one, "state:failure dealt:no") == ["fail-0002"]
    task = one.task("fail-0001", T0 + 60)
    assert task is not None and task.dealt is not None and task.dealt.note == "refunded"
    again = store("fail-0001", "fail-0002")
    await dealing(again).look()
    assert matching(again, "dealt:yes") == ["fail-0001"]
    other = store("fail-0001")
    await dealing(other, "redis://db2/0|").look()
    assert matching(other, "dealt:yes") == []


async def test_it_can_be_taken_back_and_another_session_sees_it() -> None:
    one, two = store("fail-0001"), store("fail-0001")
    here, there = dealing(one), dealing(two)
    await here.mark(["fail"], None, "", False)
    await there.look()
    assert matching(two, "dealt:yes") == ["fail-0001"]
    await here.mark(["fail-0001"], None, "", True)
    await there.look()
    assert matching(one, "dealt:yes") == matching(two, "dealt:yes") == []


async def test_all_that_match_a_filter_but_not_what_has_not_failed() -> None:
    one = store("fail-0001", "fail-0002")
    assert sorted(await dealing(one).mark([], "name:shop.*", "", False)) == ["fail-0001", "fail-0002"]
    with pytest.raises(UsageError, match="has not failed"):
        await dealing(one).mark(["fine-0001"], None, "", False)
    with pytest.raises(NothingFound):
        await dealing(one).mark([], "name:nothing", "", False)


async def test_one_that_fails_again_is_not_dealt_with() -> None:
    one = store("fail-0001")
    await dealing(one).mark(["fail-0001"], None, "", False)
    later = [event("task-received", "fail-0001", T0 + 90, 50), event("task-failed", "fail-0001", T0 + 95, 51)]
    one.apply_events(later)
    assert matching(one, "dealt:yes") == []


def test_the_file_is_private_and_a_torn_line_is_no_line() -> None:
    file = DealtFile("redis://db1/0|")
    file.mark(["a"], T0)
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    with file.path.open("ab") as torn:
        torn.write(b'{"id":"b","at')
    file.mark(["c"], T0)
    assert list(file.read()) == ["a", "c"]


@pytest.mark.parametrize("wrong", ["dealt:maybe", "dealt:>1"])
def test_it_is_yes_or_no(wrong: str) -> None:
    with pytest.raises(UsageError, match="neither yes nor no"):
        store().query(TaskQuery(filter=wrong), T0)


async def test_ten_thousand_that_match_do_not_hold_up_the_loop() -> None:
    """Counted, not timed: the work grows with their number, not with its square."""
    hashed = 0

    class Id(str):
        __slots__ = ()

        def __hash__(self) -> int:
            nonlocal hashed
            hashed += 1
            return str.__hash__(self)

        __eq__ = str.__eq__

    class Known:
        def select(self, filter: str, limit: int, now: float) -> list[str]:
            return ["fail-0001", *(Id(f"fine-{n}") for n in range(300))]

        def task(self, id: str, now: float) -> Task:
            return Task(id=str(id), state="failure" if id == "fail-0001" else "success")

        def note_dealt(self, marks: Mapping[str, Dealt]) -> None:
            pass

    one = Dealing("redis://db1/0|", Known(), lambda: T0, lambda: None)  # type: ignore[arg-type]
    assert await one.mark([], "name:shop.*", "", False) == ["fail-0001"]
    assert hashed < 3000


async def test_a_secret_in_a_note_is_not_written_down() -> None:
    engine = Engine(Profile(broker="redis://127.0.0.1:1/0", history=False))
    await engine.deal(["lost-0001"], None, "refunded with password=hunter2")
    (file,) = (state_directory() / "dealt").glob("*.ndjson")
    assert "refunded" in file.read_text() and "hunter2" not in file.read_text()
