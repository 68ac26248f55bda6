"""What is told of a pass through a queue that did not come to all that was meant."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lazycelery.actions import backup, cut_off, saving
from lazycelery.errors import Refused, UsageError
from lazycelery.model.action import Order, Outcome
from lazycelery.model.message import StoredMessage
from lazycelery.sources.protocols.sifting import Looked, Pace, Pick, Save, Settled, Shifted
from tests.actions.fakes import FakeQueues, Room, raw


class Sifted(FakeQueues):
    """Queues of which single messages can be taken; a pass looks at `most_looked` of them."""

    may_double = False

    def __init__(self) -> None:
        super().__init__()
        self.most_looked = 1000

    async def cost(self, queue: str) -> list[str]:
        return []

    async def look_through(self, queue: str, show: Callable[[StoredMessage], None], most: int) -> Looked:
        waiting = self.lists.get(queue, [])
        for message in waiting[:most]:
            show(message)
        return Looked(total=len(waiting), looked=len(waiting[:most]))

    async def shift(
        self,
        queue: str,
        pick: Pick,
        save: Save,
        settled: Settled,
        most: int,
        front: bool = False,
        pace: Pace | None = None,
    ) -> Shifted:
        waiting = self.lists.get(queue, [])
        told = Shifted(total=len(waiting), looked=len(waiting[: self.most_looked]))
        told.cut = "that is as many as one pass takes" if told.looked < told.total else ""
        for message in waiting[: self.most_looked]:
            target = pick(message)
            if target is not None:
                save([message])
                waiting.remove(message)
                if target:
                    self.lists.setdefault(target, []).append(message)
                settled([True])
                told.done[target] = told.done.get(target, 0) + 1
        return told


@pytest.fixture
def room(tmp_path: Path) -> Room:
    room = Room(tmp_path)
    room.queues = room.actions._context.queues = Sifted()  # type: ignore[assignment]
    return room


async def do(
    room: Room, action: str, *targets: str, filter: str | None = None, looked: int = 1000
) -> Outcome:
    order = Order(action=action, targets=list(targets), filter=filter)  # type: ignore[arg-type]
    plan = await room.actions.plan(order)
    room.queues.most_looked = looked  # type: ignore[attr-defined]
    return await room.actions.act(plan.id, plan.word)


async def test_workers_are_not_said_to_have_taken_what_a_pass_did_not_come_to(room: Room) -> None:
    room.queues.add("default", *"abcdef")
    room.queues.add("other")
    outcome = await do(room, "move", "default", "other", filter="name:shop.add", looked=2)
    assert (outcome.done, outcome.failed) == (2, 4)
    assert [item.text for item in outcome.items if not item.ok] == ["not reached"] * 4
    assert "only 2 of 6 were looked at: that is as many as one pass takes" in outcome.proof


async def test_a_move_to_a_queue_without_a_name_removes_nothing(room: Room) -> None:
    room.queues.add("default", *"abc")
    with pytest.raises(UsageError, match="has no name"):
        await do(room, "move", "default", "")
    assert room.queues.ids("default") == [*"abc"]


async def test_what_was_gone_by_then_was_taken_by_workers(room: Room) -> None:
    room.queues.add("default", *"abc")
    room.queues.add("other")
    plan = await room.actions.plan(Order(action="move", targets=["default", "other"], filter="name:shop.add"))
    del room.queues.lists["default"][0]
    outcome = await room.actions.act(plan.id, plan.word)
    assert [item.text for item in outcome.items if not item.ok] == ["no longer there: a worker took it"]
    assert "; 1 message no longer there: workers took them" in outcome.proof


async def test_a_move_that_was_cut_off_is_mended_only_when_all_of_it_was_seen(room: Room) -> None:
    room.queues.add("default")
    room.queues.add("other", *"abcd")
    context = room.actions._context
    path = saving.backup_path(context, Order(action="move"), "default")
    writer = backup.BackupWriter(path, saving.header(context, "default", "move", "other"))
    saving.save(context, writer, room.queues.lists["other"])
    writer.settle([True] * 4)
    part = writer.keep()
    outcome = await do(room, "restore", str(part), looked=1)
    assert (outcome.done, outcome.failed) == (1, 3)
    assert [each.path for each in cut_off.find(room.profile, context.broker)] == [str(part)]
    outcome = await do(room, "restore", str(part))
    assert outcome.done == 3 and cut_off.find(room.profile, context.broker) == []


async def test_what_never_left_its_queue_hides_no_other_that_is_missing(room: Room) -> None:
    room.queues.add("default", "a", "b")  # Published to the target as well, and not yet acknowledged.
    room.queues.add("other", "a", "b", "c")
    context = room.actions._context
    path = saving.backup_path(context, Order(action="move"), "default")
    writer = backup.BackupWriter(path, saving.header(context, "default", "move", "other"))
    message = {"queue": "default", "priority": 0, "position": 0}
    saving.save(context, writer, [StoredMessage(raw=raw(id), **message) for id in "cde"])  # type: ignore[arg-type]
    writer.settle([True] * 3)
    saving.save(context, writer, [StoredMessage(raw=raw(id), **message) for id in "ab"])  # type: ignore[arg-type]
    outcome = await do(room, "restore", str(writer.keep()))
    assert (room.queues.ids("default"), room.queues.ids("other")) == (["a", "b", "c"], [])
    assert (outcome.done, outcome.failed) == (3, 2), "d and e ran meanwhile"


async def test_the_backup_of_what_still_runs_is_not_restored(room: Room) -> None:
    room.queues.add("default")
    context = room.actions._context
    path = saving.backup_path(context, Order(action="delete"), "default")
    writer = backup.BackupWriter(path, saving.header(context, "default", "delete"))
    saving.save(context, writer, [StoredMessage(queue="default", priority=0, raw=raw("a"), position=0)])
    with pytest.raises(Refused, match="still runs"):
        await room.actions.plan(Order(action="restore", targets=[str(writer.part)]))
    assert (await do(room, "restore", str(writer.keep()))).done == 1


async def broken_off(room: Room, file: str, done: int, **params: Any) -> None:
    """A restore that comes so far, and of which nobody knows it."""
    put_back, begun = room.queues.put_back, asyncio.Event()

    async def some(messages: Sequence[StoredMessage]) -> int:
        await put_back(sorted(messages, key=lambda each: each.position)[:done])
        begun.set()
        await asyncio.Event().wait()
        return 0

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(room.queues, "put_back", some)
        plan = await room.actions.plan(Order(action="restore", targets=[file], params=params))
        assert plan.refused is None
        asking = asyncio.ensure_future(room.actions.act(plan.id, plan.word))
        await begun.wait()
        (running,) = room.actions._running
        running.cancel()
        await asyncio.wait([asking])
    room.now += 1


@pytest.mark.parametrize(
    ("into", "then"), [(None, None), ("other", None), (None, "other"), ("other", "third"), ("other", "other")]
)
async def test_what_a_restore_that_was_broken_off_put_back_is_left_out_wherever_it_waits(
    room: Room, into: str | None, then: str | None
) -> None:
    """Also when the next one goes to another queue."""
    room.queues.add("default", *"abcd")
    file = str((await do(room, "purge", "default")).backup)
    room.now += 1
    await broken_off(room, file, 2, queue=into)
    assert room.queues.ids(into or "default") == ["a", "b"]
    again = Order(action="restore", targets=[file], params={"queue": then, "again": True})
    plan = await room.actions.plan(again)
    assert plan.refused is None and plan.count == 2
    assert "2 messages that it put back wait there, and are left out" in plan.warnings[0]
    outcome = await room.actions.act(plan.id, plan.word)
    assert outcome.done == 2
    assert sorted(id for each in room.queues.lists for id in room.queues.ids(each)) == [*"abcd"]


async def test_all_restores_that_were_broken_off_are_looked_after(room: Room) -> None:
    room.queues.add("default", *"abcd")
    file = str((await do(room, "purge", "default")).backup)
    room.now += 1
    await broken_off(room, file, 1)
    await broken_off(room, file, 2, queue="other", again=True)
    plan = await room.actions.plan(Order(action="restore", targets=[file], params={"again": True}))
    assert plan.count == 1
    assert (await room.actions.act(plan.id, plan.word)).done == 1
    assert sorted(id for each in room.queues.lists for id in room.queues.ids(each)) == [*"abcd"]
    # That one came to its end: it is no more broken off.
    last = await room.actions.plan(Order(action="restore", targets=[file]))
    assert last.refused is not None and "was restored before" in last.refused
