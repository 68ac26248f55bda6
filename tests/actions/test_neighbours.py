"""Two sessions at the same object: told before, refused while one is at it."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from lazycelery.errors import Refused
from lazycelery.model.action import AuditEntry, Order
from tests.actions.fakes import Room


def purge(queue: str = "default") -> Order:
    return Order(action="purge", targets=[queue])


def two(directory: Path) -> tuple[Room, Room]:
    """Two sessions that share a cluster and an audit log."""
    first, second = Room(directory), Room(directory)
    second.store, second.queues = first.store, first.queues
    second.actions._context.store, second.actions._context.queues = first.store, first.queues
    first.queues.add("default", "a", "b")
    first.queues.add("mail", "c")
    return first, second


def begun(room: Room, queue: str, *, pid: int, host: str | None = None, ago: float = 3) -> AuditEntry:
    return AuditEntry(
        time=room.now - ago,
        user="ada",
        host=host or socket.gethostname(),
        profile="default",
        broker=room.actions._context.broker,
        action="purge",
        title=f"Purge {queue}",
        targets=[queue],
        plan={"id": "theirs", "session": "another", "pid": pid},
        outcome="intent",
    )


async def test_what_another_session_did_is_told_in_the_plan(tmp_path: Path) -> None:
    first, second = two(tmp_path)
    plan = await first.actions.plan(purge())
    await first.actions.act(plan.id, plan.word)
    second.now += 40
    second.queues.add("default", "d")
    warnings = (await second.actions.plan(purge())).warnings
    assert any("did this 40 s ago, in another session: Purge" in warning for warning in warnings), warnings
    assert not any("session" in warning for warning in (await second.actions.plan(purge("mail"))).warnings)
    assert not any("session" in warning for warning in (await first.actions.plan(purge())).warnings)
    second.now += 400
    assert not any("session" in warning for warning in (await second.actions.plan(purge())).warnings)


async def test_a_plan_is_refused_when_another_session_has_acted_since(tmp_path: Path) -> None:
    first, second = two(tmp_path)
    mine, theirs = await second.actions.plan(purge()), await first.actions.plan(purge())
    await first.actions.act(theirs.id, theirs.word)
    first.queues.add("default", "d")
    with pytest.raises(Refused, match="Since this plan was made") as refused:
        await second.actions.act(mine.id, mine.word)
    assert "Plan it again" in refused.value.hint and second.queues.ids("default") == ["d"]
    assert next(entry.outcome for entry in second.audit.entries()) == "refused"
    second.now += 1
    again = await second.actions.plan(purge())
    assert (await second.actions.act(again.id, again.word)).done == 1


async def test_of_two_that_begin_at_once_one_is_done(tmp_path: Path) -> None:
    first, second = two(tmp_path)
    plans = [await room.actions.plan(purge()) for room in (first, second)]
    ended = await asyncio.gather(
        *(room.actions.act(plan.id, plan.word) for room, plan in zip((first, second), plans, strict=True)),
        return_exceptions=True,
    )
    assert sorted(isinstance(each, Refused) for each in ended) == [False, True], ended
    assert first.queues.ids("default") == []


async def test_a_session_that_is_at_it_is_waited_for_and_a_dead_one_is_not(tmp_path: Path) -> None:
    room, _ = two(tmp_path)
    room.audit.append(begun(room, "default", pid=os.getpid()))
    plan = await room.actions.plan(purge())
    assert any("is at it now, in another session: Purge default (begun 3 s ago)" in w for w in plan.warnings)
    with pytest.raises(Refused, match="is at it in another session: Purge default"):
        await room.actions.act(plan.id, plan.word)
    assert room.queues.ids("default") == ["a", "b"]
    room.audit.append(begun(room, "mail", pid=_ended()))
    other = await room.actions.plan(purge("mail"))
    assert (await room.actions.act(other.id, other.word)).done == 1


async def test_another_machine_is_believed_for_a_minute(tmp_path: Path) -> None:
    room, _ = two(tmp_path)
    room.audit.append(begun(room, "default", pid=1, host="far", ago=30))
    plan = await room.actions.plan(purge())
    with pytest.raises(Refused, match="ada@far is at it"):
        await room.actions.act(plan.id, plan.word)
    room.audit.append(begun(room, "mail", pid=1, host="far", ago=90))
    other = await room.actions.plan(purge("mail"))
    assert (await room.actions.act(other.id, other.word)).done == 1


def _ended() -> int:
    """The id of a process that has ended."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid
