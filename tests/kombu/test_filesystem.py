"""filesystem:// with real workers: what is seen, every action, and nothing of ours left behind."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lazycelery.errors import ConnectionProblem, LazyCeleryError, UsageError
from lazycelery.model.action import Order, Outcome
from lazycelery.model.message import StoredMessage
from lazycelery.model.profile import Profile
from lazycelery.sources import open_broker
from lazycelery.sources.control import Control
from lazycelery.sources.protocols.queues import Recovery
from lazycelery.sources.protocols.sifting import GONE, Sifting
from lazycelery.sources.wire import task_id_of
from tests.kombu.conftest import Folder, OpenBroker, OpenEngine, ended, until
from tests.support.fleet import CeleryWorker

Worker = Callable[..., CeleryWorker]


async def do(engine, order: Order) -> Outcome:  # type: ignore[no-untyped-def]
    plan = await engine.plan(order)
    assert plan.refused is None, plan.refused
    return await engine.act(plan.id, plan.word)


@pytest.mark.broker
async def test_a_folder_is_enough_to_see_workers_queues_and_tasks(
    folder: Folder, worker: Worker, open_engine: OpenEngine, tmp_path: Path
) -> None:
    worker("w1", queues="celery,mail")
    engine = await open_engine(folder.url, allow=["revoke", "retry", "purge", "restore"])
    overview = await engine.ready(15)
    assert (overview.workers_online, overview.transport, overview.lacks.get("events")) == (
        1,
        "filesystem",
        None,
    )
    [seen] = await engine.workers()
    assert (seen.name, seen.state, seen.pool) == ("w1@test", "online", "prefork")
    assert sorted(seen.queues) == ["celery", "mail"]

    failed = folder.send("shop.charge", 77)
    assert await ended(engine, failed, "failure")
    assert "card declined for order 77" in ((await engine.task(failed)).error or "")

    gate = tmp_path / "gate"
    running = folder.send("shop.wait_for", str(gate))
    assert await ended(engine, running, "started")

    async def active() -> bool:
        return [task["id"] for task in (await engine.worker("w1@test")).active] == [running]

    assert await until(active)

    waiting = folder.send("shop.add", 1, 2, queue="nobody")

    async def counted() -> bool:
        await engine.refresh()
        depths = {queue.name: (queue.messages, queue.workers) for queue in await engine.queues()}
        return depths.get("nobody") == (1, []) and depths.get("mail") == (0, ["w1@test"])

    assert await until(counted)
    [message] = (await engine.peek("nobody")).messages
    assert (message.id, message.task, message.args) == (waiting, "shop.add", [1, 2])
    assert folder.files("nobody"), "a look takes nothing"

    revoked = folder.send("shop.nap", 60, countdown=30)
    assert await ended(engine, revoked, "scheduled")
    outcome = await do(engine, Order(action="revoke", targets=[revoked]))
    assert outcome.done == 1 and not outcome.failed

    outcome = await do(engine, Order(action="retry", targets=[failed]))
    [item] = outcome.items
    assert item.new_id and await ended(engine, item.new_id, "failure")
    gate.touch()
    assert await ended(engine, running, "success")
    await engine.close()
    assert folder.ours() == []


@pytest.mark.broker
async def test_a_purge_is_backed_up_and_a_restore_puts_it_back_in_order(
    folder: Folder, open_engine: OpenEngine
) -> None:
    ids = [folder.send("shop.add", number, 1, queue="mail") for number in range(5)]
    engine = await open_engine(folder.url, allow=["purge", "restore"], timeout=0.5)
    await engine.ready(15)
    outcome = await do(engine, Order(action="purge", targets=["mail"]))
    assert outcome.done == 5 and outcome.backup and folder.files("mail") == []
    later = folder.send("shop.add", 9, 9, queue="mail")
    outcome = await do(engine, Order(action="restore", targets=[str(outcome.backup)]))
    assert outcome.done == 5
    assert [message.id for message in (await engine.peek("mail")).messages] == [*ids, later]


async def test_a_purge_that_cannot_be_saved_changes_nothing(folder: Folder, opened: OpenBroker) -> None:
    for number in range(3):
        folder.send("shop.add", number, 1, queue="mail")
    before = folder.files("mail")
    broker = await opened(folder.url)

    def save(page: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(LazyCeleryError, match="No space left") as raised:
        await broker.queues.purge("mail", save)
    assert raised.value.nothing_done and folder.files("mail") == before


async def test_what_is_being_written_is_saved_whole(folder: Folder, opened: OpenBroker) -> None:
    folder.send("shop.add", 1, 1, queue="mail")
    content = (folder.path / folder.files("mail")[0]).read_bytes()
    queues = (await opened(folder.url)).queues
    assert isinstance(queues, Sifting)

    def slowly() -> None:
        with open(folder.path / "9999999999_late.mail.msg", "wb", buffering=0) as file:
            begun.set()
            time.sleep(0.2)
            fcntl.flock(file, fcntl.LOCK_EX)
            file.write(content[:50])
            time.sleep(0.2)
            file.write(content[50:])

    for how in ("delete", "purge"):
        saved, begun = list[bytes](), threading.Event()

        def save(page: Sequence[StoredMessage], saved: list[bytes] = saved) -> None:
            saved.extend(message.raw for message in page)

        writer = threading.Thread(target=slowly)
        writer.start()
        begun.wait()
        if how == "purge":
            await queues.purge("mail", save)
        else:
            await queues.shift("mail", lambda message: GONE, save, lambda done: None, 100)
        writer.join()
        assert saved[-1] == content and folder.files("mail") == []


async def test_a_slow_disk_does_not_part_a_deletion_from_its_backup(
    folder: Folder, opened: OpenBroker
) -> None:
    folder.send("shop.add", 1, 1, queue="mail")
    queues = (await opened(folder.url)).queues
    assert isinstance(queues, Sifting)
    settled = list[bool]()
    told = await queues.shift(
        "mail", lambda message: GONE, lambda page: time.sleep(5.2), lambda done: settled.extend(done), 100
    )
    assert (told.done, told.problem, settled) == ({GONE: 1}, "", [True])


async def test_a_purge_that_was_killed_is_found_and_put_back(folder: Folder, opened: OpenBroker) -> None:
    for number in range(3):
        folder.send("shop.add", number, 1, queue="mail")
    before = folder.files("mail")
    aside = folder.path / "lazycelery-purge-dead"
    aside.mkdir()
    for name in before[:2]:
        os.rename(folder.path / name, aside / name)
    queues = (await opened(folder.url)).queues
    assert isinstance(queues, Recovery)
    [key] = await queues.leftovers()
    assert queues.left_of(key, "mail") and not queues.left_of(key, "celery")
    assert await queues.recover(key) == 2
    assert folder.files("mail") == before and await queues.leftovers() == []


async def test_picked_messages_are_moved_or_removed_one_by_one_in_order(
    folder: Folder, opened: OpenBroker
) -> None:
    ids = [folder.send("shop.echo", number, queue="mail") for number in range(6)]
    there = folder.send("shop.echo", 9, queue="late")
    queues = (await opened(folder.url)).queues
    assert isinstance(queues, Sifting) and await queues.cost("mail") == []
    seen: list[str] = []
    looked = await queues.look_through("mail", lambda message: seen.append(str(task_id_of(message.raw))), 4)
    assert seen == ids[:4] and (looked.total, looked.looked) == (6, 4) and looked.cut
    saved: list[StoredMessage] = []
    answers: list[bool] = []
    where = {ids[1]: "late", ids[3]: "late", ids[4]: GONE}

    def pick(message: StoredMessage) -> str | None:
        return where.get(str(task_id_of(message.raw)))

    def save(page: Sequence[StoredMessage]) -> None:
        assert len(folder.files("mail")) == 6, "saved before they are touched"
        os.unlink(folder.path / folder.files("mail")[3])  # A worker takes one meanwhile.
        saved.extend(page)

    told = await queues.shift("mail", pick, save, answers.extend, 100)
    assert told.done == {"late": 1, GONE: 1} and told.missed == 1 and answers == [True, False, True]
    assert [task_id_of(message.raw) for message in saved] == [ids[1], ids[3], ids[4]]
    assert [m.id for m in (await queues.peek("late")).messages] == [there, ids[1]]
    assert [m.id for m in (await queues.peek("mail")).messages] == [ids[0], ids[2], ids[5]]
    front = {ids[0]: "late", ids[2]: "late"}
    await queues.shift(
        "mail", lambda m: front.get(str(task_id_of(m.raw))), lambda p: None, lambda a: None, 9, True
    )
    assert [m.id for m in (await queues.peek("late")).messages] == [ids[0], ids[2], there, ids[1]]


async def test_a_move_that_cannot_be_saved_does_nothing(folder: Folder, opened: OpenBroker) -> None:
    folder.send("shop.echo", 1, queue="mail")
    before = folder.files("mail")
    queues = (await opened(folder.url)).queues

    def save(page: object) -> None:
        raise LazyCeleryError("The disk is full.")

    with pytest.raises(LazyCeleryError, match="disk is full") as raised:
        await queues.shift("mail", lambda message: "late", save, lambda answers: None, 9)
    assert raised.value.nothing_done and folder.files("mail") == before


async def test_find_and_publish_keep_messages_to_the_byte_and_their_order(
    folder: Folder, opened: OpenBroker
) -> None:
    ids = [folder.send("shop.echo", number, queue="mail") for number in range(4)]
    queues = (await opened(folder.url)).queues
    found = await queues.find(ids)
    raws = [(folder.path / name).read_bytes() for name in folder.files("mail")]
    assert [found[id].raw for id in ids] == raws and found.cut is None
    assert (await queues.find(ids, limit=2)).cut == 2
    copies = [StoredMessage(queue="other", priority=0, raw=raw) for raw in raws]
    assert await queues.publish(copies) == 4
    assert [(folder.path / name).read_bytes() for name in folder.files("other")] == raws
    with pytest.raises(LazyCeleryError, match="no Kombu envelope"):
        await queues.publish([StoredMessage(queue="other", priority=0, raw=b"{}")])


@pytest.mark.broker
async def test_all_workers_answer_and_a_killed_one_is_waited_for_only_once(
    folder: Folder, worker: Worker, opened: OpenBroker
) -> None:
    worker("w1")
    gone = worker("w2")
    broker = await opened(folder.url)
    assert broker.mailbox is not None
    control = Control(broker.mailbox)
    began = time.monotonic()
    reports = await control.survey(what=("ping", "stats", "active"), timeout=5)
    assert [(report.worker, report.ping) for report in reports] == [("w1@test", True), ("w2@test", True)]
    assert time.monotonic() - began < 3
    gone.kill()
    reports = await control.survey(what=("ping",), timeout=2)
    assert [(report.worker, report.ping) for report in reports] == [("w1@test", True), ("w2@test", False)]
    began = time.monotonic()
    replies = await broker.mailbox.call("ping", timeout=5)
    assert list(replies.by_worker()) == ["w1@test"] and time.monotonic() - began < 2.5


ENGINE = """
import asyncio, sys
from lazycelery.engine.engine import Engine
from lazycelery.model.profile import Profile
async def main():
    engine = Engine(Profile(broker=sys.argv[1], timeout=0.5))
    await engine.start()
    await engine.ready(15)
    print("ready", flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.broker
async def test_what_a_killed_one_left_is_removed_by_the_next(folder: Folder, opened: OpenBroker) -> None:
    killed = subprocess.Popen([sys.executable, "-c", ENGINE, folder.url], stdout=subprocess.PIPE)
    assert killed.stdout is not None and killed.stdout.readline() == b"ready\n"
    assert folder.ours()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    # An event that nobody took, long ago.
    [queue] = [name for name in folder.bindings("celeryev") if "lazycelery-" in name]
    stale = folder.path / f"1_x.{queue}.msg"
    stale.write_text("{}")
    os.utime(stale, (time.time() - 3600,) * 2)
    broker = await opened(folder.url)
    events = asyncio.ensure_future(broker.events.run(lambda batch: None, lambda change: None))

    async def swept() -> bool:
        return queue not in folder.bindings("celeryev") and not stale.exists()

    assert await until(swept, 5)
    events.cancel()


async def test_a_folder_that_is_not_there_is_said() -> None:
    broker = open_broker(Profile(broker="filesystem:///nowhere/at/all"))
    with pytest.raises(ConnectionProblem, match="no folder /nowhere/at/all"):
        await broker.connect()
    await broker.close()


def test_without_a_folder_it_says_which_setting_names_one() -> None:
    with pytest.raises(UsageError, match="needs data_folder_in and data_folder_out") as raised:
        open_broker(Profile(broker="filesystem://"))
    assert "transport_options" in raised.value.hint


async def test_folders_come_from_the_profile_or_the_query(folder: Folder, opened: OpenBroker) -> None:
    folder.send("shop.add", 1, 2, queue="mail")
    query = "&".join(f"{name}={value}" for name, value in folder.options.items())
    for broker in (
        await opened("filesystem://", transport_options=dict(folder.options)),
        await opened(f"filesystem://?{query}&polling_interval=0.2"),
    ):
        assert await broker.queues.names() == ["mail"]
        [report] = await broker.queues.probe(["mail"])
        assert report.messages == 1 and report.oldest_age is not None
