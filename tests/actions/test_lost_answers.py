"""What is said, kept and logged when the broker goes away in the middle of an action."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from lazycelery.actions import backup
from lazycelery.actions.backup import BackupFile
from lazycelery.errors import LazyCeleryError
from lazycelery.model.action import Order
from lazycelery.model.event import Event
from lazycelery.model.message import StoredMessage
from tests.actions.cut_line import cut_line
from tests.actions.live import Live, live
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


async def purged(broker: RedisServer, tmp_path: Path, number: int) -> tuple[list[bytes], str]:
    raws = fill(broker, number)
    async with live(broker.url, tmp_path, results=False) as here:
        return raws, (await here.do("purge", "q")).backup or ""


async def test_a_page_whose_answer_was_lost_is_unknown_and_no_message_is_lost(
    broker: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PAGE", 2)
    raws, path = await purged(broker, tmp_path, 6)
    async with cut_line(broker.port) as (line, url), live(url, tmp_path, results=False) as here:
        line.cut_at, line.deliver = (b"RPUSH", b"q-2"), True
        outcome = await here.do("restore", path)
        assert (outcome.done, outcome.unknown, outcome.failed) == (2, 2, 2)
        assert "Whether 2 messages more are back is not known" in outcome.proof
        entry = next(here.audit.entries())
        assert (entry.outcome, entry.plan["done"], entry.plan["unknown"]) == ("partly done", 2, 2)
    assert waiting(broker) == raws[2:], "the answer was lost, the messages were not"
    files = {name: next((tmp_path / "backups").glob(f"*-{name}.ndjson")) for name in ("rest", "unsure")}
    assert str(files["unsure"]) in outcome.proof
    assert [message.raw for message in next(BackupFile(files["unsure"]).pages())] == raws[2:4]
    async with live(broker.url, tmp_path, results=False) as here:
        await here.do("restore", str(files["rest"]))
    assert waiting(broker) == raws


async def test_the_first_page_of_a_restore_is_not_called_undone_when_its_answer_is_lost(
    broker: RedisServer, tmp_path: Path
) -> None:
    raws, path = await purged(broker, tmp_path, 3)
    async with cut_line(broker.port) as (line, url), live(url, tmp_path, results=False) as here:
        line.cut_at, line.deliver = (b"RPUSH",), True
        assert (await here.do("restore", path)).unknown == 3
        entry = next(here.audit.entries())
        assert (entry.outcome, entry.plan["done"]) == ("unknown", None)
        again = await here.actions.plan(Order(action="restore", targets=[path]))
        assert "restored before" in again.warnings[0]
    assert waiting(broker) == raws


async def test_a_restore_into_what_is_no_queue_puts_nothing_back_at_all(
    broker: RedisServer, tmp_path: Path
) -> None:
    client = broker.client()
    client.lpush("q\x06\x163", task_message("p", priority=3))
    _, path = await purged(broker, tmp_path, 3)
    client.set("q\x06\x163", "x")
    async with live(broker.url, tmp_path, results=False) as here:
        outcome = await here.do("restore", path)
        assert (outcome.done, outcome.unknown, outcome.failed) == (0, 0, 4)
        assert (await here.actions.plan(Order(action="restore", targets=[path]))).level == "letter"
    assert waiting(broker) == []


async def test_a_backup_that_cannot_be_read_on_leaves_a_told_end(
    broker: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "PAGE", 2)
    raws, path = await purged(broker, tmp_path, 4)
    real, read = BackupFile._message, [0]

    def message(file: BackupFile, raw: bytes) -> StoredMessage:
        read[0] += 1
        if read[0] == 3:
            raise OSError(5, "Input/output error")
        return real(file, raw)

    monkeypatch.setattr(BackupFile, "_message", message)
    async with live(broker.url, tmp_path, results=False) as here:
        outcome = await here.do("restore", path)
    assert (outcome.done, outcome.failed, outcome.unknown) == (2, 2, 0)
    assert "Input/output error" in outcome.proof
    assert [each.raw for each in next(BackupFile(Path(outcome.backup or "")).pages())] == raws[:2]


async def failed(here: Live, raw: bytes, queue: str) -> None:
    here.store.raw.keep("old", StoredMessage(queue=queue, priority=0, raw=raw))
    now = time.time()
    event = Event(type="task-failed", hostname="w@a", timestamp=now, received=now, uuid="old")
    here.store.apply_events([event])


async def test_a_retry_whose_answer_was_lost_is_looked_for_and_found(
    broker: RedisServer, tmp_path: Path
) -> None:
    async with cut_line(broker.port) as (line, url), live(url, tmp_path, results=False) as here:
        await failed(here, task_message("old"), "bound-to-nothing")
        line.cut_at, line.deliver = (b"LPUSH",), True
        outcome = await here.do("retry", "old", queue="bound-to-nothing")
        assert (outcome.done, outcome.unknown, outcome.failed) == (1, 0, 0)
        assert "in bound-to-nothing, although the answer was lost" in outcome.proof
    assert broker.client().llen("bound-to-nothing") == 1


async def test_a_retry_that_nobody_can_find_may_have_been_sent_and_its_new_id_is_logged(
    broker: RedisServer, tmp_path: Path
) -> None:
    client = broker.client()
    async with cut_line(broker.port) as (line, url), live(url, tmp_path, results=False) as here:
        await failed(here, task_message("old"), "q")
        line.cut_at, line.deliver = (b"LPUSH",), True
        line.meanwhile = lambda: client.delete("q") and None
        outcome = await here.do("retry", "old", queue="q")
        assert (outcome.done, outcome.unknown, outcome.failed) == (0, 1, 0)
        assert "may have been sent as" in outcome.proof
        entry = next(here.audit.entries())
        assert (entry.outcome, entry.plan["done"]) == ("unknown", None)
        assert entry.plan["new_ids"] == {"old": outcome.items[0].new_id}


async def test_a_refused_retry_is_a_failure(broker: RedisServer, tmp_path: Path) -> None:
    broker.client().set("q", "x")
    async with live(broker.url, tmp_path, results=False) as here:
        await failed(here, task_message("old"), "q")
        with pytest.raises(LazyCeleryError):
            await here.do("retry", "old", queue="q")
        assert next(here.audit.entries()).plan["done"] == 0
