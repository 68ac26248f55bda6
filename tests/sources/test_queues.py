"""Queues: how deep, what waits, what is in flight, and how messages come and go without loss."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from lazycelery.errors import LazyCeleryError, Refused, UsageError
from lazycelery.model.message import StoredMessage
from lazycelery.sources.protocols.queues import Recovery
from lazycelery.sources.redis import bindings, purging, queues, refilling
from lazycelery.sources.redis.queues import RedisQueues
from tests.sources.conftest import Open, task_message, until
from tests.support.broker import RedisServer
from tests.support.fleet import CeleryWorker, send

pytestmark = pytest.mark.broker
SEP = "\x06\x16"


def key(queue: str, step: int) -> str:
    return f"{queue}{SEP}{step}" if step else queue


def fill(broker: RedisServer, queue: str, count: int, step: int = 0, size: int = 0) -> list[bytes]:
    """Waiting messages, in the order in which they will run."""
    raws = [task_message(f"{queue}-{step}-{n}", ["x" * size], priority=step) for n in range(count)]
    client = broker.client()
    for raw in raws:
        client.lpush(key(queue, step), raw)
    return raws


def ids(messages: Sequence[Any]) -> list[str]:
    return [message.id for message in messages]


async def served(broker: RedisServer, queue: str) -> list[bytes]:
    """What workers would be given, in order; takes it."""
    client, found = broker.client(), []
    while item := client.brpop([key(queue, step) for step in (0, 3, 6, 9)], timeout=0.01):
        found.append(item[1])
    return found


class TestNames:
    async def test_queues_of_workers_are_found_and_mailboxes_are_not(
        self, opened: Open, broker: RedisServer, worker: Callable[..., CeleryWorker]
    ) -> None:
        worker("w1", queues="celery,high")
        link = await opened(broker.url, queues=["mine"])
        await link.mailbox.call("ping")
        assert await link.queues.names() == ["celery", "high", "mine"]

    async def test_malformed_bindings_do_no_harm(self, opened: Open, broker: RedisServer) -> None:
        client = broker.client()
        client.sadd("_kombu.binding.celery", "odd", b"\xff" + SEP.encode(), f"rk{SEP}{SEP}good", f"{SEP * 5}")
        client.set("_kombu.binding.wrong", "type")
        link = await opened(broker.url)
        assert await link.queues.names() == ["good"]

    async def test_a_queue_bound_later_is_found_when_looked_for_again(
        self, opened: Open, broker: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        link = await opened(broker.url)
        assert await link.queues.names() == []
        broker.client().sadd("_kombu.binding.late", f"late{SEP}{SEP}late")
        assert await link.queues.names() == []
        monkeypatch.setattr("lazycelery.sources.redis.bindings.RESCAN_SMALL", 0)
        assert await link.queues.names() == ["late"]


class TestProbe:
    async def test_depths_are_told_by_priority_whatever_changes(
        self, opened: Open, broker: RedisServer
    ) -> None:
        link = await opened(broker.url)
        for step, count in ((0, 2), (3, 1), (9, 4)):
            fill(broker, "q", count, step)
        for _ in range(2):
            (report,) = await link.queues.probe(["q"])
            assert report.messages == 7 and report.priorities == {"0": 2, "3": 1, "9": 4}
            assert report.type == "list" and report.unacked == 0 and report.unacked_age is None
        await served(broker, "q")
        assert (await link.queues.probe(["q"]))[0].messages == 0
        assert (await link.queues.probe(["q"]))[0].messages == 0
        fill(broker, "q", 1, 6)
        assert (await link.queues.probe(["q"]))[0].priorities == {"6": 1}

    async def test_own_separator_and_steps_are_used(self, opened: Open, broker: RedisServer) -> None:
        broker.client().lpush("q:5", "{}", "{}")
        link = await opened(broker.url, sep=":", priority_steps=[0, 5])
        assert (await link.queues.probe(["q"]))[0].priorities == {"5": 2}

    async def test_a_key_that_is_no_list_is_told_and_hides_no_other(
        self, opened: Open, broker: RedisServer
    ) -> None:
        broker.client().set("text", "x")
        fill(broker, "q", 1)
        link = await opened(broker.url)
        for _ in range(2):
            wrong, right = await link.queues.probe(["text", "q"])
            assert "no queue" in str(wrong.error) and wrong.messages is None and right.messages == 1
        assert "no queue" in str((await link.queues.peek("text")).note)

    async def test_quiet_queues_cost_two_commands(self, opened: Open, broker: RedisServer) -> None:
        link = await opened(broker.url)
        names = [f"q{n}" for n in range(50)]
        await link.queues.probe(names)
        before = link.commands_sent()
        await link.queues.probe(names)
        assert link.commands_sent() - before == 2
        await link.queues.peek("q7")
        before = link.commands_sent()
        await link.queues.probe(names)
        assert link.commands_sent() - before == 2, "a look at one queue forgets nothing of the others"

    async def test_many_bindings_are_read_now_and_then_and_new_ones_at_once(
        self, opened: Open, broker: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def bind(name: str) -> None:
            broker.client().sadd(f"_kombu.binding.{name}", f"{name}\x06\x16\x06\x16{name}")

        for number in range(150):
            bind(f"q{number}")
        link = await opened(broker.url)
        assert len(await link.queues.names()) >= 150
        before = link.commands_sent()
        assert len(await link.queues.names()) >= 150
        assert link.commands_sent() - before < 10
        monkeypatch.setattr(bindings, "RESCAN_SMALL", 0.0)
        bind("late")
        assert "late" in await link.queues.names()
        broker.client().delete("_kombu.binding.q3")
        monkeypatch.setattr(bindings, "REREAD", 0.0)
        assert "q3" not in await link.queues.names()

    async def test_messages_in_flight_are_told_by_queue(
        self, opened: Open, broker: RedisServer, worker: Callable[..., CeleryWorker]
    ) -> None:
        worker("w1", queues="celery,high", env={"TEST_PREFETCH": "4"})
        for queue in ("celery", "high", "high"):
            send(broker.url, "shop.late", 30, queue=queue)
        link = await opened(broker.url)
        await until(lambda: broker.client().hlen("unacked") == 3, what="delivered")
        celery, high, other = await link.queues.probe(["celery", "high", "other"])
        assert (celery.unacked, high.unacked, other.unacked) == (1, 2, 0)
        assert high.unacked_age is not None and 0 <= high.unacked_age < 30
        entries = await link.queues.in_flight()
        assert {entry.queue for entry in entries} == {"celery", "high"}
        assert all(entry.task == "shop.late" and entry.delivered for entry in entries)
        assert [e.delivered for e in entries] == sorted(e.delivered or 0 for e in entries)
        assert len(await link.queues.in_flight(limit=2)) == 2
        before = link.commands_sent()
        await link.queues.probe(["celery"])
        assert link.commands_sent() - before <= 4, "entries that stay are not fetched again"

    async def test_more_in_flight_than_are_looked_at_is_unknown(
        self, opened: Open, broker: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        client = broker.client()
        for n in range(3):
            client.hset("unacked", f"t{n}", json.dumps([json.loads(task_message(f"i{n}")), "", "q"]))
            client.zadd("unacked_index", {f"t{n}": n})
        link = await opened(broker.url)
        assert (await link.queues.probe(["q"]))[0].unacked == 3
        monkeypatch.setattr(queues, "PROBED_IN_FLIGHT", 2)
        assert (await link.queues.probe(["q"]))[0].unacked is None

    async def test_without_an_index_messages_in_flight_are_still_found(
        self, opened: Open, broker: RedisServer
    ) -> None:
        raw = task_message("i1")
        client = broker.client()
        client.hset("unacked", "t", b"[" + raw + b', "", "q"]')
        client.hset("unacked", "odd", b"\xff")
        link = await opened(broker.url)
        found = {entry.tag: entry for entry in await link.queues.in_flight()}
        assert found["t"].raw == raw and found["t"].id == "i1" and found["t"].delivered is None
        assert found["odd"].id is None
        assert (await link.queues.probe(["q"]))[0].unacked is None, "one cannot be told"

    async def test_an_entry_too_large_is_named_and_not_fetched(
        self, opened: Open, broker: RedisServer
    ) -> None:
        client = broker.client()
        client.hset("unacked", "big", json.dumps([json.loads(task_message("b", ["x" * 5_000_000])), "", "q"]))
        client.zadd("unacked_index", {"big": 5})
        link = await opened(broker.url)
        (entry,) = await link.queues.in_flight()
        assert (entry.tag, entry.delivered, entry.raw) == ("big", 5.0, b"")

    async def test_a_queue_behind_an_exchange_is_found_by_its_binding(
        self, opened: Open, broker: RedisServer
    ) -> None:
        client = broker.client()
        client.sadd("_kombu.binding.shop", f"orders.new{SEP}{SEP}orders")
        client.hset("unacked", "t", json.dumps([json.loads(task_message("i")), "shop", "orders.new"]))
        link = await opened(broker.url)
        await link.queues.names()
        assert (await link.queues.in_flight())[0].queue == "orders"


class TestPeek:
    async def test_the_next_to_run_comes_first_over_all_priorities(
        self, opened: Open, broker: RedisServer
    ) -> None:
        for step in (9, 3, 0):
            fill(broker, "q", 30, step)
        link = await opened(broker.url)
        page = await link.queues.peek("q", limit=100)
        assert (
            page.total == 90 and [m.position for m in page.messages] == list(range(90)) and page.note is None
        )
        window = await link.queues.peek("q", offset=28, limit=5)
        assert ids(window.messages) == ["q-0-28", "q-0-29", "q-3-0", "q-3-1", "q-3-2"]
        assert [m.position for m in window.messages] == [28, 29, 30, 31, 32]
        assert [m.priority for m in window.messages] == [0, 0, 3, 3, 3]
        order = [json.loads(raw)["headers"]["id"] for raw in await served(broker, "q")]
        assert ids(page.messages) == order, "as Redis hands them out"

    async def test_peeking_takes_nothing(self, opened: Open, broker: RedisServer) -> None:
        fill(broker, "q", 3)
        before = broker.client().lrange("q", 0, -1)
        link = await opened(broker.url)
        await link.queues.peek("q")
        assert broker.client().lrange("q", 0, -1) == before

    async def test_beyond_the_end_and_an_empty_queue_are_empty_pages(
        self, opened: Open, broker: RedisServer
    ) -> None:
        fill(broker, "q", 2)
        link = await opened(broker.url)
        assert (await link.queues.peek("q", offset=5)).messages == []
        assert (await link.queues.peek("none")).total == 0

    async def test_large_messages_end_a_page_early_and_it_is_said(
        self, opened: Open, broker: RedisServer
    ) -> None:
        fill(broker, "q", 30, size=1_500_000)
        link = await opened(broker.url)
        page = await link.queues.peek("q", limit=30)
        assert 5 <= len(page.messages) < 20 and "large" in str(page.note) and page.total == 30
        assert "not decoded" in str(page.messages[0].problem) or "MB" in str(page.messages[0].problem)

    async def test_messages_that_are_none_are_shown_as_such(self, opened: Open, broker: RedisServer) -> None:
        broker.client().lpush("q", b"\xff", b"[]", task_message("fine"))
        link = await opened(broker.url)
        page = await link.queues.peek("q")
        assert [m.problem is None for m in page.messages] == [False, False, True]


class TestFind:
    async def test_true_messages_are_found_waiting_and_in_flight(
        self, opened: Open, broker: RedisServer
    ) -> None:
        raws = fill(broker, "celery", 700)
        high = fill(broker, "high", 3, step=6)
        client = broker.client()
        for queue in ("celery", "high"):
            client.sadd("_kombu.binding.celery", f"{queue}{SEP}{SEP}{queue}")
        held = task_message("held", priority=3)
        client.hset("unacked", "t", b"[" + held + b', "", "high"]')
        client.zadd("unacked_index", {"t": 1})
        link = await opened(broker.url)
        found = await link.queues.find(["celery-0-650", "high-6-2", "held", "nowhere"])
        assert set(found) == {"celery-0-650", "high-6-2", "held"}
        assert found["celery-0-650"].raw == raws[650] and found["celery-0-650"].position == 650
        assert (found["high-6-2"].raw, found["high-6-2"].priority) == (high[2], 6)
        assert (found["held"].raw, found["held"].queue, found["held"].priority) == (held, "high", 3)

    async def test_an_id_that_only_occurs_in_a_message_is_not_its_id(
        self, opened: Open, broker: RedisServer
    ) -> None:
        broker.client().sadd("_kombu.binding.celery", f"q{SEP}{SEP}q")
        broker.client().lpush("q", task_message("child", root_id="parent"), task_message("parent2"))
        link = await opened(broker.url)
        assert await link.queues.find(["parent"]) == {}

    async def test_a_search_ends_at_its_limit(self, opened: Open, broker: RedisServer) -> None:
        broker.client().sadd("_kombu.binding.celery", f"q{SEP}{SEP}q")
        fill(broker, "q", 100)
        link = await opened(broker.url)
        assert await link.queues.find(["q-0-99"], limit=50) == {}
        assert set(await link.queues.find(["q-0-99"], limit=100)) == {"q-0-99"}

    async def test_a_search_that_was_cut_says_so(self, opened: Open, broker: RedisServer) -> None:
        broker.client().sadd("_kombu.binding.celery", f"q{SEP}{SEP}q")
        fill(broker, "q", 20)
        link = await opened(broker.url)
        assert (await link.queues.find(["none"], limit=15)).cut == 15
        assert (await link.queues.find(["none"], limit=20)).cut is None
        assert (await link.queues.find(["q-0-3"], limit=15)).cut is None

    async def test_what_was_sent_to_a_queue_that_nothing_binds_is_found(
        self, opened: Open, broker: RedisServer
    ) -> None:
        link = await opened(broker.url)
        raw = task_message("sent")
        await link.queues.publish([StoredMessage(queue="loose", priority=0, raw=raw)])
        assert (await link.queues.find(["sent"]))["sent"].queue == "loose"

    @pytest.mark.parametrize(("number", "size"), [(3000, 900), (40, 500_000)])
    async def test_a_search_for_many_ids_holds_nobody_up(
        self, opened: Open, broker: RedisServer, number: int, size: int
    ) -> None:
        broker.client().sadd("_kombu.binding.celery", f"q{SEP}{SEP}q")
        fill(broker, "q", number, size=size)
        link = await opened(broker.url)
        began = time.process_time()
        search = asyncio.ensure_future(link.queues.find([f"id-{n:036}" for n in range(1000)]))
        turns = 0
        while not search.done():
            turns += 1
            await asyncio.sleep(0)
        assert await search == {}
        assert time.process_time() - began < 2.0, "the ids are looked up, not tried one by one"
        assert turns > 20


class TestPutting:
    async def test_published_messages_run_last_and_in_order(self, opened: Open, broker: RedisServer) -> None:
        first = fill(broker, "q", 2)
        new = [StoredMessage(queue="q", priority=0, raw=task_message(f"n{n}")) for n in range(3)]
        link = await opened(broker.url)
        assert await link.queues.publish(new) == 3
        assert await served(broker, "q") == [*first, *(message.raw for message in new)]

    async def test_a_priority_between_steps_goes_to_the_step_below(
        self, opened: Open, broker: RedisServer
    ) -> None:
        link = await opened(broker.url)
        for priority in (2, 5, 255, -1):
            await link.queues.publish([StoredMessage(queue="q", priority=priority, raw=b"{}")])
        assert (await link.queues.probe(["q"]))[0].priorities == {"0": 2, "3": 1, "9": 1}

    async def test_what_was_taken_is_put_back_in_front_in_order(
        self, opened: Open, broker: RedisServer
    ) -> None:
        taken = {step: fill(broker, "q", 5, step) for step in (0, 6)}
        broker.client().flushall()
        waiting = fill(broker, "q", 1, 6)
        stored = [
            StoredMessage(queue="q", priority=step, raw=raw, position=position)
            for step, raws in taken.items()
            for position, raw in enumerate(raws)
        ]
        link = await opened(broker.url)
        assert await link.queues.put_back(list(reversed(stored))) == 10
        assert await served(broker, "q") == [*taken[0], *taken[6], *waiting]

    async def test_a_copy_of_a_real_message_runs(
        self, opened: Open, broker: RedisServer, worker: Callable[..., CeleryWorker]
    ) -> None:
        original = send(broker.url, "shop.echo", {"deep": [1, None]}, queue="held", kwargs={"k": "ü"})
        link = await opened(broker.url, queues=["held"])
        found = (await link.queues.find([original]))[original]
        copy = link.codec.copy(
            found.raw, queue="celery", new_id="copied", headers={"lazycelery_retry_of": original}
        )
        fresh = link.codec.build(
            task="shop.add", args=[1, 2], kwargs={}, queue="celery", new_id="fresh", headers={}, priority=9
        )
        await link.queues.publish(
            [StoredMessage(queue="celery", priority=0, raw=raw) for raw in (copy, fresh)]
        )
        worker("w1")
        client = broker.client()
        for id, result in (("copied", [[{"deep": [1, None]}], {"k": "ü"}]), ("fresh", 3)):
            data = await until(lambda id=id: client.get(f"celery-task-meta-{id}"), what=id)
            assert json.loads(data)["result"] == result


class Disk:
    """Where a purge saves to."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.saved: list[StoredMessage] = []
        self.fail_after = fail_after

    def save(self, messages: Sequence[StoredMessage]) -> None:
        if self.fail_after is not None and len(self.saved) + len(messages) > self.fail_after:
            raise OSError(28, "No space left on device")
        self.saved += messages


class TestPurge:
    async def test_a_purge_empties_all_priorities_and_what_it_saved_comes_back_in_order(
        self, opened: Open, broker: RedisServer
    ) -> None:
        for step in (9, 3, 0):
            fill(broker, "q", 120, step)
        link, disk, client = await opened(broker.url), Disk(), broker.client()
        before = {name: client.lrange(name, 0, -1) for name in client.scan_iter()}
        result = await link.queues.purge("q", disk.save)
        assert (result.before, result.removed, result.after) == (360, 360, 0)
        assert list(client.scan_iter()) == []
        assert [(m.priority, m.position) for m in disk.saved] == [
            (s, n) for s in (0, 3, 9) for n in range(120)
        ]
        assert await link.queues.put_back(disk.saved) == 360
        assert {name: client.lrange(name, 0, -1) for name in client.scan_iter()} == before

    async def test_an_empty_queue_is_purged_of_nothing(self, opened: Open, broker: RedisServer) -> None:
        link, disk = await opened(broker.url), Disk()
        result = await link.queues.purge("none", disk.save)
        assert (result.before, result.removed, result.after, disk.saved) == (0, 0, 0, [])

    @pytest.mark.parametrize("arriving", [0, 3])
    async def test_when_saving_fails_every_message_is_back_in_front(
        self, opened: Open, broker: RedisServer, arriving: int
    ) -> None:
        first = fill(broker, "q", 100) + fill(broker, "q", 50, 6)
        link, client = await opened(broker.url), broker.client()
        late = [task_message(f"late{n}") for n in range(arriving)]
        disk = Disk(fail_after=120)

        def save(messages: Sequence[StoredMessage]) -> None:
            if not disk.saved:
                for raw in late:
                    client.lpush("q", raw)
            disk.save(messages)

        with pytest.raises(LazyCeleryError, match="No space"):
            await link.queues.purge("q", save)
        assert await served(broker, "q") == [*first[:100], *late, *first[100:]]
        assert list(client.scan_iter()) == []

    async def test_a_cancelled_purge_gives_everything_back(self, opened: Open, broker: RedisServer) -> None:
        raws = fill(broker, "q", 500)
        link, client = await opened(broker.url), broker.client()
        saving, let_go = threading.Event(), threading.Event()

        def save(messages: object) -> None:
            saving.set()
            let_go.wait(30)

        purge = asyncio.ensure_future(link.queues.purge("q", save))
        await until(saving.is_set, what="in the midst of it")
        assert client.exists("q") == 0
        purge.cancel()
        await asyncio.gather(purge, return_exceptions=True)
        let_go.set()
        assert purge.cancelled()
        await until(lambda: client.llen("q") == 500, what="given back")
        assert await served(broker, "q") == raws

    async def test_a_purge_cut_off_by_a_crash_is_found_and_recovered(
        self, opened: Open, broker: RedisServer
    ) -> None:
        raws = fill(broker, "q", 10)
        link, client = await opened(broker.url), broker.client()
        client.rename("q", f"q{purging.HOLDING}dead")
        late = fill(broker, "q", 2)
        assert isinstance(link.queues, Recovery)
        (left,) = await link.queues.leftovers()
        assert left == f"q{purging.HOLDING}dead"
        assert await link.queues.recover(left) == 10
        assert await served(broker, "q") == [*raws, *late] and await link.queues.leftovers() == []

    async def test_only_leftovers_can_be_recovered(self, opened: Open, broker: RedisServer) -> None:
        fill(broker, "q", 1)
        link = await opened(broker.url)
        assert isinstance(link.queues, RedisQueues)
        with pytest.raises(UsageError):
            await link.queues.recover("q")

    async def test_what_is_no_queue_is_not_purged(self, opened: Open, broker: RedisServer) -> None:
        broker.client().set("text", "x")
        link = await opened(broker.url)
        with pytest.raises(Refused, match="no queue"):
            await link.queues.purge("text", Disk().save)
        assert broker.client().get("text") == b"x"

    async def test_a_purge_with_a_worker_at_the_queue_loses_nothing(
        self, opened: Open, broker: RedisServer, worker: Callable[..., CeleryWorker]
    ) -> None:
        worker("w1")
        raws = [
            (await opened(broker.url)).codec.build(
                task="shop.add", args=[1, n], kwargs={}, queue="celery", new_id=f"t{n}", headers={}
            )
            for n in range(300)
        ]
        link, disk, client = await opened(broker.url), Disk(), broker.client()
        await link.queues.publish([StoredMessage(queue="celery", priority=0, raw=raw) for raw in raws])
        result = await link.queues.purge("celery", disk.save)
        assert result.before == result.removed == len(disk.saved)
        saved = {json.loads(m.raw)["headers"]["id"] for m in disk.saved}
        ran = {f"t{n}" for n in range(300)} - saved
        await until(lambda: all(client.exists(f"celery-task-meta-{id}") for id in ran), what="the others ran")
        assert not any(client.exists(f"celery-task-meta-{id}") for id in saved)

    async def test_much_that_arrived_meanwhile_is_moved_in_short_transactions(
        self, opened: Open, broker: RedisServer
    ) -> None:
        held = fill(broker, "q", 3)
        link, client = await opened(broker.url), broker.client()
        holding = f"q{purging.HOLDING}dead"
        client.rename("q", holding)
        late = [b"%d" % number for number in range(3500)]
        client.lpush("q", *late)
        client.config_resetstat()
        assert await link.queues.recover(holding) == 3
        calls = client.info("commandstats")
        assert calls["cmdstat_exec"]["calls"] == 4
        assert calls["cmdstat_rpoplpush"]["calls"] <= 3500 + 100
        assert await served(broker, "q") == [*held, *late]

    async def test_a_leftover_that_somebody_else_gives_back_takes_nothing_out_of_the_queue(
        self, opened: Open, broker: RedisServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        held = fill(broker, "q", 3)
        link, client = await opened(broker.url), broker.client()
        holding = f"q{purging.HOLDING}dead"
        client.rename("q", holding)
        real = refilling._moved

        async def moved(*args: Any) -> bool:
            if client.exists(holding):
                client.rename(holding, "q")
            return await real(*args)

        monkeypatch.setattr(refilling, "_moved", moved)
        assert await link.queues.recover(holding) == 3
        assert await served(broker, "q") == held
