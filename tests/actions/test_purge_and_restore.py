from __future__ import annotations

import asyncio
import errno
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lazycelery.actions import backup
from lazycelery.actions.backup import BackupFile
from lazycelery.errors import ConnectionProblem, NothingFound, Refused, UsageError
from lazycelery.model.action import Order, Outcome, Plan
from lazycelery.model.message import StoredMessage
from tests.actions.fakes import Room


async def plan(room: Room, action: Any, target: str, **params: Any) -> Plan:
    return await room.actions.plan(Order(action=action, targets=[target], params=params))


async def do(room: Room, action: Any, target: str, **params: Any) -> Outcome:
    prepared = await plan(room, action, target, **params)
    return await room.actions.act(prepared.id, prepared.word)


def fill(room: Room) -> None:
    room.queues.add("default", "a", "b", "c")
    room.queues.add("default", "p", "q", priority=3)
    room.queues.unacked["default"] = 7


async def test_the_plan_counts_and_names_the_backup(room: Room) -> None:
    fill(room)
    prepared = await plan(room, "purge", "default")
    assert prepared.title == "Purge default: 5 messages (priority 0: 3 · 3: 2)"
    assert prepared.backup in prepared.question
    assert (prepared.level, prepared.word, prepared.count) == ("typed", "default", 5)
    assert re.search(r"\d{8}T\d{6}Z-default\.ndjson$", prepared.backup or "")
    assert prepared.warnings == ["7 unacknowledged messages are not touched: workers hold them."]


async def test_the_proof_counts_and_names_the_undo(room: Room) -> None:
    fill(room)
    outcome = await do(room, "purge", "default")
    assert outcome.proof == f"purged default: 5 removed, 0 left, backup {outcome.backup}"
    assert outcome.undo == f"lazycelery restore {outcome.backup} --allow restore"
    assert room.queues.ids("default") == []


async def test_restore_brings_all_back_in_order(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "PAGE", 2)
    fill(room)
    before = list(room.queues.lists["default"])
    purged = await do(room, "purge", "default")
    room.queues.add("default", "newcomer")
    restored = await do(room, "restore", purged.backup or "")
    assert room.queues.lists["default"][:5] == before
    assert room.queues.ids("default")[5:] == ["newcomer"]
    assert restored.proof.startswith("restored 5 of 5 messages from ")
    assert restored.proof.endswith("default: 1 before, 6 after")


async def test_restore_to_another_queue_keeps_priorities(room: Room) -> None:
    fill(room)
    purged = await do(room, "purge", "default")
    await do(room, "restore", purged.backup or "", queue="quarantine")
    assert [message.priority for message in room.queues.lists["quarantine"]] == [0, 0, 0, 3, 3]
    assert room.queues.ids("default") == []


async def test_a_second_restore_is_refused_and_again_asks_for_the_number(room: Room) -> None:
    fill(room)
    purged = await do(room, "purge", "default")
    first = await plan(room, "restore", purged.backup or "")
    assert (first.level, first.warnings) == ("letter", [])
    await room.actions.act(first.id)
    moved = Path(purged.backup or "").rename(room.audit.path.parent / "moved.ndjson")
    refused = await plan(room, "restore", str(moved))
    assert "restored before (2027-01-15 08:00:00 UTC)" in (refused.refused or "")
    with pytest.raises(Refused, match="restored before"):
        await room.actions.act(refused.id, refused.word)
    again = await plan(room, "restore", str(moved), again=True)
    assert (again.level, again.word) == ("typed", "5")
    assert "restored before (2027-01-15 08:00:00 UTC)" in again.warnings[0]


async def test_a_restore_that_put_nothing_back_does_not_count(room: Room) -> None:
    fill(room)
    purged = await do(room, "purge", "default")
    room.queues.fail_put_back_after = 0
    assert (await do(room, "restore", purged.backup or "")).done == 0
    assert (await plan(room, "restore", purged.backup or "")).level == "letter"


async def test_a_restore_that_breaks_off_leaves_the_rest_as_a_backup(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PAGE", 2)
    room.queues.add("default", *"abcdefg")
    before = list(room.queues.lists["default"])
    purged = await do(room, "purge", "default")
    room.queues.fail_put_back_after = 2
    broken = await do(room, "restore", purged.backup or "")
    assert (broken.done, broken.failed) == (3, 4)
    assert "stopped: The connection is lost." in broken.proof
    room.queues.fail_put_back_after = None
    await do(room, "restore", broken.backup or "")
    assert room.queues.lists["default"] == before


async def test_where_messages_can_only_be_appended_the_first_page_goes_first(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PAGE", 2)
    room.queues.fills_front = False
    room.queues.add("default", *"abcdefg")
    before = list(room.queues.lists["default"])
    purged = await do(room, "purge", "default")
    room.queues.fail_put_back_after = 2
    broken = await do(room, "restore", purged.backup or "")
    assert (broken.done, broken.failed) == (4, 3)
    room.queues.fail_put_back_after = None
    await do(room, "restore", broken.backup or "")
    assert room.queues.lists["default"] == before


@pytest.mark.parametrize("front", [True, False])
async def test_a_page_that_was_taken_in_part_ends_the_restore_and_the_rest_can_be_had(
    room: Room, monkeypatch: pytest.MonkeyPatch, front: bool
) -> None:
    monkeypatch.setattr(backup, "PAGE", 3)
    room.queues.fills_front = front
    room.queues.add("default", *"abcdefgh")
    before = list(room.queues.lists["default"])
    purged = await do(room, "purge", "default")
    put_back, pages = room.queues.put_back, list[int]()

    async def partly(messages: Sequence[StoredMessage]) -> int:
        pages.append(len(messages))
        return await put_back(messages if len(pages) != 2 else messages[-1:] if front else messages[:1])

    monkeypatch.setattr(room.queues, "put_back", partly)
    broken = await do(room, "restore", purged.backup or "")
    assert len(pages) == 2, "what follows would stand at the wrong place"
    assert (broken.done, broken.failed) == ((3, 5) if front else (4, 4))
    assert "did not take more" in broken.proof
    await do(room, "restore", broken.backup or "")
    assert room.queues.lists["default"] == before


async def test_a_backup_of_another_broker_is_warned_of(room: Room, tmp_path: Path) -> None:
    fill(room)
    purged = await do(room, "purge", "default")
    other = Room(tmp_path / "other", broker="redis://elsewhere/1")
    prepared = await plan(other, "restore", purged.backup or "")
    assert any("taken from redis://ada:***@db1:6379/0" in warning for warning in prepared.warnings)


async def test_a_backup_changed_after_the_plan_is_refused(room: Room, tmp_path: Path) -> None:
    fill(room)
    first = await do(room, "purge", "default")
    room.queues.add("default", "x")
    second = await do(room, "purge", "default")
    prepared = await plan(room, "restore", first.backup or "")
    Path(second.backup or "").replace(first.backup or "")
    with pytest.raises(Refused, match="changed since"):
        await room.actions.act(prepared.id, prepared.word)


async def test_an_unknown_queue_is_told_with_the_nearest(room: Room) -> None:
    fill(room)
    with pytest.raises(NothingFound) as missing:
        await plan(room, "purge", "defualt")
    assert missing.value.hint == "Did you mean default?"


async def test_an_empty_queue_has_nothing_to_purge(room: Room) -> None:
    room.queues.lists["default"] = []
    with pytest.raises(NothingFound, match="default is empty") as nothing:
        await plan(room, "purge", "default")
    assert nothing.value.hint == "There is nothing to do."


async def test_purge_takes_one_queue_and_no_filter(room: Room) -> None:
    with pytest.raises(UsageError):
        await room.actions.plan(Order(action="purge", targets=["a", "b"]))
    with pytest.raises(UsageError):
        await room.actions.plan(Order(action="purge", filter="queue:a"))


async def test_a_given_backup_file_is_used_and_never_overwritten(room: Room, tmp_path: Path) -> None:
    fill(room)
    mine = tmp_path / "mine.ndjson"
    assert (await do(room, "purge", "default", backup=str(mine))).backup == str(mine)
    assert BackupFile(mine).total == 5
    fill(room)
    with pytest.raises(Refused, match="exists already"):
        await plan(room, "purge", "default", backup=str(mine))


async def test_a_failed_purge_that_put_all_back_leaves_no_file(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def purge(queue: str, save: Any) -> Any:
        save(room.queues.lists[queue])
        raise ConnectionProblem("The broker went away.", nothing_done=True)

    fill(room)
    monkeypatch.setattr(room.queues, "purge", purge)
    with pytest.raises(ConnectionProblem) as told:
        await do(room, "purge", "default")
    assert told.value.hint == "default is as it was."
    assert list((room.audit.path.parent / "backups").iterdir()) == []


async def test_a_failed_purge_that_lost_sight_of_messages_keeps_them(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def purge(queue: str, save: Any) -> Any:
        save(room.queues.lists.pop(queue))
        raise ConnectionProblem("The broker went away.")

    fill(room)
    monkeypatch.setattr(room.queues, "purge", purge)
    with pytest.raises(ConnectionProblem) as told:
        await do(room, "purge", "default")
    (part,) = (room.audit.path.parent / "backups").iterdir()
    assert part.name in told.value.hint
    assert BackupFile(part).total == 5
    prepared = await plan(room, "restore", str(part))
    assert prepared.level == "typed"
    assert "incomplete" in prepared.warnings[0]
    await room.actions.act(prepared.id, prepared.word)
    assert room.queues.ids("default") == ["a", "b", "c", "p", "q"]


async def test_a_disk_that_fills_at_the_last_line_still_has_every_message(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(room)
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        if b'"footer"' in bytes(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    outcome = await do(room, "purge", "default")
    assert (outcome.backup or "").endswith(".part")
    assert "No space left" in outcome.proof
    assert BackupFile(Path(outcome.backup or "")).total == 5


async def test_what_a_purge_left_aside_is_put_back_instead_of_the_file(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    aside = {"default.aside": 5}

    async def leftovers() -> list[str]:
        return [*aside, "mail.aside"]

    async def recover(key: str) -> int:
        return aside.pop(key)

    fill(room)
    purged = Path((await do(room, "purge", "default")).backup or "")
    part = purged.with_name(purged.name + ".part")
    part.write_bytes(b"".join(purged.read_bytes().splitlines(keepends=True)[:3]))
    monkeypatch.setattr(room.queues, "leftovers", leftovers, raising=False)
    monkeypatch.setattr(room.queues, "recover", recover, raising=False)
    monkeypatch.setattr(room.queues, "left_of", lambda key, queue: key == f"{queue}.aside", raising=False)
    room.queues.add("default", "new")
    assert any(".part" in warning for warning in (await plan(room, "purge", "default")).warnings)
    outcome = await do(room, "restore", str(part))
    assert outcome.proof == "put back 5 messages of default that never left the broker"
    assert room.queues.ids("default") == ["new"]


async def test_a_restore_that_was_broken_off_is_not_taken_for_undone(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(room)
    purged = await do(room, "purge", "default")
    begun = asyncio.Event()

    async def put_back(messages: Any) -> int:
        begun.set()
        await asyncio.Event().wait()
        return 0

    with monkeypatch.context() as patched:
        patched.setattr(room.queues, "put_back", put_back)
        prepared = await plan(room, "restore", purged.backup or "")
        asking = asyncio.ensure_future(room.actions.act(prepared.id, prepared.word))
        await begun.wait()
        asking.cancel()
        assert not await room.actions.settle(0.05), "whoever asked has gone, the action goes on"
        (running,) = room.actions._running
        running.cancel()
        assert await room.actions.settle()
    last = next(room.audit.entries())
    assert (last.outcome, last.plan["done"]) == ("failed", None)
    again = await plan(room, "restore", purged.backup or "")
    assert (again.level, "cannot be told from the others" in again.warnings[0]) == ("typed", True)
