"""What is said, kept and logged when the broker goes away in the middle of an action."""

from __future__ import annotations

from pathlib import Path

import pytest

from lazycelery.actions.backup import BackupFile
from lazycelery.errors import LazyCeleryError
from lazycelery.model.action import Order
from tests.actions.cut_line import cut_line
from tests.actions.live import live
from tests.sources.conftest import task_message
from tests.support.broker import RedisServer

pytestmark = pytest.mark.broker
BOUND = "q\x06\x16\x06\x16q"


def fill(broker: RedisServer, number: int, queue: str = "q", start: int = 0) -> list[bytes]:
    """Messages in the order in which they run."""
    client = broker.client()
    raws = [task_message(f"{queue}-{each}") for each in range(start, start + number)]
    client.sadd("_kombu.binding.celery", BOUND)
    for raw in raws:
        client.lpush(queue, raw)
    return raws


def waiting(broker: RedisServer, queue: str = "q") -> list[bytes]:
    return list(reversed(broker.client().lrange(queue, 0, -1)))  # type: ignore[arg-type]


async def test_a_purge_that_loses_its_broker_before_the_first_page_keeps_the_way_back(
    broker: RedisServer, tmp_path: Path
) -> None:
    raws = fill(broker, 3)
    async with cut_line(broker.port) as (line, url), live(url, tmp_path, results=False) as here:
        plan = await here.actions.plan(Order(action="purge", targets=["q"]))
        line.cut_at, line.stays = (b"LRANGE", b"lazycelery-purge"), True
        with pytest.raises(LazyCeleryError) as told:
            await here.actions.act(plan.id, plan.word)
        (part,) = (tmp_path / "backups").iterdir()
        assert "as it was" not in told.value.hint
        assert f"lazycelery restore {part} --allow restore" in told.value.hint
        entry = next(here.audit.entries())
        assert (entry.outcome, entry.backup, entry.plan["done"]) == ("failed", str(part), None)
    assert BackupFile(part).total == 0
    async with live(broker.url, tmp_path, results=False) as here:
        outcome = await here.do("restore", str(part))
        assert outcome.proof == "put back 3 messages of q that never left the broker"
    assert waiting(broker) == raws


async def test_the_backup_stays_when_the_answer_of_the_removal_is_lost(
    broker: RedisServer, tmp_path: Path
) -> None:
    raws = fill(broker, 3)
    async with cut_line(broker.port) as (line, url), live(url, tmp_path, results=False) as here:
        plan = await here.actions.plan(Order(action="purge", targets=["q"]))
        line.cut_at, line.deliver = (b"UNLINK",), True
        line.meanwhile = lambda: fill(broker, 5, start=100) and None
        with pytest.raises(LazyCeleryError) as told:
            await here.actions.act(plan.id, plan.word)
        (part,) = (tmp_path / "backups").iterdir()
        assert "were removed is not known" in told.value.hint
        assert BackupFile(part).total == 3
        await here.do("restore", str(part))
    assert waiting(broker)[:3] == raws
    assert len(waiting(broker)) == 8


async def test_a_purge_whose_broker_comes_back_at_once_leaves_all_as_it_was(
    broker: RedisServer, tmp_path: Path
) -> None:
    raws = fill(broker, 3)
    async with cut_line(broker.port) as (line, url), live(url, tmp_path, results=False) as here:
        plan = await here.actions.plan(Order(action="purge", targets=["q"]))
        line.cut_at = (b"LRANGE", b"lazycelery-purge")
        with pytest.raises(LazyCeleryError) as told:
            await here.actions.act(plan.id, plan.word)
        assert told.value.hint.endswith("q is as it was.")
        assert list((tmp_path / "backups").iterdir()) == []
        entry = next(here.audit.entries())
        assert (entry.backup, entry.plan["done"]) == (None, 0), "no file is named that is not there"
    assert waiting(broker) == raws


async def test_only_the_leftovers_of_its_own_queue_are_put_back(broker: RedisServer, tmp_path: Path) -> None:
    client = broker.client()
    others = "emails.lazycelery-purge-1234"
    client.lpush(others, *fill(broker, 3, "emails"))
    client.delete("emails")
    raws = [task_message(f"c-{each}", priority=6) for each in range(2)]
    client.lpush("celery\x06\x166.lazycelery-purge-9", *raws)
    async with live(broker.url, tmp_path, results=False) as here:
        queues = here.broker.queues
        assert queues.left_of(others, "emails")
        assert not queues.left_of(others, "celery")
        assert [key for key in await queues.leftovers() if queues.left_of(key, "celery")] == [
            "celery\x06\x166.lazycelery-purge-9"
        ]


async def test_messages_that_somebody_else_gave_back_are_not_counted_as_removed(
    broker: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lazycelery.actions import backup

    raws = fill(broker, 3)
    client, real = broker.client(), backup.BackupWriter.add

    def add(writer: backup.BackupWriter, lines: object) -> None:
        real(writer, lines)  # type: ignore[arg-type]
        for held in client.scan_iter("q.lazycelery-purge-*"):
            client.rename(held, "q")

    monkeypatch.setattr(backup.BackupWriter, "add", add)
    async with live(broker.url, tmp_path, results=False) as here:
        outcome = await here.do("purge", "q")
    assert outcome.done == 0
    assert "3 messages of it were given back by somebody else" in outcome.proof
    assert waiting(broker) == raws


async def test_what_is_added_to_the_held_messages_is_saved_before_they_are_removed(
    broker: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lazycelery.actions import backup

    raws = [*fill(broker, 3), task_message("late")]
    client, late = broker.client(), [raws[-1]]
    add_lines = backup.BackupWriter.add

    def add(writer: backup.BackupWriter, lines: object) -> None:
        add_lines(writer, lines)  # type: ignore[arg-type]
        for held in client.scan_iter("q.lazycelery-purge-*"):
            if late:
                client.lpush(held, late.pop())

    monkeypatch.setattr(backup.BackupWriter, "add", add)
    async with live(broker.url, tmp_path, results=False) as here:
        outcome = await here.do("purge", "q")
        assert (outcome.done, list(client.scan_iter("q*"))) == (4, [])
        await here.do("restore", outcome.backup or "")
    assert waiting(broker) == raws
